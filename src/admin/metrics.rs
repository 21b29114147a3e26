//! What a scrape collects: the workers' shards summed, and the state of the process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use parking_lot::Mutex;
use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use tokio::runtime::RuntimeMetrics;

use crate::listener::Listener;
use crate::message::head::Method;
use crate::proxy::Shared;
use crate::proxy::error::TABLE;
use crate::telemetry::counter::Times;
use crate::telemetry::metrics::{
    BUILD_INFO, CONFIG_GENERATION, CONFIG_HASH, CONFIG_RELOADS, CONFIG_SUCCESSFUL,
    CONFIG_TIMESTAMP, Config, DROPPED, HTTP_OVERHEAD, PANICS, TLS_EXPIRY, WORKER_BUSY,
};
use crate::telemetry::scrape::Scrape;
use crate::tls::certificate::Certificate;
use crate::unit::Name;

/// Where a scrape finds what it tells.
pub struct Source {
    /// What workers share.
    pub shared: Arc<Shared>,
    /// The listeners there are.
    pub listeners: Mutex<Vec<Arc<Listener>>>,
    /// What is shown to clients, by name.
    pub certificates: Mutex<BTreeMap<Name, Arc<Certificate>>>,
    /// What the file says of the metrics port.
    pub config: Mutex<Config>,
    /// What the workers' event loops say of themselves.
    pub workers: Vec<RuntimeMetrics>,
    /// Access-log lines thrown away.
    pub dropped: Arc<AtomicU64>,
    /// Series left out.
    series: AtomicU64,
    /// Reloads, by `Reloaded`.
    reloads: [AtomicU64; 3],
    last_refused: AtomicBool,
    /// Seconds since 1970.
    accepted_at: AtomicU64,
    /// Of the active configuration.
    hash: AtomicU64,
    stopping: AtomicBool,
}

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The file is active.
    Accepted,
    /// The file has errors; nothing changed.
    Refused,
    /// The file says what is active already.
    Unchanged,
}

impl Source {
    /// Of a process that has just started.
    pub fn new(shared: Arc<Shared>, workers: Vec<RuntimeMetrics>, dropped: Arc<AtomicU64>) -> Self {
        let source = Self {
            shared,
            listeners: Mutex::default(),
            certificates: Mutex::default(),
            config: Mutex::default(),
            workers,
            dropped,
            series: AtomicU64::new(0),
            reloads: std::array::from_fn(|_| AtomicU64::new(0)),
            last_refused: AtomicBool::new(false),
            accepted_at: AtomicU64::new(0),
            hash: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        };
        source.accepted_at.store(unix_time(), Relaxed);
        source
    }

    /// Counts a reload.
    pub fn reloaded(&self, how: Reloaded) {
        self.reloads[how as usize].fetch_add(1, Relaxed);
        self.last_refused.store(how == Reloaded::Refused, Relaxed);
        if how == Reloaded::Accepted {
            self.accepted_at.store(unix_time(), Relaxed);
        }
    }

    /// The hash of what is active from now on.
    pub fn says(&self, hash: u64) {
        self.hash.store(hash, Relaxed);
    }

    /// The process takes no more work.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Whether the process takes work.
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Relaxed)
    }

    fn scrape(&self) -> Scrape {
        let (most, by_endpoint) = {
            let config = self.config.lock();
            (config.max_series as usize, config.endpoint_histograms)
        };
        let mut scrape = Scrape::new(&self.shared.buckets, most);
        let snapshot = self.shared.snapshot.load();
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("revision", option_env!("WEIR_REVISION").unwrap_or("")),
            ("features", if cfg!(feature = "mimalloc") { "mimalloc" } else { "" }),
        ];
        scrape.add(BUILD_INFO, &labels, 1.0);
        scrape.add(CONFIG_GENERATION, &[], snapshot.generation as f64);
        scrape.add(CONFIG_HASH, &[], self.hash.load(Relaxed) as f64);
        let successful = u8::from(!self.last_refused.load(Relaxed));
        scrape.add(CONFIG_SUCCESSFUL, &[], f64::from(successful));
        scrape.add(CONFIG_TIMESTAMP, &[], self.accepted_at.load(Relaxed) as f64);
        for (result, count) in ["accepted", "refused", "unchanged"].into_iter().zip(&self.reloads) {
            scrape.add(CONFIG_RELOADS, &[("result", result)], count.load(Relaxed) as f64);
        }
        let dropped = self.dropped.load(Relaxed) as f64;
        scrape.add(DROPPED, &[("kind", "access_log")], dropped);
        for (at, worker) in self.workers.iter().enumerate() {
            let labels = [("worker", itoa::Buffer::new().format(at).to_owned())];
            let labels = [(labels[0].0, labels[0].1.as_str())];
            scrape.add(WORKER_BUSY, &labels, worker.worker_total_busy_duration(0).as_secs_f64());
        }
        let mut overhead = Times::default();
        self.shared.overhead.iter().for_each(|shard| overhead.add(shard));
        scrape.add_times(HTTP_OVERHEAD, &[], &overhead);
        scrape.add(PANICS, &[], self.shared.panics.load(Relaxed) as f64);
        for listener in &*self.listeners.lock() {
            listener.metrics.observe(&listener.name(), &mut scrape);
        }
        for (name, certificate) in &*self.certificates.lock() {
            let ends = certificate.ends.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            scrape.add(TLS_EXPIRY, &[("certificate", name)], ends.as_secs_f64());
        }
        let methods: Vec<&str> = Method::NAMES.into_iter().chain(["_OTHER"]).collect();
        let reasons: Vec<&str> = TABLE.iter().map(|row| row.reason).collect();
        snapshot.unmatched.observe("none", &methods, &reasons, &mut scrape);
        for (name, metrics) in &snapshot.routes {
            metrics.observe(name, &methods, &reasons, &mut scrape);
        }
        for pool in snapshot.pools.values() {
            pool.observe(by_endpoint, &mut scrape);
        }
        let beyond = scrape.dropped();
        let beyond = self.series.fetch_add(beyond, Relaxed) + beyond;
        scrape.unlimited();
        scrape.add(DROPPED, &[("kind", "series")], beyond as f64);
        scrape
    }
}

/// A registry that collects from the source at each scrape.
pub fn registry(source: &Arc<Source>) -> Registry {
    let registry = Registry::new();
    let sums = Sums { source: Arc::clone(source), desc: description() };
    let all: [Box<dyn Collector>; 2] = [Box::new(sums), Box::new(ProcessCollector::for_self())];
    for collector in all {
        if let Err(error) = registry.register(collector) {
            tracing::error!(%error, "metrics cannot be registered");
        }
    }
    registry
}

struct Sums {
    source: Arc<Source>,
    desc: Vec<Desc>,
}

impl Collector for Sums {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.source.scrape().into_families()
    }
}

/// The registry only wants to know that nobody else collects under this name.
fn description() -> Vec<Desc> {
    let (name, help) = (BUILD_INFO.name.to_owned(), BUILD_INFO.help.to_owned());
    Desc::new(name, help, Vec::new(), std::collections::HashMap::new()).into_iter().collect()
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
