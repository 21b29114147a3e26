//! The life of a request: which route, which endpoint, once more if need be, and its end.
//!
//! `http::handle` is the spine; everything else here is one of its lines. `Local` is what one worker owns.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use crate::message::head::Head;
use crate::net::clock::{Clock, Date};
use crate::net::deadline::Deadlines;
use crate::net::descriptors::Descriptors;
use crate::net::places::Places;
use crate::net::scratch::{FreeList, Scratch};
use crate::pool::connections::Connections;
use crate::snapshot::Snapshot;
use crate::telemetry::access_log::Lines;
use crate::telemetry::counter::{Buckets, Histogram, PerWorker};

mod again;
mod attempt;
pub mod error;
pub mod finish;
pub mod http;
mod max_forwards;
pub mod session;
mod tunnel;

/// What all workers share, and the control runtime.
pub struct Shared {
    /// What requests read; swapped by a reload.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The one clock.
    pub clock: Clock,
    /// How times are told apart in histograms.
    pub buckets: Buckets,
    /// What of requests' time was spent in weir.
    pub overhead: PerWorker<Histogram>,
    /// As many as there may be connections of clients, of all listeners.
    pub connections: Arc<Places>,
    /// As many as there may be connections of clients and to endpoints.
    pub descriptors: Arc<Descriptors>,
    /// Response times are counted by endpoint, too.
    pub by_endpoint: AtomicBool,
    /// Connections lost to a bug in weir.
    pub panics: AtomicU64,
    /// The process is to end: answers say that their connection does.
    pub ending: AtomicBool,
    /// … and waits for nobody.
    pub hurried: AtomicBool,
}

#[cfg(test)]
impl Shared {
    /// For a test of what works without a configuration.
    pub fn bare() -> Arc<Self> {
        let snapshot = Snapshot {
            generation: 1,
            routers: Vec::new(),
            listeners: Vec::new(),
            routes: std::collections::BTreeMap::new(),
            pools: std::collections::BTreeMap::new(),
            unmatched: Arc::new(crate::telemetry::http::RouteMetrics::new(1)),
        };
        Arc::new(Self {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            clock: Clock::new(),
            buckets: Buckets::default(),
            overhead: PerWorker::new(1),
            connections: Places::new(1),
            descriptors: Descriptors::new(8),
            by_endpoint: AtomicBool::new(false),
            panics: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
        })
    }
}

/// What one worker owns. It never leaves its thread.
pub struct Local {
    /// The worker's number.
    pub worker: usize,
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Blocks to read into.
    pub scratch: Rc<Scratch>,
    /// Heads to be used again.
    pub heads: FreeList<Head>,
    /// Connections to endpoints.
    pub connections: Connections,
    /// Deadlines of the connections.
    pub deadlines: Deadlines,
    /// The date, for answers without one.
    pub date: RefCell<Date>,
    /// Lines of the access log, on their way to its writer.
    pub lines: RefCell<Lines>,
    /// The worker has been asked to stop: no connection waits for another request.
    pub stopping: Cell<bool>,
    /// … and its time is over: connections end as they are.
    pub cut: Cell<bool>,
    /// A connection is being cut; taken back by the exchange that ends with it.
    pub cutting: Cell<bool>,
    /// When the task that runs now has woken in the midst of a request.
    pub woken: Cell<Duration>,
    /// Client connections that are open.
    pub open: Cell<usize>,
    cache: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    current: RefCell<Rc<Reading>>,
    random: RefCell<fastrand::Rng>,
}

/// A snapshot as the requests of one worker hold it: counted by the worker alone.
pub struct Reading(Arc<Snapshot>);

impl Deref for Reading {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl Local {
    /// What a worker starts with.
    pub fn new(worker: usize, shared: Arc<Shared>, lines: Lines) -> Rc<Self> {
        let scratch = Rc::new(Scratch::new());
        let mut cache = Cache::new(Arc::clone(&shared.snapshot));
        let current = RefCell::new(Rc::new(Reading(Arc::clone(cache.load()))));
        Rc::new(Self {
            worker,
            connections: Connections::new(worker, Rc::clone(&scratch), &shared.descriptors),
            scratch,
            heads: FreeList::new(64),
            deadlines: Deadlines::new(shared.clock.now()),
            date: RefCell::default(),
            lines: RefCell::new(lines),
            stopping: Cell::new(false),
            cut: Cell::new(false),
            cutting: Cell::new(false),
            woken: Cell::default(),
            open: Cell::new(0),
            cache: RefCell::new(cache),
            current,
            random: RefCell::new(fastrand::Rng::new()),
            shared,
        })
    }

    /// The active snapshot. What a request keeps is this worker's own count around it: no reference
    /// count is shared between cores.
    pub fn snapshot(&self) -> Rc<Reading> {
        let mut cache = self.cache.borrow_mut();
        let newest = cache.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&current.0, newest) {
            *current = Rc::new(Reading(Arc::clone(newest)));
        }
        Rc::clone(&current)
    }

    /// A random number; not for secrets.
    pub fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// The time, read from the clock.
    pub fn now(&self) -> Duration {
        self.shared.clock.now()
    }
}
