//! A socket, with TLS over it or not: what a transport reads from and writes to.
//!
//! TLS has data of its own between the socket and the reader, so it answers some questions in its own way. Bytes are
//! counted where the kernel takes and gives them.

use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection's socket.
pub enum Stream {
    /// Bytes as they are.
    Plain(Counted),
    /// Encrypted, on either side.
    Tls(Box<Tls>),
}

/// A socket with TLS over it.
pub struct Tls {
    stream: TlsStream<Counted>,
    secured: Arc<Secured>,
}

/// What both sides have agreed on.
#[derive(Debug, Default)]
pub struct Secured {
    /// The version: "1.3".
    pub version: &'static str,
    /// The cipher suite, as the standard names it.
    pub cipher: String,
    /// The name that the client has asked for; empty: none.
    pub server_name: String,
    /// The subject of the client's certificate, which was checked; empty: it has shown none.
    pub client_subject: String,
}

impl Tls {
    /// A connection whose handshake is over.
    pub fn new(stream: TlsStream<Counted>, secured: Arc<Secured>) -> Self {
        Self { stream, secured }
    }
}

/// A socket that counts.
pub struct Counted {
    io: TcpStream,
    sent: u64,
    read: u64,
}

impl From<TcpStream> for Counted {
    fn from(io: TcpStream) -> Self {
        Self { io, sent: 0, read: 0 }
    }
}

impl Counted {
    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        &self.io
    }
}

impl Stream {
    fn counted(&self) -> &Counted {
        match self {
            Self::Plain(counted) => counted,
            Self::Tls(tls) => tls.stream.get_ref().0,
        }
    }

    /// What both sides have agreed on; `None`: it is not encrypted.
    pub fn secured(&self) -> Option<&Arc<Secured>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(&tls.secured),
        }
    }

    /// Whether it was agreed on that HTTP/2 is spoken inside (RFC 7301).
    pub fn has_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// How many bytes the kernel has taken so far.
    pub fn sent(&self) -> u64 {
        self.counted().sent
    }

    /// How many bytes have come since this was last asked.
    pub fn take_read(&mut self) -> u64 {
        match self {
            Self::Plain(counted) => mem::take(&mut counted.read),
            Self::Tls(tls) => mem::take(&mut tls.stream.get_mut().0.read),
        }
    }

    /// How much TLS may hold of what the kernel does not take.
    pub fn hold_at_most(&mut self, size: usize) {
        match self {
            Self::Plain(_) => {}
            Self::Tls(tls) => match &mut tls.stream {
                TlsStream::Client(tls) => tls.get_mut().1.set_buffer_limit(Some(size)),
                TlsStream::Server(tls) => tls.get_mut().1.set_buffer_limit(Some(size)),
            },
        }
    }

    /// Receives.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(counted) => Pin::new(counted).poll_read(cx, room),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_read(cx, room),
        }
    }

    /// Sends as much as there is room for.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(counted) => Pin::new(counted).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write(cx, bytes),
        }
    }

    /// The same, from several places.
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(counted) => Pin::new(counted).poll_write_vectored(cx, slices),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write_vectored(cx, slices),
        }
    }

    /// Hands to the kernel what TLS still has.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_flush(cx),
        }
    }

    /// Whether TLS has nothing that the kernel does not have.
    pub fn is_flushed(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(tls) => !tls.stream.get_ref().1.wants_write(),
        }
    }

    /// Sends what the kernel has room for, without asking the event loop: `plain`, or what TLS still has. How much.
    pub fn send_now(&mut self, plain: &[u8]) -> usize {
        match self {
            Self::Plain(counted) => {
                let sent = SockRef::from(&counted.io).send(plain).unwrap_or(0);
                counted.sent += sent as u64;
                sent
            }
            Self::Tls(tls) => {
                while tls.stream.get_ref().1.wants_write() {
                    let sent = match &mut tls.stream {
                        TlsStream::Client(tls) => {
                            let (counted, session) = tls.get_mut();
                            session.write_tls(&mut Now(counted))
                        }
                        TlsStream::Server(tls) => {
                            let (counted, session) = tls.get_mut();
                            session.write_tls(&mut Now(counted))
                        }
                    };
                    if !sent.is_ok_and(|sent| sent > 0) {
                        break;
                    }
                }
                0
            }
        }
    }

    /// Whether the peer has nothing to say and has not ended, as far as the event loop has heard: no system call, but
    /// for TLS, where what came may be none of the peer's words.
    pub fn is_silent(&mut self) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        match self {
            Self::Plain(counted) => counted.io.poll_read_ready(cx).is_pending(),
            Self::Tls(tls) => {
                let mut word = [MaybeUninit::uninit()];
                let mut room = ReadBuf::uninit(&mut word);
                Pin::new(&mut tls.stream).poll_read(cx, &mut room).is_pending()
            }
        }
    }

    /// The same, but asks the kernel, too.
    pub fn is_silent_now(&mut self) -> bool {
        self.is_silent()
            && SockRef::from(&self.counted().io)
                .peek(&mut [MaybeUninit::uninit()])
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Registers the task to be woken when it is worth reading. TLS has to be read to know.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(counted) => counted.io.poll_read_ready(cx).map(drop),
            Self::Tls(_) => Poll::Ready(()),
        }
    }

    /// Whether the peer has ended or broken its side, though unread bytes may stand before that: no system call.
    pub fn has_ended(&self) -> bool {
        let ready = pin!(self.counted().io.ready(Interest::READABLE));
        match ready.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) => ready.is_read_closed(),
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }

    /// Ends our side of the conversation; the peer may still speak.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(counted) => Pin::new(counted).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(cx),
        }
    }

    /// How long a close waits for what was sent: zero is a reset. If it fails the peer is gone already.
    pub fn linger(&self, time: Option<Duration>) {
        drop(SockRef::from(&self.counted().io).set_linger(time));
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Self::poll_read(&mut self, cx, room)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(&mut self, cx)
    }
}

/// TLS says goodbye, so that the end does not look like a break (RFC 8446, 6.1).
impl Drop for Stream {
    fn drop(&mut self) {
        let Self::Tls(tls) = self else { return };
        let resets = SockRef::from(tls.stream.get_ref().0.socket()).linger();
        if !matches!(resets, Ok(None)) {
            return;
        }
        tls.stream.get_mut().1.send_close_notify();
        self.send_now(&[]);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, room);
        self.read += (room.filled().len() - before) as u64;
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?;
        self.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Writes to the kernel at once, or not at all.
struct Now<'a>(&'a mut Counted);

impl io::Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = SockRef::from(&self.0.io).send(bytes)?;
        self.0.sent += sent as u64;
        Ok(sent)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
