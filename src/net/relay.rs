//! Two connections that have become one tunnel: bytes are carried both ways as they come, until both have ended.
//!
//! Each direction ends on its own: an end of one side is passed on, and the other goes on. A slow side slows its
//! peer: what it does not take is held, and nothing more is read.

use std::io;
use std::task::{Context, Poll, ready};

use super::transport::Transport;

/// A tunnel between a client and an endpoint.
#[derive(Default)]
pub struct Relay {
    /// From the client to the endpoint.
    pub up: Way,
    /// From the endpoint to the client.
    pub down: Way,
}

/// One end of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Endpoint,
}

/// What a tunnel waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// For either side to say something.
    Nothing,
    /// For the client to take what waits for it.
    Client,
    /// For the endpoint to take what waits for it.
    Endpoint,
    /// For one side to end, too: the other one has.
    Rest,
}

/// One direction of a tunnel.
#[derive(Default)]
pub struct Way {
    /// Bytes carried so far.
    pub bytes: u64,
    /// Its source has ended.
    ended: bool,
    /// And so has its sink.
    shut: bool,
}

impl Relay {
    /// What keeps bytes from moving.
    pub fn waits_for(&self, client: &Transport, endpoint: &Transport) -> Wanted {
        if !client.is_flushed() {
            Wanted::Client
        } else if !endpoint.is_flushed() {
            Wanted::Endpoint
        } else if self.up.ended || self.down.ended {
            Wanted::Rest
        } else {
            Wanted::Nothing
        }
    }

    /// Carries what there is; ready when both directions have ended.
    ///
    /// # Errors
    /// This side broke; the other deserves a reset.
    pub fn poll(
        &mut self,
        client: &mut Transport,
        endpoint: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Side>> {
        let (source, sink) = (|_| Side::Client, |_| Side::Endpoint);
        let up = self.up.poll(client, endpoint, cx, source, sink)?;
        let down = self.down.poll(endpoint, client, cx, sink, source)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Way {
    fn poll(
        &mut self,
        from: &mut Transport,
        to: &mut Transport,
        cx: &mut Context<'_>,
        source: fn(io::Error) -> Side,
        sink: fn(io::Error) -> Side,
    ) -> Poll<Result<(), Side>> {
        let before = self.bytes;
        while !self.shut {
            if to.poll_flush(cx).map_err(sink)?.is_pending() {
                from.park();
                return Poll::Pending;
            }
            let waiting = from.received();
            if !waiting.is_empty() {
                let n = waiting.len();
                to.send(cx, waiting, b"").map_err(sink)?;
                from.consume(n);
                self.bytes += n as u64;
                continue;
            }
            if self.ended {
                // The peer that is gone cannot be told.
                let _ = ready!(to.poll_shutdown(cx));
                self.shut = true;
                break;
            }
            if self.bytes - before > TURN {
                // Others want their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match from.poll_receive(cx, to.takes()).map_err(source)? {
                Poll::Ready(0) => {
                    self.ended = true;
                    // Nothing more is read: what was lent for it goes back.
                    from.park();
                }
                Poll::Ready(_) => {}
                Poll::Pending => {
                    from.park();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Bytes in one turn of the event loop.
const TURN: u64 = 256 * 1024;
