//! The body of a request, as an endpoint's connection pulls it, and for how long the client may take.

use std::rc::Rc;
use std::task::{Context, Poll};

use super::http1::Connection;
use super::pace::Pace;
use crate::h1::framing::Framing;
use crate::message::body::{Broken, Piece, Pull};
use crate::net::deadline::Wait;
use crate::net::scratch::Buffer;
use crate::pool::stream::poll_payload;

/// The body of a request.
pub struct RequestBody {
    connection: Rc<Connection>,
    framing: Framing,
    pace: Pace,
}

impl RequestBody {
    /// Of the request that the connection has just read the head of.
    pub fn new(connection: &Rc<Connection>, framing: Framing) -> Self {
        Self { connection: Rc::clone(connection), framing, pace: Pace::default() }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // Nobody reads it any more.
        self.connection.waits.set(false);
    }
}

impl Pull for RequestBody {
    fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
    ) -> Poll<Result<Piece, Broken>> {
        let connection = &*self.connection;
        let before = connection.payload.get();
        let mut payload = before;
        let piece = poll_payload(
            &mut connection.transport.borrow_mut(),
            &mut payload,
            &mut connection.trailers.borrow_mut(),
            cx,
            into,
        );
        connection.payload.set(payload);
        if payload != before {
            // It has begun, invited or not.
            connection.expects.set(false);
        }
        let deadline = &connection.deadline;
        if piece.is_pending() {
            connection.waits.set(true);
            if connection.expects.get() {
                // It waits for the endpoint, whose time is running.
                return Poll::Pending;
            }
            if self.pace.wait(deadline.now()) {
                let terms = connection.terms.borrow();
                let (silence, rate) = (terms.timeouts.body.get(), terms.limits.min_body_rate.get());
                deadline.arm(Wait::Body, self.pace.patience(silence, rate));
            } else if deadline.passed(Wait::Body) {
                return Poll::Ready(Err(Broken::Silent));
            }
            return Poll::Pending;
        }
        connection.waits.set(false);
        connection.traffic.add(into.bytes().len());
        if self.pace.go_on(deadline.now(), into.bytes().len()) {
            deadline.disarm(Wait::Body);
        }
        piece
    }

    fn length(&self) -> Option<u64> {
        self.framing.length()
    }

    fn trailers(&self) -> Vec<u8> {
        self.connection.trailers.borrow().clone()
    }
}
