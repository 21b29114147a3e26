//! What an exchange with an endpoint must know of the client behind it: how long it is waited for, and how
//! the client hears of what comes before its answer.

use std::cell::Cell;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::h1::chunked;
use crate::message::head::Head;
use crate::net::deadline::{Deadline, Wait};

/// A client's connection, as the other side of an exchange sees it.
pub struct Downstream<'a> {
    /// Its deadline, which wakes the one task that works on the exchange.
    pub deadline: &'a Deadline,
    /// How much a chunked answer for it may have besides its payload.
    pub chunks: chunked::Limits,
    /// Who passes on what comes before an answer.
    pub interim: &'a dyn Interim,
}

/// Passes on an answer that comes before the answer: 1xx (RFC 9110, 15.2).
pub trait Interim {
    /// Ready when it is on its way, or when this client is told nothing of the kind.
    fn poll_interim(&self, cx: &mut Context<'_>, head: &Head) -> Poll<()>;

    /// Whether the client waits for a word of the endpoint before it sends its body (RFC 9110, 10.1.1).
    fn is_expecting(&self) -> bool;
}

/// How long the answer to a request is waited for, over all attempts. While the client still sends its body, that is
/// its own time.
pub struct Patience<'a> {
    deadline: &'a Deadline,
    /// From the request sent to the head of its answer, per attempt.
    pub response: Duration,
    total: Duration,
    exchange: Duration,
    /// When the whole request had been received.
    received: Cell<Option<Duration>>,
    /// How long the client of a call may be silent, where calls are understood.
    pub silence: Option<Duration>,
    /// When all is over, whatever has been received by then.
    until: Duration,
}

impl<'a> Patience<'a> {
    /// `Duration::MAX` is no limit. `total` and `exchange` run from when the request has been received: to the head of
    /// its answer, and to its last byte.
    pub fn new(deadline: &'a Deadline, [response, total, exchange]: [Duration; 3]) -> Self {
        deadline.disarm(Wait::End);
        let (received, until) = (Cell::new(None), Duration::MAX);
        Self { deadline, response, total, exchange, received, silence: None, until }
    }

    /// … of a call, whose client may be silent for so long, and all of which is to be over in this time from now on.
    #[must_use]
    pub fn of_call(self, silence: Duration, time: Option<Duration>) -> Self {
        let silence = Some(silence);
        let Some(time) = time else { return Self { silence, ..self } };
        self.deadline.arm(Wait::End, time);
        Self { until: self.deadline.now().saturating_add(time), silence, ..self }
    }

    /// It ends in this time, or before.
    fn end(&self, time: Duration) {
        self.deadline.arm(Wait::End, time.min(self.until.saturating_sub(self.deadline.now())));
    }

    /// The whole request has been received.
    pub fn received(&self) {
        if self.received.get().is_none() {
            self.received.set(Some(self.deadline.now()));
            self.end(self.total.min(self.exchange));
        }
    }

    /// The head of the answer has come, which may be before all of the request.
    pub fn answered(&self) {
        let since = self.received.get().unwrap_or_else(|| self.deadline.now());
        let late = self.deadline.now().saturating_sub(since);
        self.end(self.exchange.saturating_sub(late));
    }
}
