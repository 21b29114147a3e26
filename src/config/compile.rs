//! From a checked configuration to a blueprint. Pure: no socket, no task, no clock, no file of its own;
//! it asks only how many CPUs there are.
//!
//! What the running blueprint has and the new configuration leaves alone becomes part of the new one: an
//! unchanged pool keeps its endpoints, their health and their load, and every name keeps its counters. So a
//! reload that changes nothing changes nothing.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::Config;
use crate::balance::Candidate;
use crate::diagnostic::Fault;
use crate::endpoint::Endpoint;
use crate::listener::{self, Listener};
use crate::pool::{self, Pool};
use crate::route::{Route, Router};
use crate::runtime::{Blueprint, Plan};
use crate::snapshot::Snapshot;
use crate::telemetry::http::{ListenerMetrics, PoolMetrics, RouteMetrics};
use crate::unit::Name;

/// Compiles a configuration that `validate` has found to be in order. `random`: for algorithms that need
/// a start of their own.
///
/// # Errors
/// A balancing algorithm refuses its options.
pub fn compile(
    config: &Config,
    running: Option<&Blueprint>,
    random: u64,
) -> Result<Blueprint, Fault> {
    let workers = config.runtime.workers.count();
    // Counters have a shard per worker, and workers are as many as at the start.
    let shards = running.map_or(workers, |running| running.shards);
    let before = running.map(|running| &*running.snapshot);
    let mut pools = BTreeMap::new();
    for (name, section) in &config.pools {
        let old = before.and_then(|before| before.pools.get(name));
        pools.insert(name.clone(), pool(name, section, old, shards, random)?);
    }
    let unmatched = before.map_or_else(
        || Arc::new(RouteMetrics::new(shards)),
        |before| Arc::clone(&before.unmatched),
    );
    let mut routes = BTreeMap::new();
    for (name, section) in &config.routes {
        let Some(pool) = pools.get(&section.pool) else { continue };
        let old = before.and_then(|before| before.routes.get(name));
        routes.insert(name.clone(), route(name, pool, old, shards));
    }
    let mut listeners = before.map_or_else(Vec::new, |before| before.listeners.clone());
    let mut plans = Vec::new();
    let mut routers: Vec<Option<Router>> = Vec::new();
    for (name, section) in &config.listeners {
        let old = running.and_then(|running| predecessor(config, running, name, section));
        let id = old.map_or(listeners.len(), |old| old.listener.id);
        let metrics = old.map_or_else(
            || Arc::new(ListenerMetrics::new(shards)),
            |old| Arc::clone(&old.listener.metrics),
        );
        listeners.resize(listeners.len().max(id + 1), name.clone());
        listeners[id] = name.clone();
        let listener = Arc::new(Listener { id, name: name.clone(), metrics });
        plans.push(Plan { listener, address: section.address });
        routers.resize_with(listeners.len().max(routers.len()), || None);
        let fallback = section.pool.as_ref().and_then(|pool| pools.get(pool));
        routers[id] = Some(router(config, name, &routes, fallback, &unmatched));
    }
    let generation = before.map_or(1, |before| before.generation + 1);
    Ok(Blueprint {
        snapshot: Arc::new(Snapshot { generation, routers, listeners, routes, pools, unmatched }),
        listeners: plans,
        workers,
        shards,
        metrics: config.metrics.address,
        access_log: config.access_log.clone(),
        fingerprint: fingerprint(config),
    })
}

/// What a listener was before: the one of its name, or one that has lost its name and has its address.
fn predecessor<'a>(
    config: &Config,
    running: &'a Blueprint,
    name: &Name,
    section: &listener::Config,
) -> Option<&'a Plan> {
    let plans = &running.listeners;
    plans.iter().find(|plan| plan.listener.name == *name).or_else(|| {
        plans.iter().find(|plan| {
            plan.address == section.address
                && plan.address.port() != 0
                && !config.listeners.contains_key(&plan.listener.name)
        })
    })
}

fn pool(
    name: &Name,
    config: &pool::Config,
    old: Option<&Arc<Pool>>,
    shards: usize,
    random: u64,
) -> Result<Arc<Pool>, Fault> {
    if let Some(old) = old.filter(|old| old.config == *config) {
        return Ok(Arc::clone(old));
    }
    let metrics =
        old.map_or_else(|| Arc::new(PoolMetrics::new(shards)), |old| Arc::clone(&old.metrics));
    let members = config
        .endpoints
        .iter()
        .map(|member| {
            let address = member.address.get();
            let known = old
                .into_iter()
                .flat_map(|old| old.members())
                .find(|known| known.endpoint.address == address);
            let endpoint = known.map_or_else(
                || Arc::new(Endpoint::new(address, metrics.endpoint())),
                |known| Arc::clone(&known.endpoint),
            );
            Candidate { endpoint, weight: u32::from(member.weight) }
        })
        .collect();
    Pool::new(name.clone(), config.clone(), members, metrics, random).map(Arc::new)
}

fn route(name: &Name, pool: &Arc<Pool>, old: Option<&Arc<Route>>, shards: usize) -> Arc<Route> {
    if let Some(old) = old.filter(|old| Arc::ptr_eq(&old.pool, pool)) {
        return Arc::clone(old);
    }
    let metrics =
        old.map_or_else(|| Arc::new(RouteMetrics::new(shards)), |old| Arc::clone(&old.metrics));
    Arc::new(Route { name: name.clone(), pool: Arc::clone(pool), metrics })
}

/// The routes of one listener.
fn router(
    config: &Config,
    listener: &Name,
    routes: &BTreeMap<Name, Arc<Route>>,
    fallback: Option<&Arc<Pool>>,
    unmatched: &Arc<RouteMetrics>,
) -> Router {
    let mut router = Router::default();
    for (name, section) in &config.routes {
        let belongs = section.listeners.is_empty() || section.listeners.contains(listener);
        let Some(route) = routes.get(name).filter(|_| belongs) else { continue };
        router.insert(section, route);
    }
    if let Some(pool) = fallback {
        let (name, metrics) = (Name::none(), Arc::clone(unmatched));
        router.set_fallback(&Arc::new(Route { name, pool: Arc::clone(pool), metrics }));
    }
    router
}

/// What is equal says the same: maps are ordered, so the debug text of a configuration is canonical.
fn fingerprint(config: &Config) -> u64 {
    foldhash::quality::FixedState::default().hash_one(format!("{config:?}"))
}
