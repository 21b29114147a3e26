//! One endpoint of a pool: where it is, how it is, what it has to do.
//!
//! State and load live in the endpoint itself, as atomics that every worker reads; there is no table
//! beside it. It outlives reloads: a configuration that still names it gets the same one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

pub mod condition;
pub mod state;

use crate::message::grpc;
use crate::net::leaving::Leaving;
use crate::telemetry::http::EndpointMetrics;
use state::State;

/// One endpoint. Aligned so that two of them never share a cache line.
#[repr(align(128))]
pub struct Endpoint {
    /// Distinguishes it from every other endpoint of this process, past and present.
    pub id: u64,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is spelt as a Host, in metrics and in logs.
    pub name: String,
    /// Whether it is well.
    pub state: State,
    /// What its attempts are counted in.
    pub metrics: EndpointMetrics,
    /// An answer said that it is not well: heard by who checks it.
    pub fails: Notify,
    /// Whether the configuration has lost it.
    pub leaving: Leaving,
    in_flight: AtomicU32,
    picked: AtomicU32,
}

impl Endpoint {
    /// A new endpoint, nothing known of it.
    pub fn new(address: SocketAddr, metrics: EndpointMetrics) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            address,
            name: address.to_string(),
            state: State::new(),
            metrics,
            fails: Notify::new(),
            leaving: Leaving::default(),
            in_flight: AtomicU32::new(0),
            picked: AtomicU32::new(0),
        }
    }

    /// Attempts under way, on all workers.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// When it was last picked, in microseconds: ties go to the one that waited longest. Two workers may
    /// overwrite each other's mark; that costs nothing but the order of a tie.
    pub fn last_picked(&self) -> u32 {
        self.picked.load(Relaxed)
    }

    /// It was picked.
    pub fn mark_picked(&self, now: Duration) {
        self.picked.store(now.as_micros() as u32, Relaxed);
    }

    /// One more attempt is under way, until the lease is dropped.
    pub fn lease(self: &Arc<Self>) -> Lease {
        self.in_flight.fetch_add(1, Relaxed);
        Lease { endpoint: Arc::clone(self), panic: false }
    }
}

/// An endpoint in use by one attempt; counted in flight while it exists, on every way out.
pub struct Lease {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// It was picked although it may not be well.
    pub panic: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Relaxed);
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// What became of an attempt, for counting, retries and health alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A head came, its status below 500 and not 429; or 501, 505.
    Ok,
    /// Another 5xx.
    AppError,
    /// 502, 503 without Retry-After, 504.
    Gateway,
    /// 429, or 503 with Retry-After.
    Overload,
    /// The endpoint could not be connected to: surely not sent.
    ConnectFailure,
    /// The connection took no byte of it: surely not processed.
    Refused,
    /// Closed or reset after sending, before any byte of an answer.
    Reset,
    /// The answer had begun, then broke.
    Aborted,
    /// No answer in time.
    Timeout,
    /// The answer is not HTTP, or breaks its framing.
    Protocol,
    /// The client left, or weir stopped waiting for its own reasons.
    ClientGone,
}

impl Outcome {
    /// All outcomes, in the order of the enum.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::AppError,
        Self::Gateway,
        Self::Overload,
        Self::ConnectFailure,
        Self::Refused,
        Self::Reset,
        Self::Aborted,
        Self::Timeout,
        Self::Protocol,
        Self::ClientGone,
    ];

    /// Its word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AppError => "app_error",
            Self::Gateway => "gateway",
            Self::Overload => "overload",
            Self::ConnectFailure => "connect_failure",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Aborted => "aborted",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::ClientGone => "client_gone",
        }
    }

    /// Whether the endpoint has surely not acted on the request.
    pub const fn is_surely_unsent(self) -> bool {
        matches!(self, Self::ConnectFailure | Self::Refused)
    }

    /// The outcome of an attempt whose call ended so.
    pub const fn of_call(status: grpc::Status) -> Self {
        match status {
            grpc::Status::UNKNOWN | grpc::Status::INTERNAL | grpc::Status::DATA_LOSS => {
                Self::AppError
            }
            grpc::Status::UNAVAILABLE | grpc::Status::DEADLINE_EXCEEDED => Self::Gateway,
            grpc::Status::RESOURCE_EXHAUSTED => Self::Overload,
            _ => Self::Ok,
        }
    }

    /// The outcome of an attempt that was answered.
    pub const fn of_status(status: u16, retry_after: bool) -> Self {
        match status {
            429 => Self::Overload,
            503 if retry_after => Self::Overload,
            502..=504 => Self::Gateway,
            501 | 505 => Self::Ok,
            500.. => Self::AppError,
            _ => Self::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_outcomes_are_listed_in_order() {
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
    }

    #[test]
    fn an_answer_is_judged_by_its_status() {
        for (status, outcome) in [
            (200, Outcome::Ok),
            (404, Outcome::Ok),
            (429, Outcome::Overload),
            (500, Outcome::AppError),
            (501, Outcome::Ok),
            (503, Outcome::Gateway),
            (599, Outcome::AppError),
        ] {
            assert_eq!(Outcome::of_status(status, false), outcome, "{status}");
        }
        assert_eq!(Outcome::of_status(503, true), Outcome::Overload);
    }
}
