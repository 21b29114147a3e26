//! The whole TOML file: one field per section, each type owned by the module that obeys it.
//!
//! `cli` and the reload ask [`find`] for the file and [`load`] for its meaning. Loading either gives a
//! configuration in which every name exists and every value is in range, or a report of everything
//! that is wrong with the files at once. It has no side effects: no port, no network, no file but those
//! that are named.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::telemetry::{access_log, log, metrics};
use crate::tls::certificate;
use crate::unit::{Name, OneOrMany};
use crate::{listener, policy, pool, route, runtime};

mod builtin;
mod certificates;
mod compile;
mod document;
mod files;
mod health;
mod keys;
mod limits;
mod load;
mod merge;
mod pages;
mod policies;
mod pools;
mod print;
mod read;
mod routes;
mod secrets;
mod sessions;
mod show;
mod syntax;
mod texts;
mod ties;
mod tls;
mod tree;
mod validate;
mod variables;
mod words;
mod world;
mod wrong;

use certificates::certificates;
use keys::{Unknown, missing, named};
use limits::limits;
use pages::pages;
use pools::pools;
use read::read;
use secrets::{is_variable, mask, mask_lines};
use texts::Texts;
use ties::ties;
use tree::{Place, Tree};
use validate::{Check, validate};
use wrong::Error;

pub use compile::compile;
pub use files::Files;
pub use keys::keys;
pub use load::{Loaded, Options, find, load, load_with, parse};
pub use merge::Defaults;
pub use show::{Shown, View, show};
pub use words::foreign;

/// Everything a weir.toml says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// More files, by name or by glob ("conf.d/*.toml"), relative to the file that names them; all are one document.
    /// Empty once they are read.
    pub include: OneOrMany<String>,
    /// The same keys, for everything of a kind. But for what policies may say, they are where they belong once all is
    /// read.
    pub defaults: Defaults,
    /// The process.
    pub runtime: runtime::Config,
    /// The port that serves /metrics, /livez and /readyz.
    pub metrics: metrics::Config,
    /// What weir says about itself.
    pub log: log::Config,
    /// One line per request.
    pub access_log: access_log::Config,
    /// Certificates, by name.
    pub certificates: BTreeMap<Name, certificate::Config>,
    /// Where clients connect, by name.
    pub listeners: BTreeMap<Name, listener::Config>,
    /// Which request goes where, by name. Their order never matters.
    pub routes: BTreeMap<Name, route::Config>,
    /// Rules for requests that routes and listeners share, by name.
    pub policies: BTreeMap<Name, policy::Config>,
    /// The endpoints of each service, by name.
    pub pools: BTreeMap<Name, pool::Config>,
}
