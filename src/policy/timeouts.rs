//! `policies.NAME.timeouts`: how long answers are waited for.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Timeouts;
use crate::unit::Duration;

/// `[policies.NAME.timeouts]`: how long answers are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// From the request sent to the head of its answer, per attempt; then 504. Default "30s".
    pub response: Option<Duration>,
    /// From the request received to the head of its answer, all attempts included; then 504. Default "60s"; "0s": no
    /// limit.
    pub total: Option<Duration>,
    /// From the request received to the last byte of its answer; then it is broken off. Default "0s": no limit.
    pub exchange: Option<Duration>,
    /// Longest silence in a running answer; then it is broken off. Default "60s".
    pub idle: Option<Duration>,
    /// The same for WebSockets, other upgrades and streams of events. Default "1h".
    pub stream_idle: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            response: std::time::Duration::from_secs(30),
            total: std::time::Duration::from_secs(60),
            exchange: std::time::Duration::MAX,
            idle: std::time::Duration::from_secs(60),
            stream_idle: std::time::Duration::from_secs(3600),
        }
    }
}

impl Timeouts {
    /// What a merged configuration means.
    pub fn new(config: &Config) -> Self {
        let mut timeouts = Self::default();
        for (given, value) in [
            (config.response, &mut timeouts.response),
            (config.total, &mut timeouts.total),
            (config.exchange, &mut timeouts.exchange),
            (config.idle, &mut timeouts.idle),
            (config.stream_idle, &mut timeouts.stream_idle),
        ] {
            match given {
                Some(given) if given.is_zero() => *value = std::time::Duration::MAX,
                Some(given) => *value = given.get(),
                None => {}
            }
        }
        timeouts
    }
}

impl Config {
    /// What a later one says wins, key by key.
    pub fn merge(&mut self, later: &Self) {
        super::replace(&mut self.response, &later.response);
        super::replace(&mut self.total, &later.total);
        super::replace(&mut self.exchange, &later.exchange);
        super::replace(&mut self.idle, &later.idle);
        super::replace(&mut self.stream_idle, &later.stream_idle);
    }

    /// Every key with what is given, and whether "0s" means no limit.
    pub fn all(&self) -> [(&'static str, Option<Duration>, bool); 5] {
        [
            ("response", self.response, false),
            ("total", self.total, true),
            ("exchange", self.exchange, true),
            ("idle", self.idle, false),
            ("stream_idle", self.stream_idle, false),
        ]
    }
}
