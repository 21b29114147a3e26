//! Everything compiled that a request reads: immutable, behind one pointer that a reload swaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::pool::Pool;
use crate::route::Router;
use crate::telemetry::http::RouteMetrics;
use crate::unit::Name;

/// One generation of the configuration, as requests see it.
pub struct Snapshot {
    /// Its number since the start; the first is 1.
    pub generation: u64,
    /// By the listener's number; `None` where there is no such listener any more.
    pub routers: Vec<Option<Router>>,
    /// Names of the listeners, by number.
    pub listeners: Vec<Name>,
    /// What the requests of each route of the file are counted in, on whatever listener they come.
    pub routes: BTreeMap<Name, Arc<RouteMetrics>>,
    /// All pools.
    pub pools: BTreeMap<Name, Arc<Pool>>,
    /// What requests are counted in that no route matched.
    pub unmatched: Arc<RouteMetrics>,
}

impl Snapshot {
    /// The name of the listener of this number; empty if there is none.
    pub fn listener(&self, id: usize) -> &str {
        self.listeners.get(id).map_or("", |name| name)
    }
}
