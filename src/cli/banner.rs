//! What `weir run` says when it is ready: which configuration, where it listens, what is behind it.
//!
//! Made of the blueprint before the start, since the process takes it; ports that are any free one are known
//! only afterwards.

use std::time::Duration;

use crate::route::Target;
use crate::runtime::process::Process;
use crate::runtime::{Blueprint, Plan};

/// What is said of a configuration.
pub struct Banner {
    title: String,
    /// Each with what becomes of who comes there.
    listeners: Vec<(Plan, String)>,
    pools: Vec<(String, usize)>,
}

impl Banner {
    /// Of a configuration, and where it comes from.
    pub fn new(blueprint: &Blueprint, source: &str) -> Self {
        let workers = plural(blueprint.workers, "worker");
        let snapshot = &blueprint.snapshot;
        let routes = |plan: &Plan| {
            let router = snapshot.routers.get(plan.listener.id).and_then(Option::as_ref);
            let routes = router.map_or(&[][..], |router| router.routes());
            let own = router.and_then(|router| router.own()).map(|route| &route.target);
            match own {
                Some(Target::Redirect(_)) => "to https".to_owned(),
                Some(Target::Pool(pool)) if !plan.settings.protocol.is_http() => {
                    format!("to {}", pool.name)
                }
                // The listener's own pool is no route of the file.
                _ => plural(
                    routes.iter().filter(|route| snapshot.routes.contains_key(&route.name)).count(),
                    "route",
                ),
            }
        };
        let pools = snapshot.pools.values();
        Self {
            title: format!("weir {}  {source}  {workers}\n", env!("CARGO_PKG_VERSION")),
            listeners: blueprint
                .listeners
                .iter()
                .map(|plan| (plan.clone(), routes(plan)))
                .collect(),
            pools: pools.map(|pool| (pool.name.to_string(), pool.config.endpoints.len())).collect(),
        }
    }

    /// The lines, once the process is ready; `took` is since the start of weir.
    pub fn text(&self, process: &Process, took: Duration) -> String {
        let mut text = self.title.clone();
        let names = self.listeners.iter().map(|(plan, _)| plan.settings.name.len());
        let width = names.max().unwrap_or_default().max("metrics".len());
        for (plan, routes) in &self.listeners {
            let name = &plan.settings.name;
            let bound = process.address(name).filter(|_| plan.address.port() == 0);
            let address = bound.map_or_else(|| plan.address.to_string(), |bound| bound.to_string());
            text.push_str(&format!("  {name:<width$}  {address}  {routes}\n"));
        }
        text.push_str(&format!("  {:<width$}  {}\n", "pools", self.pools()));
        if let Some(address) = process.metrics_address() {
            text.push_str(&format!("  {:<width$}  http://{address}/metrics\n", "metrics"));
        }
        text.push_str(&format!("ready in {} ms\n", took.as_millis()));
        text
    }

    /// "site 3 endpoints · api 1 endpoint", or how many there are.
    fn pools(&self) -> String {
        if self.pools.len() > MOST {
            let endpoints = self.pools.iter().map(|(_, endpoints)| endpoints).sum();
            return format!("{}, {}", self.pools.len(), plural(endpoints, "endpoint"));
        }
        let pools = self.pools.iter();
        let pools = pools.map(|(name, count)| format!("{name} {}", plural(*count, "endpoint")));
        pools.collect::<Vec<_>>().join(" · ")
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// More pools than these are counted, not named.
const MOST: usize = 6;
