//! A worker's connections to endpoints: which one carries a request, and how new ones come.
//!
//! Nothing here is shared between workers. What the stacks hold is swept with the deadlines.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Pool;
use super::broken::Broken;
use super::dial::{dial, in_time};
use super::http1::Connection;
use super::http2::Stream;
use super::shared::Shared;
use super::stack::Stack;
use super::wire::Wire;
use crate::endpoint::{Endpoint, Lease};
use crate::net::deadline::{Deadline, Wait};
use crate::net::descriptors::{Descriptor, Descriptors};
use crate::net::scratch::Scratch;
use crate::net::transport::Transport;
use crate::tls::client::Inside;
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

impl Connections {
    /// None yet.
    pub fn new(worker: usize, scratch: Rc<Scratch>, descriptors: &Arc<Descriptors>) -> Self {
        let descriptors = Arc::clone(descriptors);
        Self { worker, scratch, descriptors, stacks: RefCell::default() }
    }

    /// What carries a request to the endpoint of the lease, which goes along: a connection that is open already, if that
    /// will do and there is one. `inside`: what may be spoken.
    ///
    /// # Errors
    /// The endpoint cannot be connected to, or weir has no descriptor for that.
    pub async fn connect(
        &self,
        lease: Lease,
        pool: &Pool,
        reuse: Reuse,
        inside: Inside,
        deadline: &Deadline,
    ) -> Result<Wire, Broken> {
        let (stack, tls) = (self.stack(&lease.endpoint, pool), pool.tls.as_deref());
        let shares = inside == Inside::Http2 && pool.config.scheme.may_be_http2();
        if shares {
            if let Some(shared) = stack.share(tls, deadline.now()) {
                return Ok(Wire::Http2(Stream::new(&shared, &self.scratch, lease, true)));
            }
            if stack.http2() != Some(false) {
                // Most requests need none: what dialling takes is not carried by each of them.
                return Box::pin(self.share(stack, lease, pool, deadline)).await;
            }
        }
        if reuse != Reuse::Never
            && let Some(mut connection) = stack.take(reuse == Reuse::Asked, tls, deadline.now())
        {
            connection.hold(lease);
            return Ok(Wire::Http1(connection));
        }
        deadline.arm(Wait::Step, pool.config.connections.connect_timeout.get());
        let inside = if shares { Inside::Http2 } else { inside };
        Box::pin(self.fresh(stack, lease, pool, inside, deadline)).await
    }

    /// One of many who wait for a connection that they can share: one of them dials it.
    async fn share(
        &self,
        stack: Rc<Stack>,
        lease: Lease,
        pool: &Pool,
        deadline: &Deadline,
    ) -> Result<Wire, Broken> {
        deadline.arm(Wait::Step, pool.config.connections.connect_timeout.get());
        loop {
            if let Some(_dialling) = stack.dial() {
                let stack = Rc::clone(&stack);
                return self.fresh(stack, lease, pool, Inside::Http2, deadline).await;
            }
            in_time(deadline, stack.dialled()).await?;
            if let Some(shared) = stack.share(pool.tls.as_deref(), deadline.now()) {
                return Ok(Wire::Http2(Stream::new(&shared, &self.scratch, lease, false)));
            }
            if stack.http2() == Some(false) {
                return self.fresh(stack, lease, pool, Inside::Http2, deadline).await;
            }
        }
    }

    /// A new connection.
    async fn fresh(
        &self,
        stack: Rc<Stack>,
        lease: Lease,
        pool: &Pool,
        inside: Inside,
        deadline: &Deadline,
    ) -> Result<Wire, Broken> {
        let (tls, endpoint) = (pool.tls.as_deref(), stack.endpoint());
        let descriptor = self.descriptor(deadline).await?;
        let stream = match dial(endpoint, tls, inside, deadline).await {
            Err(Broken::NoDescriptor) => {
                // The kernel has none, whatever is counted here.
                self.give_up(1);
                dial(endpoint, tls, inside, deadline).await?
            }
            dialled => dialled?,
        };
        stack.opened();
        let knows = tls.is_none() && pool.config.scheme.may_be_http2() && inside == Inside::Http2;
        if stream.has_http2() || knows {
            let head = pool.config.limits.header_size.bytes();
            let (home, now) = (Rc::clone(&stack), deadline.now());
            let begun =
                in_time(deadline, Shared::begin(stream, descriptor, home, now, head)).await?;
            let shared = begun.map_err(|error| {
                tracing::debug!(endpoint = %stack.name(), %error, "no HTTP/2");
                Broken::Connect { timed_out: false }
            })?;
            stack.found(true);
            stack.put_shared(&shared);
            return Ok(Wire::Http2(Stream::new(&shared, &self.scratch, lease, false)));
        }
        if inside == Inside::Http2 {
            stack.found(false);
        }
        let transport = Transport::new(stream, Rc::clone(&self.scratch));
        let (scratch, now) = (Rc::clone(&self.scratch), deadline.now());
        let mut connection = Box::new(Connection::new(transport, descriptor, scratch, stack, now));
        connection.hold(lease);
        Ok(Wire::Http1(connection))
    }

    /// A descriptor for a new connection. If there is none, one that waits for a request is closed for it: of this
    /// worker at once, of another at its next sweep.
    async fn descriptor(&self, deadline: &Deadline) -> Result<Descriptor, Broken> {
        if let Some(descriptor) = self.descriptors.take() {
            return Ok(descriptor);
        }
        self.give_up(1);
        in_time(deadline, self.descriptors.ask()).await.map_err(|broken| match broken {
            Broken::Connect { .. } => Broken::NoDescriptor,
            late => late,
        })
    }

    /// Closes what has been idle for too long, was closed by its endpoint or whose endpoint leaves, and forgets
    /// endpoints to which there is nothing. Whether something under way is to be cut: it must be woken to notice.
    pub fn sweep(&self, now: Duration) -> bool {
        let mut cut = false;
        self.stacks.borrow_mut().retain(|_, stack| {
            stack.sweep(now);
            cut |= stack.look(now);
            Rc::strong_count(stack) > 1 || !stack.is_empty()
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
            count -= stack.give_up(count);
        }
    }

    /// Closes all that are idle.
    pub fn clear(&self) {
        self.stacks.borrow().values().for_each(|stack| stack.clear());
    }

    fn stack(&self, endpoint: &Arc<Endpoint>, pool: &Pool) -> Rc<Stack> {
        let mut stacks = self.stacks.borrow_mut();
        let stack = stacks.entry(endpoint.id);
        let stack =
            stack.or_insert_with(|| Rc::new(Stack::new(self.worker, endpoint, &pool.metrics)));
        // A reload may have changed it.
        stack.obey(pool.config.connections);
        Rc::clone(stack)
    }
}
