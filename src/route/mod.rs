//! `[routes.NAME]`: which request goes where.
//!
//! A request finds its route by host and path alone; the most specific wins (`table`). Pure.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::target::normalise;
use crate::policy::forwarded::Forwarded;
use crate::policy::upgrade::Protocol;
use crate::policy::{self, Policy};
use crate::pool::Pool;
use crate::telemetry::http::RouteMetrics;
use crate::unit::{Name, OneOrMany, Size};

pub mod table;

use table::{Path, Place, Table};

/// `[routes.NAME]`: which request goes where. All conditions that are given must hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Host name, or a list of them; compared without case and port.
    #[serde(default)]
    pub host: OneOrMany<String>,
    /// The exact path.
    #[serde(default)]
    pub path: Option<String>,
    /// Whole segments at the path's start: /orders matches /orders and /orders/7, not /ordersx.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Names of the listeners it belongs to; default: every http listener.
    #[serde(default)]
    pub listeners: OneOrMany<Name>,
    /// Pool the request goes to.
    pub pool: Name,
    /// Names of policies, in order. What the route says itself comes last and wins.
    #[serde(default)]
    pub policies: OneOrMany<Name>,
    /// As in a policy.
    #[serde(default)]
    pub max_body: Option<Size>,
    /// As in a policy.
    #[serde(default)]
    pub forwarded: Option<Forwarded>,
    /// As in a policy.
    #[serde(default)]
    pub upgrade: Option<Vec<Protocol>>,
    /// As in a policy.
    #[serde(default)]
    pub timeouts: policy::timeouts::Config,
}

impl Config {
    /// Whether it belongs to the listener of this name.
    pub fn belongs_to(&self, listener: &Name) -> bool {
        self.listeners.is_empty() || self.listeners.contains(listener)
    }

    /// What the route says itself, as a policy.
    pub fn own(&self) -> policy::Config {
        policy::Config {
            max_body: self.max_body,
            forwarded: self.forwarded,
            upgrade: self.upgrade.clone(),
            timeouts: self.timeouts,
        }
    }

    /// The places it asks for, one per host: two routes that share one contradict each other. A path that
    /// is none asks for nothing that comes; `check` refuses it.
    pub fn places(&self) -> Vec<Place> {
        let path = match (&self.path, &self.path_prefix) {
            (Some(path), _) => Path::Exact(normal(path)),
            (None, Some(prefix)) => Path::Prefix(normal(prefix).trim_end_matches('/').to_owned()),
            (None, None) => Path::Prefix(String::new()),
        };
        if self.host.is_empty() {
            return vec![Place { host: None, path }];
        }
        let hosts = self.host.iter().map(|host| Some(without_port(host).to_ascii_lowercase()));
        hosts.map(|host| Place { host, path: path.clone() }).collect()
    }
}

/// A path of the file as paths of requests are: what is matched is what is forwarded.
fn normal(path: &str) -> String {
    let normal = normalise(path.as_bytes()).ok().flatten();
    normal.and_then(|normal| String::from_utf8(normal).ok()).unwrap_or_else(|| path.to_owned())
}

fn without_port(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// A route: where its requests go, and what they are counted in.
pub struct Route {
    /// Its name; "none" for what no route of the file matched.
    pub name: Name,
    /// Where its requests go.
    pub pool: Arc<Pool>,
    /// What holds for them.
    pub policy: Policy,
    /// What they are counted in.
    pub metrics: Arc<RouteMetrics>,
}

/// The routes of one listener.
#[derive(Default)]
pub struct Router {
    routes: Vec<Arc<Route>>,
    table: Table<RouteId>,
    /// The listener's own pool.
    fallback: Option<RouteId>,
}

/// The number of a route within its router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(u32);

impl Router {
    /// Adds a route to the places it asks for.
    pub fn insert(&mut self, config: &Config, route: &Arc<Route>) {
        let id = self.push(route);
        for place in config.places() {
            self.table.insert(place, id);
        }
    }

    /// What takes the requests that match no route.
    pub fn set_fallback(&mut self, route: &Arc<Route>) {
        self.fallback = Some(self.push(route));
    }

    /// The route of a request, by its host in lower case and its normalised path. Allocates nothing.
    pub fn find(&self, host: &str, path: &str) -> Option<RouteId> {
        self.table.find(host, path).copied().or(self.fallback)
    }

    /// All its routes.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route of a number.
    pub fn route(&self, id: RouteId) -> &Arc<Route> {
        &self.routes[id.0 as usize]
    }

    fn push(&mut self, route: &Arc<Route>) -> RouteId {
        self.routes.push(Arc::clone(route));
        RouteId(self.routes.len() as u32 - 1)
    }
}
