//! A request on its way to an endpoint: its head, then its body as it comes, and how far they have got.

use std::io;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::stream::{end_payload, send_payload};
use crate::h1::framing::Framing;
use crate::message::body::{Broken, Piece, Upload};
use crate::net::scratch::Scratch;
use crate::net::transport::Transport;

/// How far a request has been sent.
pub struct Sending {
    framing: Framing,
    /// What the kernel had taken of this connection before.
    before: u64,
    begun: bool,
    ended: bool,
}

/// What keeps a request from being sent further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing: all of it is with the kernel.
    All,
    /// The endpoint has to take something first.
    Blocked,
    /// The client has to send something first.
    Waiting,
    /// The endpoint takes no more. There may be an answer all the same: reading will tell.
    Refused,
    /// The client's body did not come to its end.
    Broken(Broken),
}

impl Sending {
    /// A request whose head waits in the outbox, and a body of this framing.
    pub fn new(framing: Framing, transport: &Transport) -> Self {
        Self { framing, before: transport.sent(), begun: false, ended: false }
    }

    /// Whether its body has been pulled to its end.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the kernel has taken no byte of it.
    pub fn is_unsent(&self, transport: &Transport) -> bool {
        transport.sent() == self.before
    }

    /// Sends what there is, and says whether anything moved.
    pub fn poll(
        &mut self,
        transport: &mut Transport,
        scratch: &Rc<Scratch>,
        upload: &mut Upload,
        cx: &mut Context<'_>,
    ) -> (Sent, bool) {
        let (seen, had_ended) = (transport.sent(), self.ended);
        let sent = self.go_on(transport, scratch, upload, cx);
        (sent, transport.sent() != seen || self.ended != had_ended)
    }

    fn go_on(
        &mut self,
        transport: &mut Transport,
        scratch: &Rc<Scratch>,
        upload: &mut Upload,
        cx: &mut Context<'_>,
    ) -> Sent {
        let mut turn = 0;
        loop {
            // At first the head waits: it leaves with the first bytes of the body, if they are here.
            if mem::replace(&mut self.begun, true) {
                match transport.poll_flush(cx) {
                    Poll::Ready(Ok(())) if self.ended => return Sent::All,
                    Poll::Ready(Ok(())) => {}
                    // What waited is lost, so nothing that follows it may be sent or put back.
                    Poll::Ready(Err(_)) => return Sent::Refused,
                    Poll::Pending => return Sent::Blocked,
                }
            }
            if turn > TURN {
                // Others want their turn.
                cx.waker().wake_by_ref();
                return Sent::Waiting;
            }
            let mut piece = scratch.lend_for(transport.takes());
            match upload.poll_pull(cx, &mut piece) {
                Poll::Ready(Ok(Piece::Data)) => {
                    turn += piece.bytes().len();
                    let sent: io::Result<()> =
                        send_payload(transport, self.framing, cx, piece.bytes());
                    if sent.is_err() {
                        if self.is_unsent(transport) {
                            upload.put_back(piece.bytes());
                        }
                        return Sent::Refused;
                    }
                }
                Poll::Ready(Ok(Piece::End)) => {
                    // It ends once, though that may have to wait for room and be asked for again.
                    let trailers = upload.trailers();
                    end_payload(transport, self.framing, &trailers);
                    self.ended = true;
                }
                Poll::Ready(Err(broken)) => return Sent::Broken(broken),
                Poll::Pending => {
                    return match transport.poll_flush(cx) {
                        Poll::Ready(Ok(())) => Sent::Waiting,
                        Poll::Ready(Err(_)) => Sent::Refused,
                        Poll::Pending => Sent::Blocked,
                    };
                }
            }
        }
    }
}

/// Bytes of a body in one turn of the event loop.
const TURN: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use crate::net::stream::Stream;

    use super::*;
    use crate::message::body::Body;

    #[test]
    fn a_body_is_ended_once_however_late_there_is_room_for_its_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            socket.set_nonblocking(true).unwrap();
            let shared = tokio::net::TcpStream::from_std(socket.try_clone().unwrap()).unwrap();
            let scratch = Rc::new(Scratch::new());
            let shared = Stream::Plain(shared.into());
            let mut transport = Transport::new(shared, Rc::clone(&scratch));
            let mut upload = Upload::new(Body::Empty, false, u64::MAX);
            let mut sending = Sending::new(Framing::Chunked, &transport);
            let mut filled = 0;
            while let Ok(n) = socket.write(&[b'x'; 4096]) {
                filled += n;
            }
            let mut reader = Some(&mut peer);
            poll_fn(|cx| {
                let (sent, _) = sending.poll(&mut transport, &scratch, &mut upload, cx);
                if let Some(peer) = reader.take() {
                    assert_eq!(sent, Sent::Blocked, "there is no room for the end yet");
                    peer.read_exact(&mut vec![0; filled]).unwrap();
                }
                if sent == Sent::All { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            drop((transport, socket));
            let mut rest = String::new();
            peer.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "0\r\n\r\n");
        });
    }
}
