//! Who is in one configuration and not in the next: what is under way there has its time, and no more.

use std::collections::HashSet;
use std::time::Duration;

use crate::snapshot::Snapshot;

/// Endpoints that a pool has lost, or that are lost with their pool, leave within the pool's `drain` from now.
pub fn endpoints(before: &Snapshot, after: &Snapshot, now: Duration) {
    let ids = |pools: &Snapshot| {
        let members = pools.pools.values().flat_map(|pool| pool.members());
        members.map(|member| member.endpoint.id).collect::<HashSet<_>>()
    };
    let stay = ids(after);
    for (name, pool) in &before.pools {
        // As it is now, if it still is: who edits both means it so.
        let drain = after.pools.get(name).unwrap_or(pool).config.drain.get();
        for member in pool.members().iter().filter(|member| !stay.contains(&member.endpoint.id)) {
            member.endpoint.leaving.by(now.saturating_add(drain));
        }
    }
}
