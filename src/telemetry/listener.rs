//! What is counted of connections of clients, of their handshakes and of sessions that are no HTTP.

use std::time::Duration;

use super::counter::{Buckets, Count, Histogram, PerWorker, Times};
use super::metrics::{
    L4_DURATION, L4_SESSIONS, LISTENER_ACCEPTED, LISTENER_CONNECTIONS, LISTENER_PAUSES,
    LISTENER_RECEIVED, LISTENER_REJECTED, LISTENER_SENT, TLS_HANDSHAKE_DURATION, TLS_HANDSHAKES,
};
use super::scrape::Scrape;

/// Counters of a listener.
pub struct ListenerMetrics {
    shards: PerWorker<ListenerShard>,
}

/// A worker's part of a listener's counters.
#[derive(Default)]
pub struct ListenerShard {
    /// Open client connections.
    pub connections: Count,
    /// Accepted client connections.
    pub accepted: Count,
    /// Bytes from clients.
    pub received: Count,
    /// Bytes to clients.
    pub sent: Count,
    /// Cut off: bytes that are not HTTP.
    pub malformed: Count,
    /// Cut off: a head that took too long.
    pub timeout: Count,
    /// Closed at once: their client has as many as it may.
    pub limited: Count,
    /// Cut off: no PROXY header, or none that is believed.
    pub unproxied: Count,
    /// Cut off: no TLS.
    pub insecure: Count,
    /// Cut off: an HTTP/2 client that goes too far.
    pub abusive: Count,
    /// TLS handshakes, by `Handshake`.
    pub handshakes: [Count; Handshake::ALL.len()],
    /// How long those took that came to a connection.
    pub handshake: Histogram,
    /// Sessions that are over, by `SESSION_RESULTS`.
    sessions: [Count; SESSION_RESULTS.len()],
    /// How long they lasted.
    session: Histogram,
    /// Times accepting was paused: at a limit, and for want of a descriptor.
    pub pauses: [Count; 2],
}

impl ListenerMetrics {
    /// For this many workers.
    pub fn new(workers: usize) -> Self {
        Self { shards: PerWorker::new(workers) }
    }

    /// The shard of a worker.
    pub fn of(&self, worker: usize) -> &ListenerShard {
        self.shards.of(worker)
    }

    /// Adds all samples to a scrape.
    pub fn observe(&self, listener: &str, scrape: &mut Scrape) {
        let labels = [("listener", listener)];
        let gauge = self.shards.sum(|s| &s.connections);
        scrape.add(LISTENER_CONNECTIONS, &labels, gauge as f64);
        scrape.add(LISTENER_ACCEPTED, &labels, self.shards.sum(|s| &s.accepted) as f64);
        scrape.add(LISTENER_RECEIVED, &labels, self.shards.sum(|s| &s.received) as f64);
        scrape.add(LISTENER_SENT, &labels, self.shards.sum(|s| &s.sent) as f64);
        for (reason, count) in [
            ("malformed", self.shards.sum(|s| &s.malformed)),
            ("timeout", self.shards.sum(|s| &s.timeout)),
            ("limit", self.shards.sum(|s| &s.limited)),
            ("tls", self.shards.sum(|s| &s.insecure)),
            ("proxy_protocol", self.shards.sum(|s| &s.unproxied)),
            ("http2", self.shards.sum(|s| &s.abusive)),
        ] {
            let labels = [("listener", listener), ("reason", reason)];
            scrape.add(LISTENER_REJECTED, &labels, count as f64);
        }
        self.observe_handshakes(listener, scrape);
        self.observe_sessions(listener, scrape);
        for (at, reason) in ["limit", "descriptors"].into_iter().enumerate() {
            let labels = [("listener", listener), ("reason", reason)];
            scrape.add(LISTENER_PAUSES, &labels, self.shards.sum(|s| &s.pauses[at]) as f64);
        }
    }

    /// Not of a listener that has had none.
    fn observe_handshakes(&self, listener: &str, scrape: &mut Scrape) {
        let counts = Handshake::ALL.map(|(.., at)| self.shards.sum(|s| &s.handshakes[at as usize]));
        if counts.iter().all(|count| *count == 0) {
            return;
        }
        for ((protocol, result, _), count) in Handshake::ALL.into_iter().zip(counts) {
            let labels = [("listener", listener), ("protocol", protocol), ("result", result)];
            scrape.add(TLS_HANDSHAKES, &labels, count as f64);
        }
        let mut times = Times::default();
        self.shards.iter().for_each(|shard| times.add(&shard.handshake));
        scrape.add_times(TLS_HANDSHAKE_DURATION, &[("listener", listener)], &times);
    }

    /// Not of a listener that has had none.
    fn observe_sessions(&self, listener: &str, scrape: &mut Scrape) {
        let mut times = Times::default();
        self.shards.iter().for_each(|shard| times.add(&shard.session));
        if times.count() == 0 {
            return;
        }
        for (at, result) in SESSION_RESULTS.into_iter().enumerate() {
            let count = self.shards.sum(|s| &s.sessions[at]);
            scrape.add(L4_SESSIONS, &[("listener", listener), ("result", result)], count as f64);
        }
        scrape.add_times(L4_DURATION, &[("listener", listener)], &times);
    }
}

impl ListenerShard {
    /// Counts a session that is over.
    pub fn count_session(&self, result: &str, buckets: &Buckets, took: Duration) {
        let at = SESSION_RESULTS.iter().position(|one| *one == result).unwrap_or_default();
        self.sessions[at].add(1);
        self.session.record(buckets, took);
    }
}

/// What a session may come to, as the access log says it.
const SESSION_RESULTS: [&str; 7] =
    ["ok", "refused", "no_endpoint", "upstream_error", "timeout", "client_gone", "internal"];

/// What a TLS handshake came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// A connection over TLS 1.3.
    Tls13,
    /// A connection over TLS 1.2.
    Tls12,
    /// The client broke the protocol, or off, or has nothing in common with weir.
    ClientError,
    /// The client has asked for a name that no certificate has.
    NoCertificate,
    /// The client's certificate was not accepted, or there was none.
    ClientCert,
}

impl Handshake {
    /// All of them, as metrics name them: protocol and result.
    const ALL: [(&'static str, &'static str, Self); 5] = [
        ("tls1_3", "ok", Self::Tls13),
        ("tls1_2", "ok", Self::Tls12),
        ("none", "client_error", Self::ClientError),
        ("none", "no_certificate", Self::NoCertificate),
        ("none", "client_cert", Self::ClientCert),
    ];
}
