//! The process: its workers, its control runtime, and what a reload does to them.
//!
//! A reload is all or nothing: the file is read, compiled and its new ports are bound before anything
//! changes; then one pointer is swapped. Connections, health and counters of what did not change are kept,
//! because what did not change is the same object in the next snapshot.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::bound::{Bound, Listening, Open, bind};
use super::tasks::Tasks;
use super::watch::Watch;
use super::worker::{self, Command, Worker};
use super::{Blueprint, Loader, leavers, shutdown};
use crate::admin;
use crate::admin::metrics::Source;
use crate::endpoint::condition::Condition;
use crate::health::Checks;

pub use crate::admin::metrics::Reloaded;
use crate::net::address::Bind;
use crate::net::clock::Clock;
use crate::net::descriptors::{Budget, Descriptors};
use crate::net::places::Places;
use crate::proxy::Shared;
use crate::snapshot::Snapshot;
use crate::telemetry::counter::{Buckets, PerWorker};
use crate::telemetry::{access_log, log};
use crate::unit::Name;

/// A running weir. Dropped, it stops at once.
pub struct Process {
    core: Arc<Core>,
    control: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Tells when the access log is written.
    written: Mutex<Receiver<()>>,
}

/// What reloads work on.
struct Core {
    shared: Arc<Shared>,
    budget: Budget,
    /// How many listeners that was measured with.
    listening: usize,
    source: Arc<Source>,
    log: access_log::Switch,
    loader: Arc<dyn Loader>,
    control: Handle,
    /// Locked by reloads and by starts and stops.
    running: Mutex<Running>,
}

struct Running {
    blueprint: Blueprint,
    workers: Vec<Worker>,
    addresses: BTreeMap<Name, SocketAddr>,
    tasks: Tasks,
    metrics: Option<(SocketAddr, AbortHandle)>,
}

impl Running {
    /// What it has open.
    fn open(&self) -> Open<'_> {
        let metrics = self.metrics.as_ref().map(|(address, _)| *address);
        let addresses = self.addresses.values().copied().chain(metrics).collect();
        Open { blueprint: &self.blueprint, addresses }
    }
}

/// Returns when every endpoint that is checked has had its first check: until then nobody knows whom to ask.
async fn checked(snapshot: &Snapshot, clock: &Clock) {
    let pools = snapshot.pools.values().filter(|pool| pool.is_checked());
    for member in pools.flat_map(|pool| pool.members()) {
        while member.endpoint.state.condition() == Condition::Unchecked {
            clock.sleep(Duration::from_millis(2)).await;
        }
    }
}

/// How long the first checks are waited for.
const FIRST_CHECKS: Duration = Duration::from_secs(2);

/// What the two logs need, open already.
type Outputs = (access_log::Opened, log::Opened);

impl Process {
    /// Starts: all ports are bound when it returns.
    ///
    /// # Errors
    /// A sentence that says what could not be had, and what to do.
    pub fn start(first: Blueprint, loader: Box<dyn Loader>) -> io::Result<Self> {
        let workers = first.workers;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let bound = bind(&first, None, workers, runtime.handle())?;
        let shared = Arc::new(Shared {
            snapshot: Arc::new(ArcSwap::new(Arc::clone(&first.snapshot))),
            clock: Clock::new(),
            buckets: Buckets::new(&first.metrics.buckets),
            overhead: PerWorker::new(workers),
            // How many there may be is known when all is open that is weir's own.
            connections: Places::new(usize::MAX),
            descriptors: Descriptors::new(usize::MAX),
            by_endpoint: AtomicBool::new(false),
            panics: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
        });
        let dropped = Arc::new(AtomicU64::new(0));
        let (lines, writer, log) = access_log::open(&first.access_log, workers, &dropped)?;
        let (written, ended) = channel();
        std::thread::Builder::new().name(String::from("access-log")).spawn(move || {
            writer.write_all();
            let _ = written.send(());
        })?;
        let workers = lines
            .into_iter()
            .enumerate()
            .map(|(number, lines)| worker::start(number, Arc::clone(&shared), lines))
            .collect::<io::Result<Vec<_>>>()?;
        let busy = workers.iter().map(|worker| worker.metrics.clone()).collect();
        let loader: Arc<dyn Loader> = Arc::from(loader);
        let watch = Watch::start(Arc::clone(&loader))
            .inspect_err(|error| {
                tracing::warn!(%error, "files are not watched: send SIGHUP after a change");
            })
            .ok();
        let budget = Budget::measure()?;
        shared.descriptors.places.set_limit(budget.connections());
        // Half of the reserve is for the metrics port, the rest for files.
        let checks = Checks::new((budget.reserve / 4).max(1), &shared.descriptors);
        let core = Arc::new(Core {
            listening: first.listeners.len(),
            budget,
            source: Arc::new(Source::new(Arc::clone(&shared), busy, dropped)),
            shared,
            log,
            loader,
            control: runtime.handle().clone(),
            running: Mutex::new(Running {
                blueprint: first,
                workers,
                addresses: BTreeMap::new(),
                tasks: Tasks::new(checks),
                metrics: None,
            }),
        });
        let sockets = core.apply(&mut core.running.lock(), bound, Outputs::default());
        // Who connects meanwhile waits in the kernel.
        let first = Arc::clone(&core.running.lock().blueprint.snapshot);
        runtime
            .block_on(core.shared.clock.within(FIRST_CHECKS, checked(&first, &core.shared.clock)));
        core.listen(&mut core.running.lock(), sockets);
        let (clients, connections) = (core.shared.connections.limit(), budget.connections());
        let Budget { limit, own, reserve } = budget;
        tracing::info!(limit, own, reserve, connections, max_connections = clients, "descriptors");
        if clients > connections {
            let advice = "raise the limit on open files, or write a smaller `max_connections`";
            tracing::warn!("descriptors are left for {connections} connections: {advice}");
        }
        let (stop, stopped) = oneshot::channel();
        let watching = Arc::clone(&core);
        let thread =
            std::thread::Builder::new().name(String::from("control")).spawn(move || {
                runtime.block_on(async {
                    tokio::select! { () = watching.follow(watch) => {}, _ = stopped => {} }
                });
            })?;
        Ok(Self { core, control: Some((stop, thread)), written: Mutex::new(ended) })
    }

    /// The address a listener is bound to: which port a 0 became.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.core.running.lock().addresses.get(listener).copied()
    }

    /// The address of the metrics port.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.core.running.lock().metrics.as_ref().map(|(address, _)| *address)
    }

    /// What requests read now, without keeping it alive: for tests of what keeps it.
    pub fn snapshot(&self) -> Weak<Snapshot> {
        Arc::downgrade(&self.core.running.lock().blueprint.snapshot)
    }

    /// Moves the process's clock forward, for tests: all workers have seen it when this returns.
    pub fn advance(&self, by: Duration) {
        self.look();
        self.core.shared.clock.advance(by);
        self.look();
    }

    /// Returns when all workers have looked at the clock.
    fn look(&self) {
        let (done, seen) = sync_channel(0);
        for worker in &self.core.running.lock().workers {
            drop(worker.commands.send(Command::Look(done.clone())));
        }
        drop(done);
        // Ends when the last of them has dropped its end.
        while seen.recv().is_ok() {}
    }

    /// Reads the file again.
    pub fn reload(&self) -> Reloaded {
        self.core.reload()
    }

    /// Is not ready any more, but accepts for `shutdown_delay`; then accepts no more, lets what is under way end
    /// within `drain_timeout`, and cuts what is left. Both are as the configuration says now. Only the metrics port
    /// is left when it returns.
    pub fn stop(&self) {
        let Core { source, control, shared, running, .. } = &*self.core;
        source.stop();
        shared.ending.store(true, Relaxed);
        let config = running.lock().blueprint.process.clone();
        shutdown::delay(control, shared, config.shutdown_delay.get());
        let workers = std::mem::take(&mut running.lock().workers);
        shutdown::drain(workers, shared, config.drain_timeout.get());
    }
}

impl Process {
    /// Opens the files of both logs anew, after somebody has moved them away.
    pub fn reopen(&self) {
        log::reopen();
        self.core.log.reopen();
    }

    /// Whoever stops it waits no longer: connections are cut now, and the log is written.
    pub fn hurry(&self) {
        self.core.shared.hurried.store(true, Relaxed);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.core.source.stop();
        let workers = std::mem::take(&mut self.core.running.lock().workers);
        shutdown::end(workers, Duration::ZERO);
        if let Some((stop, thread)) = self.control.take() {
            let _ = stop.send(());
            drop(thread.join());
        }
        // A reader that does not read must not keep the process alive.
        let _ = self.written.get_mut().recv_timeout(Duration::from_secs(1));
    }
}

impl Core {
    /// Reloads whenever a file changes.
    async fn follow(&self, watch: Option<Watch>) {
        let Some(mut watch) = watch else { return std::future::pending().await };
        loop {
            watch.changed().await;
            if self.running.lock().blueprint.process.watch {
                self.reload();
            }
        }
    }

    fn reload(&self) -> Reloaded {
        let mut running = self.running.lock();
        let result = self.next(&mut running);
        let generation = running.blueprint.snapshot.generation;
        let hash = format!("{:012x}", running.blueprint.hash());
        match &result {
            Ok(Reloaded::Unchanged) => {
                tracing::info!(generation, %hash, "the files say what is active already");
            }
            Ok(_) => tracing::info!(generation, %hash, "reloaded"),
            Err(report) => {
                let report = report.trim_end();
                tracing::error!("reload refused, generation {generation} stays active:\n{report}");
            }
        }
        let result = result.unwrap_or(Reloaded::Refused);
        self.source.reloaded(result);
        result
    }

    fn next(&self, running: &mut Running) -> Result<Reloaded, String> {
        if running.workers.is_empty() {
            return Err(String::from("weir is stopping"));
        }
        let next = self.loader.next(&running.blueprint)?;
        if next.fingerprint == running.blueprint.fingerprint {
            return Ok(Reloaded::Unchanged);
        }
        let open = running.open();
        let workers = running.workers.len();
        let bound = bind(&next, Some(&open), workers, &self.control).map_err(|e| e.to_string())?;
        let outputs = self.outputs(&next)?;
        if next.workers != running.workers.len() {
            tracing::warn!("`runtime.workers` needs a restart; all else is active");
        }
        if Buckets::new(&next.metrics.buckets) != self.shared.buckets {
            tracing::warn!("`metrics.buckets` needs a restart; all else is active");
        }
        running.blueprint = next;
        let sockets = self.apply(running, bound, outputs);
        self.listen(running, sockets);
        Ok(Reloaded::Accepted)
    }

    /// Opens what the logs of a blueprint need. Nothing has changed when it fails.
    fn outputs(&self, next: &Blueprint) -> Result<Outputs, String> {
        let log = log::prepare(&next.log).map_err(|error| format!("[log] {error}"))?;
        let access_log = self.log.prepare(&next.access_log);
        Ok((access_log.map_err(|error| format!("[access_log] {error}"))?, log))
    }

    /// Puts the running blueprint to work on sockets that are bound and outputs that are open already.
    /// What is left is to listen.
    fn apply(&self, running: &mut Running, bound: Bound, outputs: Outputs) -> Vec<Listening> {
        let _within = self.control.enter();
        self.source.says(running.blueprint.hash());
        if let Some((address, socket)) = bound.metrics {
            // The other half of the reserve is for checks and files.
            let places = (self.budget.reserve / 2).max(1);
            let serving = admin::serve(socket, Arc::clone(&self.source), places);
            let serving = self.control.spawn(serving);
            let before = running.metrics.replace((address, serving.abort_handle()));
            before.into_iter().for_each(|(_, serving)| serving.abort());
        } else if running.blueprint.metrics.address == Bind::Off {
            running.metrics.take().into_iter().for_each(|(_, serving)| serving.abort());
        }
        *self.source.config.lock() = running.blueprint.metrics.clone();
        let by_endpoint = running.blueprint.metrics.endpoint_histograms;
        self.shared.by_endpoint.store(by_endpoint, Relaxed);
        let (access_log, log) = outputs;
        self.log.set(&running.blueprint.access_log, access_log);
        log::obey(&running.blueprint.log, log);
        let more = running.blueprint.listeners.len().saturating_sub(self.listening);
        let budget = self.budget.with(more * running.workers.len());
        self.shared.descriptors.places.set_limit(budget.connections());
        let clients = running.blueprint.process.max_connections.or_else(|| budget.clients());
        // Limits that fall come before those that rise: nobody slips in between.
        let connections = &self.shared.connections;
        connections.set_limit(clients.min(connections.limit()));
        let snapshot = Arc::clone(&running.blueprint.snapshot);
        let before = self.shared.snapshot.swap(Arc::clone(&snapshot));
        let now = self.shared.clock.now();
        leavers::endpoints(&before, &snapshot, now);
        running.tasks.follow(&running.blueprint.snapshot, &self.shared);
        let plans = &running.blueprint.listeners;
        let before: Vec<Arc<_>> = self.source.listeners.lock().clone();
        for old in before {
            let address = running.addresses.remove(&old.name());
            match plans.iter().find(|plan| plan.listener.id == old.id) {
                Some(plan) => {
                    let name = plan.settings.name.clone();
                    running.addresses.extend(address.map(|address| (name, address)));
                }
                None => {
                    let drain = running.blueprint.process.drain_timeout.get();
                    old.leaving.by(now.saturating_add(drain));
                    for worker in &running.workers {
                        drop(worker.commands.send(Command::Close(old.id)));
                    }
                }
            }
        }
        for plan in plans {
            plan.listener.obey(&plan.settings);
        }
        connections.set_limit(clients);
        *self.source.certificates.lock() = running.blueprint.certificates.clone();
        *self.source.listeners.lock() = plans.iter().map(|p| Arc::clone(&p.listener)).collect();
        bound.listeners
    }

    /// Lets workers accept on sockets that are bound.
    fn listen(&self, running: &mut Running, sockets: Vec<Listening>) {
        for (plan, address, sockets) in sockets {
            running.addresses.insert(plan.settings.name.clone(), address);
            for (worker, socket) in running.workers.iter().zip(sockets) {
                let listen = Command::Listen(Arc::clone(&plan.listener), socket);
                drop(worker.commands.send(listen));
            }
        }
    }
}
