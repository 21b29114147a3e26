//! The whole TOML file: one field per section, each type owned by the module that obeys it.
//!
//! `cli` and the reload ask [`find`] for the file and [`load`] for its meaning. Loading either gives a
//! configuration in which every name exists and every value is in range, or a report of everything
//! that is wrong with the file at once. It has no side effects: no port, no network, no other file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::telemetry::{access_log, metrics};
use crate::unit::Name;
use crate::{listener, policy, pool, route, runtime};

mod compile;
mod files;
mod keys;
mod limits;
mod load;
mod policies;
mod read;
mod routes;
mod ties;
mod tree;
mod validate;
mod words;
mod wrong;

use keys::{Unknown, missing};
use limits::limits;
use read::read;
use ties::ties;
use tree::{Place, Tree};
use validate::{Check, validate};
use wrong::Error;

pub use compile::compile;
pub use files::Files;
pub use keys::keys;
pub use load::{Loaded, find, load, parse};

/// Everything a weir.toml says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The process.
    pub runtime: runtime::Config,
    /// The port that serves /metrics, /livez and /readyz.
    pub metrics: metrics::Config,
    /// One line per request.
    pub access_log: access_log::Config,
    /// Where clients connect, by name.
    pub listeners: BTreeMap<Name, listener::Config>,
    /// Which request goes where, by name. Their order never matters.
    pub routes: BTreeMap<Name, route::Config>,
    /// Rules for requests that routes and listeners share, by name.
    pub policies: BTreeMap<Name, policy::Config>,
    /// The endpoints of each service, by name.
    pub pools: BTreeMap<Name, pool::Config>,
}
