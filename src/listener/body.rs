//! The body of a request, as an endpoint's connection pulls it, and for how long the client may take.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::http1::Connection;
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

/// How fast a body comes. Only time spent waiting for the client counts.
#[derive(Debug, Default)]
struct Pace {
    /// Since when the client is waited for.
    since: Option<Duration>,
    waited: Duration,
    received: u64,
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

impl Pace {
    /// The client is waited for; whether it was not before.
    fn wait(&mut self, now: Duration) -> bool {
        self.since.is_none() && self.since.replace(now).is_none()
    }

    /// So many bytes have come; whether they were waited for.
    fn go_on(&mut self, now: Duration, bytes: usize) -> bool {
        self.received += bytes as u64;
        let since = self.since.take();
        self.waited += since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        since.is_some()
    }

    /// How long the client may be silent now: never longer than `silence`, and not so long that in all it would
    /// have sent fewer than `rate` bytes a second after its grace. 0: at any rate.
    fn patience(&self, silence: Duration, rate: u64) -> Duration {
        if rate == 0 {
            return silence;
        }
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / rate);
        silence.min((GRACE + earned).saturating_sub(self.waited))
    }
}

/// A body may begin as slowly as it likes for so long.
const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_drip_of_bytes_does_not_extend_the_time() {
        let mut pace = Pace::default();
        let mut now = Duration::ZERO;
        loop {
            assert!(pace.wait(now));
            let patience = pace.patience(seconds(30), 240);
            if patience < seconds(1) {
                break;
            }
            now += seconds(1);
            assert!(pace.go_on(now, 1));
        }
        assert_eq!(now, seconds(5), "a byte a second is too slow");
    }

    #[test]
    fn bytes_earn_time_and_the_endpoints_slowness_costs_none() {
        let mut pace = Pace::default();
        assert!(pace.wait(seconds(1)));
        assert!(!pace.wait(seconds(2)), "it was waited for already");
        assert!(pace.go_on(seconds(3), 2400));
        assert_eq!(pace.patience(seconds(30), 240), seconds(5 + 10 - 2));
        assert_eq!(pace.patience(seconds(9), 240), seconds(9), "silence has its own limit");
        // A minute passes while nobody waits for the client.
        assert!(!pace.go_on(seconds(63), 2400));
        assert_eq!(pace.patience(seconds(30), 240), seconds(5 + 20 - 2));
        assert_eq!(pace.patience(seconds(30), 0), seconds(30));
    }
}
