//! From a checked configuration to a blueprint. Pure: no socket, no task, no clock, no file of its own;
//! it asks only how many CPUs there are.
//!
//! What the running blueprint has and the new configuration leaves alone becomes part of the new one: an
//! unchanged pool keeps its endpoints, their health and their load, and every name keeps its counters. So a
//! reload that changes nothing changes nothing.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::{Config, pools};
use crate::diagnostic::{Code, Fault};
use crate::listener::{self, Listener, Settings};
use crate::policy::{self, Policy};
use crate::pool::Pool;
use crate::route::redirect::Redirect;
use crate::route::{Route, Router, Target};
use crate::runtime::{Blueprint, Plan};
use crate::snapshot::Snapshot;
use crate::telemetry::http::RouteMetrics;
use crate::telemetry::listener::ListenerMetrics;
use crate::tls::certificate::Certificate;
use crate::tls::server::Server;
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
    let workers = config.runtime.workers();
    // Counters have a shard per worker, and workers are as many as at the start.
    let shards = running.map_or(workers, |running| running.shards);
    let before = running.map(|running| &*running.snapshot);
    let pools = pools(config, before, shards, random)?;
    let unmatched = before.map_or_else(
        || Arc::new(RouteMetrics::new(shards)),
        |before| Arc::clone(&before.unmatched),
    );
    let mut routes = BTreeMap::new();
    for name in config.routes.keys() {
        let old = before.and_then(|before| before.routes.get(name)).map(Arc::clone);
        routes.insert(name.clone(), old.unwrap_or_else(|| Arc::new(RouteMetrics::new(shards))));
    }
    let certificates = certificates(config, running);
    let mut listeners = before.map_or_else(Vec::new, |before| before.listeners.clone());
    let mut plans = Vec::new();
    let mut routers: Vec<Option<Router>> = Vec::new();
    for (name, section) in &config.listeners {
        let old = running.and_then(|running| predecessor(config, running, name, section));
        let id = old.map_or(listeners.len(), |old| old.listener.id);
        let spoken = old.and_then(|old| old.settings.tls.as_ref());
        let tls = tls(section, &certificates, spoken)?;
        let settings = Arc::new(Settings::new(name, section, tls));
        let listener = old.map_or_else(
            || Arc::new(Listener::new(id, ListenerMetrics::new(shards), Arc::clone(&settings))),
            |old| Arc::clone(&old.listener),
        );
        listeners.resize(listeners.len().max(id + 1), name.clone());
        listeners[id] = name.clone();
        plans.push(Plan { listener, settings, address: section.address });
        routers.resize_with(listeners.len().max(routers.len()), || None);
        let making = Making {
            config,
            pools: &pools,
            metrics: &routes,
            unmatched: &unmatched,
            before: before
                .and_then(|before| before.routers.get(id)?.as_ref())
                .into_iter()
                .flat_map(|router| router.routes().iter().map(|route| (&route.name, route)))
                .collect(),
        };
        routers[id] = Some(making.router(name, section));
    }
    let generation = before.map_or(1, |before| before.generation + 1);
    Ok(Blueprint {
        snapshot: Arc::new(Snapshot { generation, routers, listeners, routes, pools, unmatched }),
        listeners: plans,
        certificates,
        workers,
        process: config.runtime.clone(),
        shards,
        metrics: config.metrics.clone(),
        log: config.log.clone(),
        access_log: config.access_log.clone(),
        fingerprint: fingerprint(config),
    })
}

/// The certificates there are; one that has not changed is the same.
fn certificates(config: &Config, running: Option<&Blueprint>) -> BTreeMap<Name, Arc<Certificate>> {
    let loaded = config.certificates.iter().filter_map(|(name, section)| {
        let loaded = section.loaded.as_ref()?;
        let before = running.and_then(|running| running.certificates.get(name));
        let same = before.filter(|before| *before == loaded);
        Some((name.clone(), Arc::clone(same.unwrap_or(loaded))))
    });
    loaded.collect()
}

/// What a listener speaks below HTTP; the same as before, if it is made of the same: then tickets stay good.
fn tls(
    section: &listener::Config,
    certificates: &BTreeMap<Name, Arc<Certificate>>,
    before: Option<&Arc<Server>>,
) -> Result<Option<Arc<Server>>, Fault> {
    if !section.protocol.is_secured() {
        return Ok(None);
    }
    let (named, alpn) = (&section.tls.certificates, section.versions().alpn());
    let shown: Vec<Arc<Certificate>> = if named.is_empty() {
        certificates.values().cloned().collect()
    } else {
        named.iter().filter_map(|name| certificates.get(name).cloned()).collect()
    };
    if let Some(before) = before.filter(|before| before.is_of(&section.tls, &shown, &alpn)) {
        return Ok(Some(Arc::clone(before)));
    }
    let made = Server::new(&section.tls, &shown, alpn);
    made.map(|server| Some(Arc::new(server))).map_err(|wrong| {
        let problem = format!("`{}`: {}: write another", wrong.key, wrong.problem);
        Fault::new(Code::E0105, problem, "not usable")
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
    plans.iter().find(|plan| plan.settings.name == *name).or_else(|| {
        plans.iter().find(|plan| {
            plan.address == section.address
                && plan.address.port() != 0
                && !config.listeners.contains_key(&plan.settings.name)
        })
    })
}

/// What routers are made of.
struct Making<'a> {
    config: &'a Config,
    pools: &'a BTreeMap<Name, Arc<Pool>>,
    metrics: &'a BTreeMap<Name, Arc<RouteMetrics>>,
    unmatched: &'a Arc<RouteMetrics>,
    /// What the listener had before.
    before: BTreeMap<&'a Name, &'a Arc<Route>>,
}

impl Making<'_> {
    /// The routes of one listener.
    fn router(&self, name: &Name, listener: &listener::Config) -> Router {
        let mut router = Router::default();
        if listener.redirect_https {
            let target = Target::Redirect(Redirect::to_https());
            let (policy, metrics) =
                (Policy::new(policy::Config::default(), &|_| None), Arc::clone(self.unmatched));
            router.set_fallback(&self.route(Route {
                name: Name::none(),
                target,
                policy,
                metrics,
                config: None,
            }));
            return router;
        }
        for (route, section) in &self.config.routes {
            let target = Target::new(route, section, self.pools);
            let theirs = listener.takes(name, section);
            let (Some(target), true) = (target, theirs) else { continue };
            let own = section.own();
            let named = listener.policies.iter().chain(&*section.policies);
            let named = named.filter_map(|name| self.config.policies.get(name));
            let rules = [&self.config.defaults.rules].into_iter();
            let merged = policy::Config::merged(rules.chain(named).chain([&own]));
            let made = Route {
                name: route.clone(),
                target,
                policy: Policy::new(merged, &|name| section.segment(name)),
                metrics: Arc::clone(self.metrics.get(route).unwrap_or(self.unmatched)),
                config: Some(section.clone()),
            };
            router.insert(section, &self.route(made));
        }
        if let Some(pool) = listener.pool.as_ref().and_then(|pool| self.pools.get(pool)) {
            let named = listener.policies.iter();
            let named = named.filter_map(|name| self.config.policies.get(name));
            router.set_fallback(&self.route(Route {
                name: Name::none(),
                target: Target::Pool(Arc::clone(pool)),
                policy: Policy::new(policy::Config::merged(named), &|_| None),
                metrics: Arc::clone(self.unmatched),
                config: None,
            }));
        }
        router
    }

    /// The same route as before, if nothing about it has changed.
    fn route(&self, made: Route) -> Arc<Route> {
        let old = self.before.get(&made.name).filter(|old| old.is_same(&made));
        old.map_or_else(|| Arc::new(made), |old| Arc::clone(old))
    }
}

/// What is equal says the same: maps are ordered, so the debug text of a configuration is canonical.
fn fingerprint(config: &Config) -> u64 {
    foldhash::quality::FixedState::default().hash_one(format!("{config:?}"))
}
