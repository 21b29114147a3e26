//! The socket of an HTTP/2 connection, behind a meter: what its library reads and writes is counted as it passes.
//!
//! Shared by the library and by the connection's task, which watches what the library does not: who must go, and
//! whether the client takes what is sent.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::h2::meter::{Abuse, Meter};
use crate::net::deadline::Deadline;
use crate::net::stream::Stream;

/// A socket and its meter.
pub struct Metered {
    stream: RefCell<Stream>,
    /// What came before it was known to be HTTP/2.
    before: RefCell<Vec<u8>>,
    meter: RefCell<Meter>,
    verdict: Cell<Option<Abuse>>,
    /// The client has to take something first.
    blocked: Cell<bool>,
    deadline: Rc<Deadline>,
}

impl Metered {
    /// A connection of which `before` has been read already. `deadline` knows the time.
    pub fn new(stream: Stream, before: Vec<u8>, meter: Meter, deadline: &Rc<Deadline>) -> Rc<Self> {
        Rc::new(Self {
            stream: RefCell::new(stream),
            before: RefCell::new(before),
            meter: RefCell::new(meter),
            verdict: Cell::new(None),
            blocked: Cell::new(false),
            deadline: Rc::clone(deadline),
        })
    }

    /// Why it is to go.
    pub fn verdict(&self) -> Option<Abuse> {
        self.verdict.get()
    }

    /// Whether something has begun to come that is to be whole in the time of a head.
    pub fn is_midst(&self) -> bool {
        self.meter.borrow().is_midst()
    }

    /// Whether the client has to take something first.
    pub fn is_blocked(&self) -> bool {
        self.blocked.get()
    }

    /// Whether there is an answer that has not gone to its end, though its stream's task may be over.
    pub fn is_busy(&self) -> bool {
        self.meter.borrow().is_busy()
    }

    /// How many bytes of bodies have been sent.
    pub fn carried(&self) -> u64 {
        self.meter.borrow().carried()
    }

    /// How many bytes the kernel has taken.
    pub fn sent(&self) -> u64 {
        self.stream.borrow().sent()
    }

    /// How many bytes have come since this was last asked.
    pub fn take_read(&self) -> u64 {
        self.stream.borrow_mut().take_read()
    }

    /// From now on a close is a reset.
    pub fn reset_on_close(&self) {
        self.stream.borrow().linger(Some(std::time::Duration::ZERO));
    }

    /// Says that the connection ends because its client goes too far, if something can be said at this point.
    pub fn say_calm_down(&self, cx: &mut Context<'_>) {
        if let Some(last) = self.meter.borrow().boundary() {
            let last = last.to_be_bytes();
            let goaway =
                [&[0, 0, 8, GOAWAY, 0, 0, 0, 0, 0], &last[..], &ENHANCE_YOUR_CALM].concat();
            // If the kernel has no room for it, it is lost.
            let _ = self.stream.borrow_mut().poll_write(cx, &goaway);
        }
    }

    /// Reads past what the client still sends, so that it can read what was said. Ready when it has ended.
    pub fn poll_linger(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = self.stream.borrow_mut();
        if stream.poll_flush(cx).is_pending() || stream.poll_shutdown(cx).is_pending() {
            return Poll::Pending;
        }
        let mut block = [0; 4096];
        loop {
            let mut room = ReadBuf::new(&mut block);
            match ready!(stream.poll_read(cx, &mut room)) {
                Ok(()) if !room.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    fn sent_now(&self, bytes: &[u8]) {
        if let Err(abuse) = self.meter.borrow_mut().sent(bytes) {
            self.verdict.set(Some(abuse));
        }
    }
}

/// What the library reads from and writes to.
pub struct Io(pub Rc<Metered>);

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Metered { stream, before, meter, verdict, deadline, .. } = &*self.0;
        let begun = room.filled().len();
        let mut before = before.borrow_mut();
        if before.is_empty() {
            ready!(stream.borrow_mut().poll_read(cx, room))?;
        } else {
            let n = before.len().min(room.remaining());
            room.put_slice(&before[..n]);
            before.drain(..n);
        }
        if let Err(abuse) = meter.borrow_mut().received(&room.filled()[begun..], deadline.now()) {
            // Nothing of it gets any further.
            verdict.set(Some(abuse));
        }
        if verdict.get().is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.0.stream.borrow_mut().poll_write(cx, bytes);
        self.0.blocked.set(written.is_pending());
        let written = ready!(written)?;
        self.0.sent_now(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.0.stream.borrow_mut().poll_write_vectored(cx, slices);
        self.0.blocked.set(written.is_pending());
        let written = ready!(written)?;
        let mut left = written;
        for slice in slices {
            let part = left.min(slice.len());
            self.0.sent_now(&slice[..part]);
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.0.stream.borrow_mut().poll_flush(cx);
        self.0.blocked.set(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.borrow_mut().poll_shutdown(cx)
    }
}

const GOAWAY: u8 = 7;
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];
