//! What is counted of requests, connections and attempts: the shards behind the metrics' names.
//!
//! Each object of the configuration owns its counters, and hands them on to its successor at a reload.
//! Workers write their own shard; `observe` sums for a scrape.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::counter::{Buckets, Count, Histogram, PerWorker, Times};
use super::metrics::{
    ENDPOINT_REQUESTS, ENDPOINT_RESPONSE, HEALTH_CHECKS, HEALTH_DURATION, HTTP_DURATION,
    HTTP_IN_FLIGHT, HTTP_RECEIVED, HTTP_REFUSED, HTTP_REQUESTS, HTTP_SENT, HTTP_STREAMS,
    POOL_ATTEMPTS, POOL_CONNECT, POOL_CONNECTIONS, POOL_RESPONSE, POOL_RETRIES,
};
use super::scrape::Scrape;

/// Counters of a route, or of the requests that found none.
pub struct RouteMetrics {
    shards: PerWorker<RouteShard>,
}

/// A worker's part of a route's counters.
#[derive(Default)]
pub struct RouteShard {
    /// Requests under way.
    pub in_flight: Count,
    /// Bytes of requests' bodies.
    pub received: Count,
    /// Bytes of answers' bodies.
    pub sent: Count,
    /// Streams that are open, by kind.
    pub streams: [Count; Stream::WORDS.len()],
    /// By method, then by status; a method's row is made when it is first seen.
    requests: [OnceLock<Box<[Count; STATUSES]>>; METHODS],
    /// By class of the status: 1xx to 5xx.
    times: [Histogram; 5],
    refused: ByReason,
}

/// A counter for each reason.
struct ByReason([Count; REASONS]);

impl Default for ByReason {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }
}

/// What makes a request a stream: it may last for long, and be silent for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// A tunnel that carries WebSocket.
    Websocket,
    /// A tunnel that carries something else.
    Upgrade,
    /// Server-sent events.
    Sse,
    /// A call of gRPC.
    Grpc,
}

impl Stream {
    /// Their words in metrics, in the order of the enum.
    const WORDS: [&'static str; 4] = ["websocket", "upgrade", "sse", "grpc"];
}

impl RouteShard {
    /// Counts a request that is over. `status` 0: the client left before an answer.
    pub fn count(&self, method: usize, status: u16, buckets: &Buckets, took: Duration) {
        let row = self.requests[method.min(METHODS - 1)]
            .get_or_init(|| Box::new(std::array::from_fn(|_| Count::default())));
        let status = usize::from(status);
        row[if status < STATUSES { status } else { 0 }].add(1);
        if let Some(class) = (status / 100).checked_sub(1)
            && let Some(times) = self.times.get(class)
        {
            times.record(buckets, took);
        }
    }

    /// Counts a request that weir refused or broke off; `reason` is its place in the list of reasons.
    pub fn refuse(&self, reason: usize) {
        self.refused.0[reason].add(1);
    }
}

impl RouteMetrics {
    /// For this many workers.
    pub fn new(workers: usize) -> Self {
        Self { shards: PerWorker::new(workers) }
    }

    /// The shard of a worker.
    pub fn of(&self, worker: usize) -> &RouteShard {
        self.shards.of(worker)
    }

    /// Adds all samples to a scrape; `methods` and `reasons` are the names of what was counted by number.
    pub fn observe(&self, route: &str, methods: &[&str], reasons: &[&str], scrape: &mut Scrape) {
        let in_flight = self.shards.sum(|s| &s.in_flight);
        scrape.add(HTTP_IN_FLIGHT, &[("route", route)], in_flight as f64);
        let labels = [("route", route)];
        scrape.add(HTTP_RECEIVED, &labels, self.shards.sum(|s| &s.received) as f64);
        scrape.add(HTTP_SENT, &labels, self.shards.sum(|s| &s.sent) as f64);
        for (at, kind) in Stream::WORDS.into_iter().enumerate() {
            let open = self.shards.sum(|s| &s.streams[at]);
            scrape.add(HTTP_STREAMS, &[("route", route), ("kind", kind)], open as f64);
        }
        for (at, method) in methods.iter().enumerate() {
            let mut sums = [0; STATUSES];
            for row in self.shards.iter().filter_map(|s| s.requests[at].get()) {
                sums.iter_mut().zip(row.iter()).for_each(|(sum, count)| *sum += count.get());
            }
            for (status, sum) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0) {
                let code = itoa::Buffer::new().format(status).to_owned();
                let labels = [("route", route), ("method", method), ("code", &code)];
                scrape.add(HTTP_REQUESTS, &labels, *sum as f64);
            }
        }
        for (class, name) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
            let mut times = Times::default();
            self.shards.iter().for_each(|shard| times.add(&shard.times[class]));
            if times.count() > 0 {
                let labels = [("route", route), ("code_class", name)];
                scrape.add_times(HTTP_DURATION, &labels, &times);
            }
        }
        for (at, reason) in reasons.iter().enumerate() {
            let count = self.shards.sum(|s| &s.refused.0[at]);
            if count > 0 {
                let labels = [("route", route), ("reason", reason)];
                scrape.add(HTTP_REFUSED, &labels, count as f64);
            }
        }
    }
}

/// Counters of a pool.
pub struct PoolMetrics {
    workers: usize,
    shards: PerWorker<PoolShard>,
    /// How long active checks took; written by the control runtime alone.
    pub checks: Histogram,
}

/// A worker's part of a pool's counters.
#[derive(Default)]
pub struct PoolShard {
    /// By outcome.
    pub attempts: [Count; OUTCOMES],
    /// By the outcome that caused them.
    pub retries: [Count; OUTCOMES],
    /// From a connection at hand to the head of the answer.
    pub response: Histogram,
    /// To connect.
    pub connect: Histogram,
    /// Connections carrying a request.
    pub active: Count,
    /// Connections waiting for one.
    pub idle: Count,
}

impl PoolMetrics {
    /// For this many workers.
    pub fn new(workers: usize) -> Self {
        Self { workers, shards: PerWorker::new(workers), checks: Histogram::default() }
    }

    /// New counters for one of its endpoints.
    pub fn endpoint(&self) -> EndpointMetrics {
        EndpointMetrics {
            shards: PerWorker::new(self.workers),
            checks: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The shard of a worker.
    pub fn of(&self, worker: usize) -> &PoolShard {
        self.shards.of(worker)
    }

    /// Attempts there have been, of all outcomes.
    pub fn attempts(&self) -> u64 {
        let outcomes = 0..OUTCOMES;
        outcomes.fold(0, |sum, at| sum.wrapping_add(self.shards.sum(|s| &s.attempts[at])))
    }

    /// Adds all samples to a scrape; `outcomes` are the names of what was counted by number.
    pub fn observe(&self, pool: &str, outcomes: &[&str], scrape: &mut Scrape) {
        for (at, outcome) in outcomes.iter().enumerate() {
            let labels = [("pool", pool), ("result", outcome)];
            scrape.add(POOL_ATTEMPTS, &labels, self.shards.sum(|s| &s.attempts[at]) as f64);
            let retries = self.shards.sum(|s| &s.retries[at]);
            if retries > 0 {
                let labels = [("pool", pool), ("reason", outcome)];
                scrape.add(POOL_RETRIES, &labels, retries as f64);
            }
        }
        let mut times = Times::default();
        self.shards.iter().for_each(|shard| times.add(&shard.response));
        scrape.add_times(POOL_RESPONSE, &[("pool", pool)], &times);
        let mut times = Times::default();
        self.shards.iter().for_each(|shard| times.add(&shard.connect));
        scrape.add_times(POOL_CONNECT, &[("pool", pool)], &times);
        let mut times = Times::default();
        times.add(&self.checks);
        scrape.add_times(HEALTH_DURATION, &[("pool", pool)], &times);
        for (state, count) in
            [("active", self.shards.sum(|s| &s.active)), ("idle", self.shards.sum(|s| &s.idle))]
        {
            scrape.add(POOL_CONNECTIONS, &[("pool", pool), ("state", state)], count as f64);
        }
    }
}

/// Counters of an endpoint.
pub struct EndpointMetrics {
    shards: PerWorker<EndpointShard>,
    /// By `Checked`; written by the control runtime alone.
    checks: [AtomicU64; 3],
}

/// A worker's part of an endpoint's counters.
#[derive(Default)]
pub struct EndpointShard {
    /// Attempts that count for it.
    pub ok: Count,
    /// Attempts that count against it.
    pub error: Count,
    /// From a connection at hand to the head of the answer, if that is asked for by endpoint.
    response: OnceLock<Box<Histogram>>,
}

impl EndpointShard {
    /// Counts how long an answer took.
    pub fn answered(&self, buckets: &Buckets, took: Duration) {
        self.response.get_or_init(Box::default).record(buckets, took);
    }
}

/// What a check came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It answered as it should.
    Ok,
    /// It did not.
    Failed,
    /// It did not in time.
    Timeout,
}

impl EndpointMetrics {
    /// The shard of a worker.
    pub fn of(&self, worker: usize) -> &EndpointShard {
        self.shards.of(worker)
    }

    /// Counts a check.
    pub fn checked(&self, how: Checked) {
        self.checks[how as usize].fetch_add(1, Relaxed);
    }

    /// Adds all samples to a scrape; `times`: also how long its answers took.
    pub fn observe(&self, pool: &str, endpoint: &str, times: bool, scrape: &mut Scrape) {
        for (result, count) in
            [("ok", self.shards.sum(|s| &s.ok)), ("error", self.shards.sum(|s| &s.error))]
        {
            let labels = [("pool", pool), ("endpoint", endpoint), ("result", result)];
            scrape.add(ENDPOINT_REQUESTS, &labels, count as f64);
        }
        let shards = self.shards.iter().filter_map(|shard| shard.response.get());
        let mut all = Times::default();
        shards.for_each(|shard| all.add(shard));
        if times && all.count() > 0 {
            let labels = [("pool", pool), ("endpoint", endpoint)];
            scrape.add_times(ENDPOINT_RESPONSE, &labels, &all);
        }
        for (result, count) in ["ok", "failed", "timeout"].into_iter().zip(&self.checks) {
            let labels = [("pool", pool), ("endpoint", endpoint), ("result", result)];
            scrape.add(HEALTH_CHECKS, &labels, count.load(Relaxed) as f64);
        }
    }
}

/// Methods with a name, and one for all others.
pub const METHODS: usize = 10;
/// Statuses an answer may have; 0 stands for none.
const STATUSES: usize = 600;
/// Outcomes of an attempt.
pub const OUTCOMES: usize = 11;
/// At most so many reasons for an error.
pub const REASONS: usize = 48;
