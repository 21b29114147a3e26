//! `[routes.NAME]`: which request goes where.
//!
//! The most specific route wins, wherever it stands in the file: by priority, then host, then path (`table`), then
//! the number of further conditions (`matcher`). Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::exchange::Exchange;
use crate::message::header_name::HeaderName;
use crate::message::target::normal;
use crate::policy::forwarded::Forwarded;
use crate::policy::upgrade::Protocol;
use crate::policy::{self, Policy};
use crate::pool::Pool;
use crate::telemetry::http::RouteMetrics;
use crate::unit::{Cidr, Matcher, Name, OneOrMany, Size};

pub mod matcher;
pub mod place;
pub mod redirect;
pub mod respond;
pub mod split;
pub mod table;

use matcher::{Conditions, MethodName};
use place::{Host, Path, Pattern, Place, Whole};
use redirect::Redirect;
use respond::Respond;
use split::{Split, Sticky};
use table::Table;

/// `[routes.NAME]`: which request goes where. All conditions that are given must hold. Its requests go to one of
/// `pool`, `split`, `redirect` and `respond`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Host name, or a list of them; compared without case and port. "*.example.com" has exactly one label more.
    #[serde(default)]
    pub host: OneOrMany<String>,
    /// The exact path. {id} is one segment, whatever it is, to be used as {path.id}.
    #[serde(default)]
    pub path: Option<String>,
    /// Whole segments at the path's start: /orders matches /orders and /orders/7, not /ordersx.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// A regular expression that matches the whole path.
    #[serde(default)]
    pub path_regex: Option<Whole>,
    /// Of tls and tls-passthrough listeners: the name that is asked for, or a list of them, as `host`.
    #[serde(default)]
    pub sni: OneOrMany<String>,
    /// Method, or a list of them.
    #[serde(default)]
    pub method: OneOrMany<MethodName>,
    /// What headers must be: "text", { regex = "…" }, { present = true } or { absent = true }.
    #[serde(default)]
    pub header: BTreeMap<HeaderName, Matcher>,
    /// What parameters of the query must be, as `header`.
    #[serde(default)]
    pub query: BTreeMap<String, Matcher>,
    /// What cookies must be, as `header`.
    #[serde(default)]
    pub cookie: BTreeMap<String, Matcher>,
    /// Where the client is: CIDR, or a list of them.
    #[serde(default)]
    pub client_ip: OneOrMany<Cidr>,
    /// Names of the listeners it belongs to; default: every http listener.
    #[serde(default)]
    pub listeners: OneOrMany<Name>,
    /// A route of higher priority comes before all others, however specific. Default 0.
    #[serde(default)]
    pub priority: i32,
    /// Pool the request goes to.
    #[serde(default)]
    pub pool: Option<Name>,
    /// Pools that share the requests, and their weights.
    #[serde(default)]
    pub split: Option<BTreeMap<Name, u32>>,
    /// What keeps a client at one pool of a `split`: "client-ip", "header:NAME", "cookie:NAME", or a list, of which
    /// the first that a request has counts. Default: each request is drawn anew.
    #[serde(default)]
    pub sticky: OneOrMany<Sticky>,
    /// The client is sent elsewhere.
    #[serde(default)]
    pub redirect: Option<Redirect>,
    /// Weir answers by itself.
    #[serde(default)]
    pub respond: Option<respond::Config>,
    /// Names of policies, in order. What the route says itself comes last and wins.
    #[serde(default)]
    pub policies: OneOrMany<Name>,
    /// As in a policy.
    #[serde(default)]
    pub request_id: Option<bool>,
    /// As in a policy.
    #[serde(default)]
    pub access: policy::access::Config,
    /// As in a policy.
    #[serde(default)]
    pub max_body: Option<Size>,
    /// As in a policy.
    #[serde(default)]
    pub rewrite: policy::rewrite::Config,
    /// As in a policy.
    #[serde(default)]
    pub headers: policy::headers::Config,
    /// As in a policy.
    #[serde(default)]
    pub error_pages: policy::error_pages::Config,
    /// As in a policy.
    #[serde(default)]
    pub forwarded: Option<Forwarded>,
    /// As in a policy.
    #[serde(default)]
    pub upgrade: Option<Vec<Protocol>>,
    /// As in a policy.
    #[serde(default)]
    pub timeouts: policy::timeouts::Config,
    /// As in a policy.
    #[serde(default)]
    pub logging: policy::logging::Config,
}

impl Config {
    /// Whether it belongs to the listener of this name.
    pub fn belongs_to(&self, listener: &Name) -> bool {
        self.listeners.is_empty() || self.listeners.contains(listener)
    }

    /// What the route says itself, as a policy.
    pub fn own(&self) -> policy::Config {
        policy::Config {
            request_id: self.request_id,
            access: self.access.clone(),
            max_body: self.max_body,
            rewrite: self.rewrite.clone(),
            headers: self.headers.clone(),
            error_pages: self.error_pages.clone(),
            forwarded: self.forwarded,
            upgrade: self.upgrade.clone(),
            timeouts: self.timeouts,
            logging: self.logging,
        }
    }

    /// Its path, as requests are compared with it. One that is none asks for nothing that comes; `check` refuses it.
    pub fn place(&self) -> Path {
        match (&self.path, &self.path_prefix, &self.path_regex) {
            (Some(path), ..) => match Pattern::new(path) {
                Ok(Some(pattern)) => Path::Pattern(pattern),
                _ => Path::Exact(normal(path)),
            },
            (None, Some(prefix), _) => {
                Path::Prefix(normal(prefix).trim_end_matches('/').to_owned())
            }
            (None, None, Some(regex)) => Path::Regex(regex.get().clone()),
            (None, None, None) => Path::Prefix(String::new()),
        }
    }

    /// The places it asks for, one per host.
    pub fn places(&self) -> Vec<Place> {
        let path = self.place();
        let hosts = if self.sni.is_empty() { &self.host } else { &self.sni };
        if hosts.is_empty() {
            return vec![Place { host: Host::Any, path }];
        }
        let hosts = hosts.iter().map(|host| Host::new(host));
        hosts.map(|host| Place { host, path: path.clone() }).collect()
    }

    /// Which segment of its path a name in braces stands for.
    pub fn segment(&self, name: &str) -> Option<usize> {
        match self.place() {
            Path::Pattern(pattern) => pattern.segment(name),
            _ => None,
        }
    }

    /// The pools it leads to.
    pub fn pools(&self) -> impl Iterator<Item = &Name> {
        self.pool.iter().chain(self.split.iter().flat_map(BTreeMap::keys))
    }
}

/// Where the requests of a route go.
pub enum Target {
    /// To a pool.
    Pool(Arc<Pool>),
    /// To one of several pools.
    Split(Split<Arc<Pool>>),
    /// Nowhere: the client is sent elsewhere.
    Redirect(Redirect),
    /// Nowhere: weir answers.
    Respond(Respond),
}

impl Target {
    /// What a section says. `None`: it leads nowhere, or to a pool that does not exist; `check` refuses it.
    pub fn new(name: &Name, config: &Config, pools: &BTreeMap<Name, Arc<Pool>>) -> Option<Self> {
        if let Some(redirect) = &config.redirect {
            return Some(Self::Redirect(redirect.within(|name| config.segment(name))));
        }
        if let Some(respond) = &config.respond {
            return Some(Self::Respond(Respond::new(respond)));
        }
        if let Some(weights) = &config.split {
            let arms =
                weights.iter().map(|(pool, weight)| Some((pools.get(pool)?.clone(), *weight)));
            let split =
                Split::new(arms.collect::<Option<_>>()?, config.sticky.to_vec(), name.clone());
            return Some(Self::Split(split));
        }
        config.pool.as_ref().and_then(|pool| pools.get(pool)).map(Arc::clone).map(Self::Pool)
    }

    /// The pool that a request goes to; `arm`: which of them, if there are several.
    pub fn pool(&self, arm: u16) -> Option<&Arc<Pool>> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Split(split) => split.arm(arm),
            Self::Redirect(_) | Self::Respond(_) => None,
        }
    }

    /// Whether these are the pools of the other one.
    fn leads_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pool(one), Self::Pool(other)) => Arc::ptr_eq(one, other),
            (Self::Split(one), Self::Split(other)) => {
                one.arms().count() == other.arms().count()
                    && one.arms().zip(other.arms()).all(|(one, other)| Arc::ptr_eq(one, other))
            }
            (Self::Redirect(_), Self::Redirect(_)) | (Self::Respond(_), Self::Respond(_)) => true,
            _ => false,
        }
    }
}

/// A route: where its requests go, and what they are counted in.
pub struct Route {
    /// Its name; "none" for what no route of the file matched.
    pub name: Name,
    /// Where its requests go.
    pub target: Target,
    /// What holds for them.
    pub policy: Policy,
    /// What they are counted in.
    pub metrics: Arc<RouteMetrics>,
    /// What the file says of it; `None` for what no route matched.
    pub config: Option<Config>,
}

impl Route {
    /// What of a path it asks for, as it is logged; the second part stands for the rest of it.
    pub fn pattern(&self) -> (&str, &str) {
        let Some(config) = &self.config else { return ("", "") };
        match (&config.path, &config.path_prefix, &config.path_regex) {
            (Some(path), ..) => (path, ""),
            (_, Some(prefix), _) => (prefix, "/*"),
            (.., Some(regex)) => (regex.bare(), ""),
            _ => ("/", "*"),
        }
    }

    /// Whether nothing about it differs from another one.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.config == other.config
            && self.policy.config() == other.policy.config()
            && self.target.leads_as(&other.target)
    }
}

/// The routes of one listener.
#[derive(Default)]
pub struct Router {
    routes: Vec<Arc<Route>>,
    /// By priority, the highest first.
    levels: BTreeMap<Reverse<i32>, Table<Vec<Candidate>>>,
    /// The listener's own pool.
    fallback: Option<RouteId>,
}

/// A route at a place; those with more conditions stand before those with fewer.
struct Candidate {
    conditions: Option<Box<Conditions>>,
    id: RouteId,
}

/// The number of a route within its router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(u32);

impl Router {
    /// Adds a route to the places it asks for.
    pub fn insert(&mut self, config: &Config, route: &Arc<Route>) {
        let id = self.push(route);
        let conditions = Conditions::new(config);
        let count = conditions.count();
        let level = self.levels.entry(Reverse(config.priority)).or_default();
        for place in config.places() {
            let candidates = level.at(place);
            let fewer = |other: &Candidate| {
                other.conditions.as_ref().map_or(0, |conditions| conditions.count()) < count
            };
            let at = candidates.iter().position(fewer).unwrap_or(candidates.len());
            let conditions = (count > 0).then(|| Box::new(conditions.clone()));
            candidates.insert(at, Candidate { conditions, id });
        }
    }

    /// What takes the requests that match no route.
    pub fn set_fallback(&mut self, route: &Arc<Route>) {
        self.fallback = Some(self.push(route));
    }

    /// What takes what matches no route.
    pub fn own(&self) -> Option<&Arc<Route>> {
        self.fallback.map(|id| &self.routes[id.0 as usize])
    }

    /// The route of a request. Allocates nothing, but for parameters of a query that are escaped.
    pub fn find(&self, x: &Exchange) -> Option<RouteId> {
        let (host, path) = (x.head.slice(x.head.host), x.head.slice(x.head.path));
        let mut levels = self.levels.values();
        let found = levels.find_map(|table| {
            table.find(host, path, |candidates| {
                let holds = |one: &&Candidate| {
                    one.conditions.as_ref().is_none_or(|conditions| conditions.hold(x))
                };
                candidates.iter().find(holds).map(|candidate| candidate.id)
            })
        });
        found.or(self.fallback)
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

/// Bytes of a body that the file gives: it is sent in one piece.
pub const LARGEST_BODY: usize = 128 * 1024;

#[cfg(test)]
mod tests;
