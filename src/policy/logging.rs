//! `policies.NAME.logging`: which requests of a route get a line in the access log.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::telemetry::access_log::Rule;
use crate::unit::{Duration, Percent};

/// `[policies.NAME.logging]`: what of `[access_log]` may differ per route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Share of the requests without an error that is written. Default: as in `[access_log]`.
    pub sample: Option<Percent>,
    /// Slower requests are always written. Default: as in `[access_log]`.
    pub slow: Option<Duration>,
}

impl Config {
    /// What a later one says wins, key by key.
    pub fn merge(&mut self, later: &Self) {
        self.sample = later.sample.or(self.sample);
        self.slow = later.slow.or(self.slow);
    }

    /// What it means for a route.
    pub fn rule(&self) -> Rule {
        Rule { sample: self.sample, slow: self.slow.map(Duration::get) }
    }
}
