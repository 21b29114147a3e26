//! The process: workers, reload, shutdown. It gets compiled blueprints and never sees TOML.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::listener::{Listener, Settings};
use crate::net::address::Listen;
use crate::snapshot::Snapshot;
use crate::telemetry::{access_log, log, metrics};
use crate::tls::certificate::Certificate;
use crate::unit::{Auto, Duration, Name};

mod bound;
mod leavers;
pub mod process;
mod shutdown;
mod tasks;
mod watch;
mod worker;

/// `[runtime]`: the process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Worker threads: a number, or "auto" = the CPUs this process may use. Takes effect at the next start.
    pub workers: Auto<1024>,
    /// Client connections at once: a number, or "auto" = 80 % of what the limit on open files carries.
    pub max_connections: Auto<10_000_000>,
    /// Whether a change of the files is noticed by itself. SIGHUP reloads in any case.
    pub watch: bool,
    /// After SIGTERM: /readyz says no, but connections are still accepted for this long.
    pub shutdown_delay: Duration,
    /// Then, or when a listener is taken out: what is under way may end within this time.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: Auto::Auto,
            max_connections: Auto::Auto,
            watch: true,
            shutdown_delay: Duration::default(),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// How many workers there are to be.
    pub fn workers(&self) -> usize {
        self.workers.or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// A whole configuration, compiled: what requests read, and what must run beside them.
pub struct Blueprint {
    /// What requests read.
    pub snapshot: Arc<Snapshot>,
    /// The listeners there are to be.
    pub listeners: Vec<Plan>,
    /// What is shown to clients, by name.
    pub certificates: BTreeMap<Name, Arc<Certificate>>,
    /// How many workers there are to be.
    pub workers: usize,
    /// What the configuration says of the process.
    pub process: Config,
    /// For how many workers counters are kept: as many as there were at the start.
    pub shards: usize,
    /// Where metrics are served.
    pub metrics: metrics::Config,
    /// What weir says about itself.
    pub log: log::Config,
    /// The access log.
    pub access_log: access_log::Config,
    /// Two configurations that say the same have the same.
    pub fingerprint: u64,
}

impl Blueprint {
    /// What tells configurations apart for people and metrics, which hold 48 bits exactly.
    pub const fn hash(&self) -> u64 {
        self.fingerprint >> 16
    }
}

/// A listener and where it listens.
#[derive(Clone)]
pub struct Plan {
    /// The listener; the same one across reloads, by name.
    pub listener: Arc<Listener>,
    /// What the configuration says of it.
    pub settings: Arc<Settings>,
    /// Where it listens.
    pub address: Listen,
}

/// What the process asks of whoever reads the files.
pub trait Loader: Send + Sync {
    /// Reads the files again.
    ///
    /// # Errors
    /// The report on what is wrong with them.
    fn next(&self, running: &Blueprint) -> Result<Blueprint, String>;

    /// How the files look, as a number, if it is not as they looked when they were last read.
    fn changed(&self) -> Option<u64>;
}
