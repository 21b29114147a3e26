//! A message's payload in and out of a transport: the same towards clients and towards endpoints.

use std::io;
use std::task::{Context, Poll};

use crate::h1::chunked;
use crate::h1::framing::Framing;
use crate::h1::payload::Payload;
use crate::message::body::{Broken, Piece};
use crate::net::scratch::Buffer;
use crate::net::transport::Transport;

/// Receives the next bytes of a payload into an empty buffer, freed of their framing; trailers are added to
/// `trailers`.
pub fn poll_payload(
    transport: &mut Transport,
    payload: &mut Payload,
    trailers: &mut Vec<u8>,
    cx: &mut Context<'_>,
    into: &mut Buffer,
) -> Poll<Result<Piece, Broken>> {
    loop {
        if payload.has_ended() {
            return Poll::Ready(Ok(Piece::End));
        }
        let received = transport.received();
        if !received.is_empty() {
            let Ok(decoded) = payload.decode(received, trailers) else {
                return Poll::Ready(Err(Broken::Malformed));
            };
            if decoded.data > 0 {
                transport.hand_over(decoded.data, decoded.used, into);
                return Poll::Ready(Ok(Piece::Data));
            }
            transport.consume(decoded.used);
            continue;
        }
        // One byte more than is wanted: a read that is not full tells the runtime that the socket is
        // empty, and shows what a peer sends behind its message.
        let limit = payload.appetite(into.wanted()).saturating_add(1);
        match transport.poll_receive(cx, limit) {
            Poll::Ready(Ok(0)) if payload.ends_by_close() => *payload = Payload::Length(0),
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Broken::Cut)),
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => {
                transport.park();
                return Poll::Pending;
            }
        }
    }
}

/// Sends a piece of a payload; what the kernel does not take waits in the outbox.
///
/// # Errors
/// The connection is broken.
pub fn send_payload(
    transport: &mut Transport,
    framing: Framing,
    cx: &mut Context<'_>,
    data: &[u8],
) -> io::Result<()> {
    if framing != Framing::Chunked {
        return transport.send(cx, data, b"");
    }
    chunked::open(data.len(), transport.outbox());
    transport.send(cx, data, chunked::CLOSE)
}

/// Adds what ends a payload to the outbox, to be flushed.
pub fn end_payload(transport: &mut Transport, framing: Framing, trailers: &[u8]) {
    if framing == Framing::Chunked {
        chunked::end(trailers, transport.outbox());
    }
}
