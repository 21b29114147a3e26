//! Every long-lived task of the control runtime is started here.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::health::{Checks, Watch};
use crate::pool::{Pool, Scheme};
use crate::proxy::Shared;
use crate::snapshot::Snapshot;
use crate::unit::Name;

/// The tasks that belong to pools; a pool that a reload leaves alone keeps its own.
pub struct Tasks {
    pools: BTreeMap<Name, (Arc<Pool>, JoinSet<()>)>,
    checks: Arc<Checks>,
}

impl Tasks {
    /// None yet.
    pub fn new(checks: Checks) -> Self {
        Self { pools: BTreeMap::new(), checks: Arc::new(checks) }
    }

    /// Makes the tasks fit the snapshot: those of pools that are gone or were made anew end, and new ones
    /// begin. Must be called within the control runtime.
    pub fn follow(&mut self, snapshot: &Snapshot, shared: &Arc<Shared>) {
        self.pools.retain(|name, (pool, _)| {
            snapshot.pools.get(name).is_some_and(|now| Arc::ptr_eq(now, pool))
        });
        for (name, pool) in &snapshot.pools {
            if !self.pools.contains_key(name) {
                let tasks = tasks(pool, shared, &self.checks);
                self.pools.insert(name.clone(), (Arc::clone(pool), tasks));
            }
        }
    }
}

/// Checks every endpoint of the pool, and makes its pickers; without checks, nothing is known of any.
fn tasks(pool: &Arc<Pool>, shared: &Arc<Shared>, checks: &Arc<Checks>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (own, since) = (Arc::new(Semaphore::new(1)), shared.clock.now());
    for member in pool.members() {
        if !pool.is_checked() {
            member.endpoint.state.forget(since);
            continue;
        }
        let (pool, shared, checks) = (Arc::clone(pool), Arc::clone(shared), Arc::clone(checks));
        let (endpoint, own) = (Arc::clone(&member.endpoint), Arc::clone(&own));
        tasks.spawn(async move {
            let Some(config) = &pool.config.health else { return };
            let watch = Watch {
                pool: &pool.name,
                config,
                endpoint: &endpoint,
                http2: pool.config.scheme == Scheme::H2c,
                tls: pool.tls.as_ref(),
                among: pool.members().len(),
                metrics: &pool.metrics,
                buckets: &shared.buckets,
                clock: &shared.clock,
                since,
                checks: &checks,
                own: &own,
            };
            watch.run(|| pool.refresh(shared.clock.now(), fastrand::u64(..))).await;
        });
    }
    let (keeping, shared) = (Arc::clone(pool), Arc::clone(shared));
    // At once: it may have been made from what was known before.
    pool.refresh(shared.clock.now(), fastrand::u64(..));
    tasks.spawn(async move { keeping.keep(&shared.clock).await });
    tasks
}
