//! What a client's connection carries, and how long its request waits for others: what is left of a request's time is
//! weir's own. Called whenever its task wakes and sleeps; two looks at the clock for each sleep within a request.

use std::cell::Cell;
use std::time::Duration;

use crate::net::transport::Transport;
use crate::proxy::Local;
use crate::telemetry::listener::ListenerShard;

/// The measures of one connection.
#[derive(Default)]
pub struct Traffic {
    /// A request is under way.
    busy: Cell<bool>,
    /// Since when it sleeps.
    slept: Cell<Option<Duration>>,
    /// For how long the request under way has slept.
    waited: Cell<Duration>,
    /// Bytes of its body.
    body: Cell<u64>,
    /// What of the bytes that were sent is counted.
    sent: Cell<u64>,
}

impl Traffic {
    /// The first byte of a request is there.
    pub fn begin(&self) {
        self.busy.set(true);
        self.waited.set(Duration::ZERO);
        self.body.set(0);
    }

    /// Bytes of its body have come.
    pub fn add(&self, bytes: usize) {
        self.body.set(self.body.get() + bytes as u64);
    }

    /// The request is over: how long it has waited for others, and the bytes of its body.
    pub fn end(&self) -> (Option<Duration>, u64) {
        self.busy.set(false);
        (Some(self.waited.get()), self.body.get())
    }

    /// The task wakes.
    pub fn wake(&self, local: &Local) {
        if let Some(slept) = self.slept.take() {
            let now = local.now();
            local.woken.set(now);
            self.waited.set(self.waited.get() + now.saturating_sub(slept));
        }
    }

    /// The task sleeps, or ends.
    pub fn sleep(&self, local: &Local, transport: &mut Transport, shard: &ListenerShard) {
        if self.busy.get() {
            self.slept.set(Some(local.now()));
        }
        shard.received.add(transport.take_read());
        let sent = transport.sent();
        shard.sent.add(sent - self.sent.replace(sent));
    }
}
