//! A worker's connections to endpoints: those that wait, last in first out, and how new ones come.
//!
//! Nothing here is shared between workers. What the stacks hold is swept with the deadlines.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use foldhash::fast::FixedState;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Pool;
use super::broken::Broken;
use super::http1::Connection;
use crate::endpoint::{Endpoint, Lease, Outcome};
use crate::net::deadline::{Deadline, Wait, jitter};
use crate::net::descriptors::{Descriptor, Descriptors, is_shortage};
use crate::net::scratch::Scratch;
use crate::net::socket;
use crate::net::stream::Stream;
use crate::net::transport::Transport;
use crate::telemetry::http::PoolMetrics;
use crate::tls::client::Client;
use crate::unit;

/// `[pools.NAME.connections]`: connections to the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long connecting may take, per attempt.
    pub connect_timeout: unit::Duration,
    /// A connection unused for so long, ± 10 %, is closed: before the 60 s after which most servers close.
    pub idle_timeout: unit::Duration,
    /// Unused connections kept, per endpoint and worker.
    pub max_idle: u16,
    /// A connection of this age carries no further request. "0s": no limit.
    pub max_age: unit::Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: unit::Duration::from_secs(2),
            idle_timeout: unit::Duration::from_secs(55),
            max_idle: 128,
            max_age: unit::Duration::default(),
        }
    }
}

/// The connections of one worker.
pub struct Connections {
    worker: usize,
    scratch: Rc<Scratch>,
    descriptors: Arc<Descriptors>,
    /// By the endpoint's id.
    stacks: RefCell<HashMap<u64, Rc<Stack>, FixedState>>,
}

/// Whether an idle connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// No: dial.
    Never,
    /// Yes. The event loop has asked all sockets since the request came, so what an endpoint had sent
    /// unasked, or that it had closed, is known.
    Heard,
    /// Yes, but the request waited behind another one and the event loop may not have asked since: ask.
    Asked,
}

/// The connections of one worker to one endpoint.
pub struct Stack {
    worker: usize,
    endpoint: Arc<Endpoint>,
    /// The endpoint has left the configuration, and the time of what was under way there is over.
    cut: Cell<bool>,
    metrics: Arc<PoolMetrics>,
    config: Cell<Config>,
    #[expect(
        clippy::vec_box,
        reason = "the box is the body of the next answer: it is not moved out"
    )]
    idle: RefCell<Vec<Box<Connection>>>,
}

impl Connections {
    /// None yet.
    pub fn new(worker: usize, scratch: Rc<Scratch>, descriptors: &Arc<Descriptors>) -> Self {
        let descriptors = Arc::clone(descriptors);
        Self { worker, scratch, descriptors, stacks: RefCell::default() }
    }

    /// A connection to the endpoint of the lease, which goes along: an idle one, if that will do and
    /// there is one.
    ///
    /// # Errors
    /// The endpoint cannot be connected to, or weir has no descriptor for that.
    pub async fn connect(
        &self,
        lease: Lease,
        pool: &Pool,
        reuse: Reuse,
        deadline: &Deadline,
    ) -> Result<Box<Connection>, Broken> {
        let stack = self.stack(&lease.endpoint, pool);
        if reuse != Reuse::Never
            && let Some(mut connection) =
                stack.take(reuse == Reuse::Asked, pool.tls.as_deref(), deadline.now())
        {
            connection.hold(lease);
            return Ok(connection);
        }
        deadline.arm(Wait::Step, pool.config.connections.connect_timeout.get());
        // Most requests need none: what dialling takes is not carried by each of them.
        let mut connection = Box::pin(self.fresh(stack, pool.tls.as_deref(), deadline)).await?;
        connection.hold(lease);
        Ok(connection)
    }

    /// A new connection.
    async fn fresh(
        &self,
        stack: Rc<Stack>,
        tls: Option<&Client>,
        deadline: &Deadline,
    ) -> Result<Box<Connection>, Broken> {
        let descriptor = self.descriptor(deadline).await?;
        let stream = match dial(&stack.endpoint, tls, deadline).await {
            Err(Broken::NoDescriptor) => {
                // The kernel has none, whatever is counted here.
                self.give_up(1);
                dial(&stack.endpoint, tls, deadline).await?
            }
            dialled => dialled?,
        };
        stack.shard().active.add(1);
        let transport = Transport::new(stream, Rc::clone(&self.scratch));
        let (scratch, now) = (Rc::clone(&self.scratch), deadline.now());
        Ok(Box::new(Connection::new(transport, descriptor, scratch, stack, now)))
    }

    /// A descriptor for a new connection. If there is none, one that waits for a request is closed for it: of this
    /// worker at once, of another at its next sweep.
    async fn descriptor(&self, deadline: &Deadline) -> Result<Descriptor, Broken> {
        if let Some(descriptor) = self.descriptors.take() {
            return Ok(descriptor);
        }
        self.give_up(1);
        let mut asking = pin!(self.descriptors.ask());
        poll_fn(|cx| match asking.as_mut().poll(cx) {
            Poll::Ready(descriptor) => Poll::Ready(Ok(descriptor)),
            Poll::Pending if deadline.passed(Wait::End) => Poll::Ready(Err(Broken::Late)),
            Poll::Pending if deadline.passed(Wait::Step) => Poll::Ready(Err(Broken::NoDescriptor)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Closes what has been idle for too long, was closed by its endpoint or whose endpoint leaves, and forgets
    /// endpoints to which there is nothing. Whether something under way is to be cut: it must be woken to notice.
    pub fn sweep(&self, now: Duration) -> bool {
        let mut cut = false;
        self.stacks.borrow_mut().retain(|_, stack| {
            stack.sweep(now);
            cut |= stack.endpoint.leaving.is_over(now) && !stack.cut.replace(true);
            Rc::strong_count(stack) > 1 || !stack.idle.borrow().is_empty()
        });
        cut
    }

    /// Closes idle ones if somebody waits for a descriptor, perhaps on another worker.
    pub fn make_room(&self) {
        let wanted = self.descriptors.wanted();
        if wanted > 0 {
            self.give_up(wanted);
        }
    }

    /// Closes so many of those that are idle, the longest idle of each endpoint first.
    fn give_up(&self, mut count: usize) {
        for stack in self.stacks.borrow().values() {
            let first = {
                let mut idle = stack.idle.borrow_mut();
                let first = count.min(idle.len());
                idle.drain(..first).collect::<Vec<_>>()
            };
            count -= first.len();
        }
    }

    /// Closes all that are idle.
    pub fn clear(&self) {
        for stack in self.stacks.borrow().values() {
            // Taken out first: a connection that is dropped calls back.
            drop(std::mem::take(&mut *stack.idle.borrow_mut()));
        }
    }

    fn stack(&self, endpoint: &Arc<Endpoint>, pool: &Pool) -> Rc<Stack> {
        let mut stacks = self.stacks.borrow_mut();
        let stack = stacks.entry(endpoint.id).or_insert_with(|| {
            Rc::new(Stack {
                worker: self.worker,
                endpoint: Arc::clone(endpoint),
                cut: Cell::new(false),
                metrics: Arc::clone(&pool.metrics),
                config: Cell::default(),
                idle: RefCell::default(),
            })
        });
        // A reload may have changed it.
        stack.config.set(pool.config.connections);
        Rc::clone(stack)
    }
}

/// A new connection to an endpoint, with TLS if that is spoken to it; all of it within the time of one step.
async fn dial(
    endpoint: &Endpoint,
    tls: Option<&Client>,
    deadline: &Deadline,
) -> Result<Stream, Broken> {
    let mut dial = pin!(async {
        let socket = socket::dial(endpoint.address).await.map_err(|error| {
            if is_shortage(&error) {
                return Broken::NoDescriptor;
            }
            tracing::debug!(endpoint = %endpoint.name, %error, "connect failed");
            Broken::Connect { timed_out: false }
        })?;
        let Some(tls) = tls else { return Ok(Stream::Plain(socket.into())) };
        tls.secure(socket, endpoint.address.ip()).await.map_err(|error| {
            tracing::debug!(endpoint = %endpoint.name, %error, "no TLS");
            Broken::Tls
        })
    });
    poll_fn(|cx| match dial.as_mut().poll(cx) {
        Poll::Ready(dialled) => Poll::Ready(dialled),
        Poll::Pending if deadline.passed(Wait::End) => Poll::Ready(Err(Broken::Late)),
        Poll::Pending if deadline.passed(Wait::Step) => {
            Poll::Ready(Err(Broken::Connect { timed_out: true }))
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}

impl Stack {
    /// The connection that was used last and is still open.
    fn take(&self, ask: bool, tls: Option<&Client>, now: Duration) -> Option<Box<Connection>> {
        let max_age = self.config.get().max_age;
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            let young = max_age.is_zero() || now.saturating_sub(connection.born) < max_age.get();
            if young && connection.is_over(tls.map(Client::mark)) && connection.is_fresh(ask) {
                connection.is_idle = false;
                self.shard().idle.sub(1);
                self.shard().active.add(1);
                return Some(connection);
            }
        }
    }

    /// An exchange is over and the connection can carry another.
    pub fn put(&self, mut connection: Box<Connection>) {
        connection.is_idle = true;
        connection.idle_since = Duration::MAX;
        self.shard().active.sub(1);
        self.shard().idle.add(1);
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

    fn sweep(&self, now: Duration) {
        // Taken out first: a connection that is dropped calls back.
        let mut all = std::mem::take(&mut *self.idle.borrow_mut());
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

    fn shard(&self) -> &crate::telemetry::http::PoolShard {
        self.metrics.of(self.worker)
    }
}
