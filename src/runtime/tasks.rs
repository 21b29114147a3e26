//! Every long-lived task of the control runtime is started here.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::health;
use crate::pool::Pool;
use crate::proxy::Shared;
use crate::snapshot::Snapshot;
use crate::unit::Name;

/// The tasks that belong to pools; a pool that a reload leaves alone keeps its own.
#[derive(Default)]
pub struct Tasks {
    pools: BTreeMap<Name, (Arc<Pool>, JoinSet<()>)>,
}

impl Tasks {
    /// Makes the tasks fit the snapshot: those of pools that are gone or were made anew end, and new ones
    /// begin. Must be called within the control runtime.
    pub fn follow(&mut self, snapshot: &Snapshot, shared: &Arc<Shared>) {
        self.pools.retain(|name, (pool, _)| {
            snapshot.pools.get(name).is_some_and(|now| Arc::ptr_eq(now, pool))
        });
        for (name, pool) in &snapshot.pools {
            if !self.pools.contains_key(name) {
                let tasks = checks(pool, shared);
                self.pools.insert(name.clone(), (Arc::clone(pool), tasks));
            }
        }
    }
}

/// Checks every endpoint of the pool; without checks, nothing is known of any.
fn checks(pool: &Arc<Pool>, shared: &Arc<Shared>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let config = pool.config.health.clone().filter(health::Config::is_on);
    for member in pool.members() {
        let Some(config) = config.clone() else {
            if member.endpoint.state.forget() {
                pool.refresh(fastrand::u64(..));
            }
            continue;
        };
        let (pool, member, shared) = (Arc::clone(pool), member.clone(), Arc::clone(shared));
        tasks.spawn(async move {
            let changed = || pool.refresh(fastrand::u64(..));
            health::watch(&pool.name, config, member, &shared.clock, changed).await;
        });
    }
    tasks
}
