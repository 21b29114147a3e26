//! The bytes of an answer on their way to a client: its head, its body as it comes, and for how long the
//! slower side is waited for.

use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::http1::Connection;
use crate::h1::framing::Framing;
use crate::message::body::{Body, Broken, Piece};
use crate::message::withheld::Withheld;
use crate::net::deadline::{Deadline, Wait};
use crate::pool::stream::{end_payload, send_payload};
use crate::proxy::Local;
use crate::proxy::error::Error;

/// An answer whose head waits in the client's outbox.
pub struct Writing<'a> {
    connection: &'a Connection,
    local: &'a Rc<Local>,
    deadline: &'a Deadline,
    framing: Framing,
    idle: Duration,
    /// Bytes of the body so far.
    pub sent: u64,
    begun: bool,
    ended: bool,
    blocked: Blocked,
    /// Trailers that are not passed on.
    pub withheld: Withheld,
}

/// Whether the client has to take something first, and how much the kernel had taken when that was found.
#[derive(Default)]
struct Blocked(Option<u64>);

/// Who is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Client,
    Endpoint,
}

impl<'a> Writing<'a> {
    /// Nothing is written yet, and if it is bodiless, there is only the head to write. The endpoint may be silent for
    /// `idle`.
    pub fn new(
        connection: &'a Connection,
        local: &'a Rc<Local>,
        framing: Framing,
        bodiless: bool,
        idle: Duration,
    ) -> Self {
        let deadline = &*connection.deadline;
        deadline.arm(Wait::Step, idle);
        let (begun, ended) = (bodiless, bodiless);
        Self {
            connection,
            local,
            deadline,
            framing,
            idle,
            sent: 0,
            begun,
            ended,
            blocked: Blocked::default(),
            withheld: Withheld::default(),
        }
    }

    /// Writes what there is; ready when all is with the kernel.
    pub fn poll(&mut self, body: &mut Body, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.deadline.passed(Wait::End) {
            return Poll::Ready(Err(Error::ExchangeTimeout));
        }
        if body.is_cut() {
            return Poll::Ready(Err(Error::Truncated));
        }
        match body.poll_upload(cx) {
            Ok(true) if self.blocked.0.is_none() => self.deadline.arm(Wait::Step, self.idle),
            Err(Broken::Cut) => return Poll::Ready(Err(Error::ClientGone)),
            // Nothing comes after this answer, but it is an answer.
            _ => {}
        }
        let before = self.sent;
        loop {
            // At first the head waits, to leave with the first bytes of the body.
            if mem::replace(&mut self.begun, true) {
                ready!(self.poll_flush(body, cx))?;
                if self.ended {
                    return Poll::Ready(Ok(()));
                }
            }
            if self.sent - before > TURN {
                // Others want their turn, the listener first of all.
                cx.waker().wake_by_ref();
                return self.sleep(body);
            }
            ready!(self.poll_piece(body, cx))?;
        }
    }

    /// Waits until the client has taken what waits for it.
    fn poll_flush(&mut self, body: &mut Body, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut transport = self.connection.transport.borrow_mut();
        let flushed = transport.poll_flush(cx);
        drop(transport);
        self.watch();
        match flushed {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Error::ClientGone)),
            Poll::Pending => {}
        }
        if self.deadline.passed(Wait::Step) {
            if !self.connection.transport.borrow_mut().flush_now() {
                return Poll::Ready(Err(Error::WriteTimeout));
            }
            self.deadline.arm(Wait::Step, self.connection.terms.borrow().timeouts.write.get());
        }
        self.sleep(body)
    }

    /// Passes on the next piece of the body, or its end.
    fn poll_piece(&mut self, body: &mut Body, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let wanted = self.connection.transport.borrow().takes();
        let mut piece = self.local.scratch.lend_for(wanted);
        let pulled = body.poll_pull(cx, &mut piece);
        let mut transport = self.connection.transport.borrow_mut();
        match pulled {
            Poll::Ready(Ok(Piece::Data)) => {
                self.sent += piece.bytes().len() as u64;
                let sent = send_payload(&mut transport, self.framing, cx, piece.bytes());
                drop(transport);
                self.deadline.arm(Wait::Step, self.idle);
                self.watch();
                Poll::Ready(sent.map_err(|_| Error::ClientGone))
            }
            Poll::Ready(Ok(Piece::End))
                if self.framing.length().is_some_and(|all| all != self.sent) =>
            {
                Poll::Ready(Err(Error::Truncated))
            }
            Poll::Ready(Ok(Piece::End)) => {
                let trailers = self.withheld.without(body.trailers());
                end_payload(&mut transport, self.framing, &trailers);
                self.ended = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(broken)) => {
                // What came before goes out, as far as the client takes it.
                let _ = transport.poll_flush(cx);
                Poll::Ready(Err(match broken {
                    Broken::Cut => Error::Truncated,
                    Broken::Malformed | Broken::TooLarge => Error::BadAnswerBody,
                    Broken::Silent => Error::IdleTimeout,
                }))
            }
            Poll::Pending => {
                let flushed = transport.poll_flush(cx);
                drop(transport);
                if matches!(flushed, Poll::Ready(Err(_))) || self.connection.poll_gone(cx) {
                    return Poll::Ready(Err(Error::ClientGone));
                }
                if self.deadline.passed(Wait::Step) {
                    return Poll::Ready(Err(Error::IdleTimeout));
                }
                self.sleep(body)
            }
        }
    }

    fn watch(&mut self) {
        let transport = self.connection.transport.borrow();
        match self.blocked.next(transport.is_flushed(), transport.sent()) {
            Some(Turn::Client) => {
                self.deadline.arm(Wait::Step, self.connection.terms.borrow().timeouts.write.get());
            }
            Some(Turn::Endpoint) => self.deadline.arm(Wait::Step, self.idle),
            None => {}
        }
    }

    /// Neither side keeps what it was lent.
    fn sleep<T>(&self, body: &mut Body) -> Poll<T> {
        self.connection.transport.borrow_mut().park();
        body.park();
        Poll::Pending
    }
}

impl Blocked {
    /// After a write: whose turn it is, if its time begins anew. The client's does whenever it takes something, and
    /// the endpoint's when all is taken.
    fn next(&mut self, flushed: bool, taken: u64) -> Option<Turn> {
        if flushed {
            return self.0.take().map(|_| Turn::Endpoint);
        }
        (self.0.replace(taken) != Some(taken)).then_some(Turn::Client)
    }
}

/// Bytes of a body in one turn of the event loop.
const TURN: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_side_is_the_one_that_is_waited_for() {
        let mut blocked = Blocked::default();
        assert_eq!(blocked.next(true, 10), None, "nothing was in the way");
        assert_eq!(blocked.next(false, 20), Some(Turn::Client));
        assert_eq!(blocked.next(false, 20), None, "it took nothing: its time runs on");
        assert_eq!(blocked.next(false, 30), Some(Turn::Client), "it took something");
        assert_eq!(blocked.next(true, 40), Some(Turn::Endpoint), "now it is the endpoint's turn");
        assert_eq!(blocked.next(true, 40), None);
    }
}
