//! A worker's connections to one endpoint: those that wait, last in first out, and those that are shared.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::connections::Config;
use super::http1::Connection;
use super::shared::{Closing, Shared};
use crate::endpoint::{Endpoint, Outcome};
use crate::net::deadline::jitter;
use crate::telemetry::http::{PoolMetrics, PoolShard};
use crate::tls::client::Client;

/// The connections of one worker to one endpoint.
pub struct Stack {
    worker: usize,
    endpoint: Arc<Endpoint>,
    /// The endpoint has left the configuration, and the time of what was under way there is over.
    cut: Cell<bool>,
    metrics: Arc<PoolMetrics>,
    config: Cell<Config>,
    /// Those that are shared, the newest last.
    shared: RefCell<Vec<Rc<Shared>>>,
    /// Those that are let go of, and since when.
    closing: RefCell<Vec<(Closing, Duration)>>,
    /// Whether it speaks HTTP/2, as far as is known.
    http2: Cell<Option<bool>>,
    /// A connection is being dialled that others may share.
    dialling: Cell<bool>,
    dialled: Notify,
    #[expect(
        clippy::vec_box,
        reason = "the box is the body of the next answer: it is not moved out"
    )]
    idle: RefCell<Vec<Box<Connection>>>,
}

impl Stack {
    /// None yet.
    pub fn new(worker: usize, endpoint: &Arc<Endpoint>, metrics: &Arc<PoolMetrics>) -> Self {
        Self {
            worker,
            endpoint: Arc::clone(endpoint),
            cut: Cell::new(false),
            metrics: Arc::clone(metrics),
            config: Cell::default(),
            shared: RefCell::default(),
            closing: RefCell::default(),
            http2: Cell::new(None),
            dialling: Cell::new(false),
            dialled: Notify::new(),
            idle: RefCell::default(),
        }
    }

    /// How its connections are kept, which a reload may change.
    pub fn obey(&self, config: Config) {
        self.config.set(config);
    }

    /// Whose they are.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// A shared connection that has room for one more request.
    pub fn share(&self, tls: Option<&Client>, now: Duration) -> Option<Rc<Shared>> {
        let max_age = self.config.get().max_age;
        let all = self.shared.borrow();
        for one in all.iter() {
            let young = max_age.is_zero() || now.saturating_sub(one.born) < max_age.get();
            if !young || !one.is_over(tls.map(Client::mark)) {
                one.retire();
            }
        }
        all.iter().rev().find(|one| one.is_heard() && one.has_room()).map(Rc::clone)
    }

    /// Whether there is a new one whose endpoint has not said yet how many requests it takes.
    pub fn awaits(&self) -> bool {
        self.shared.borrow().iter().any(|one| one.is_usable() && !one.is_heard())
    }

    /// It has, of one of them.
    pub fn heard(&self) {
        self.dialled.notify_waiters();
    }

    /// One more to be shared.
    pub fn put_shared(&self, shared: &Rc<Shared>) {
        self.shared.borrow_mut().push(Rc::clone(shared));
    }

    /// Whether it speaks HTTP/2, as far as is known.
    pub fn http2(&self) -> Option<bool> {
        self.http2.get()
    }

    /// Now that is known.
    pub fn found(&self, http2: bool) {
        self.http2.set(Some(http2));
    }

    /// The right to dial a connection that others may share; `None`: somebody has it, or has just had it.
    pub fn dial(&self) -> Option<Dialling<'_>> {
        if self.awaits() {
            return None;
        }
        (!self.dialling.replace(true)).then(|| Dialling(self))
    }

    /// Waits for whoever dials.
    pub fn dialled(&self) -> Notified<'_> {
        self.dialled.notified()
    }

    /// A connection was opened.
    pub fn opened(&self) {
        self.shard().active.add(1);
    }

    /// A shared connection that was idle is not any more.
    pub fn woke(&self) {
        self.shard().idle.sub(1);
        self.shard().active.add(1);
    }

    /// A shared connection has become idle.
    pub fn slept(&self) {
        self.shard().active.sub(1);
        self.shard().idle.add(1);
    }

    /// Closes so many of those that are idle, the longest idle first; how many it were.
    pub fn give_up(&self, count: usize) -> usize {
        // Taken out first: a connection that is dropped calls back.
        let first = {
            let mut idle = self.idle.borrow_mut();
            let first = count.min(idle.len());
            idle.drain(..first).collect::<Vec<_>>()
        };
        let mut closed = first.len();
        self.shared.borrow_mut().retain(|one| {
            let closes = closed < count && one.is_idle();
            closed += usize::from(closes);
            !closes
        });
        closed
    }

    /// Closes all that are idle.
    pub fn clear(&self) {
        drop(mem::take(&mut *self.idle.borrow_mut()));
        self.shared.borrow_mut().retain(|one| !one.is_idle());
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.shared.borrow().is_empty()
    }

    /// Its endpoint's time may be over: what is under way is to be cut. Whether that is news.
    pub fn look(&self, now: Duration) -> bool {
        self.endpoint.leaving.is_over(now) && !self.cut.replace(true)
    }

    /// The name of its endpoint.
    pub fn name(&self) -> &str {
        &self.endpoint.name
    }

    /// The connection that was used last and is still open.
    pub fn take(&self, ask: bool, tls: Option<&Client>, now: Duration) -> Option<Box<Connection>> {
        let max_age = self.config.get().max_age;
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            let young = max_age.is_zero() || now.saturating_sub(connection.born) < max_age.get();
            if young && connection.is_over(tls.map(Client::mark)) && connection.is_fresh(ask) {
                connection.is_idle = false;
                self.woke();
                return Some(connection);
            }
        }
    }

    /// An exchange is over and the connection can carry another.
    pub fn put(&self, mut connection: Box<Connection>) {
        connection.is_idle = true;
        connection.idle_since = Duration::MAX;
        self.slept();
        // Counted as idle even when it is one too many: it is dropped as an idle one.
        let mut idle = self.idle.borrow_mut();
        if idle.len() < usize::from(self.config.get().max_idle) {
            idle.push(connection);
        } else {
            drop(idle);
            drop(connection);
        }
    }

    /// An attempt is over that was answered.
    pub fn count(&self, outcome: Outcome) {
        super::count(outcome, self.worker, &self.metrics, &self.endpoint);
    }

    /// Whether what is under way is to end now.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// A connection was closed.
    pub fn closed(&self, idle: bool) {
        let shard = self.shard();
        if idle { &shard.idle } else { &shard.active }.sub(1);
    }

    pub fn sweep(&self, now: Duration) {
        // Taken out first: a connection that is dropped calls back.
        let mut all = mem::take(&mut *self.idle.borrow_mut());
        self.sweep_shared(now);
        if self.endpoint.leaving.has_begun() {
            return;
        }
        all.retain_mut(|connection| {
            // Marked by the first sweep that sees it, so that an exchange need not read the clock.
            connection.idle_since = connection.idle_since.min(now);
            let patience = jitter(self.config.get().idle_timeout.get(), connection.seed);
            connection.is_fresh(false) && now - connection.idle_since < patience
        });
        *self.idle.borrow_mut() = all;
    }

    /// Lets go of those that are of no use any more. What the library then still waits for has a time, too.
    fn sweep_shared(&self, now: Duration) {
        let leaves = self.endpoint.leaving.has_begun();
        let (idle_timeout, mut closing) =
            (self.config.get().idle_timeout, self.closing.borrow_mut());
        closing.retain(|(one, since)| {
            if self.cut.get() || now.saturating_sub(*since) > CLOSES {
                one.doom();
            }
            !one.is_closed()
        });
        self.shared.borrow_mut().retain(|one| {
            one.look();
            let quiet = if one.is_idle() { one.idle_since.get().min(now) } else { Duration::MAX };
            one.idle_since.set(quiet);
            let patience = jitter(idle_timeout.get(), one.seed);
            let late = now.saturating_sub(quiet) >= patience;
            if self.cut.get() {
                one.doom();
            }
            let keeps = !one.is_idle() || one.is_usable() && !late && !leaves;
            if leaves {
                one.retire();
            }
            if !keeps {
                closing.push((one.closing(), now));
            }
            keeps
        });
    }

    fn shard(&self) -> &PoolShard {
        self.metrics.of(self.worker)
    }
}

/// A connection is being dialled that others may share; dropped, they look again.
pub struct Dialling<'a>(&'a Stack);

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        self.0.dialling.set(false);
        self.0.dialled.notify_waiters();
    }
}

/// A connection that nobody holds any more says goodbye within this time.
const CLOSES: Duration = Duration::from_secs(5);
