//! `[policies.NAME]`: rules for requests, by name or within a route; merged into one `Policy` per route.
//!
//! Built-in, then the listener's policies in their order, then the route's, then what the route itself says:
//! what comes later wins, key by key. Pure data; the spine obeys it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::unit::Size;

pub mod forwarded;
pub mod timeouts;
pub mod upgrade;

use forwarded::Forwarded;
use upgrade::Protocol;

/// `[policies.NAME]`: rules for the requests of those who name it. A key that is not given changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The largest request body; 413 above. "0": no limit.
    pub max_body: Option<Size>,
    /// How the endpoint is told of the client: "x-forwarded", "rfc7239", "both", "off".
    pub forwarded: Option<Forwarded>,
    /// Protocols that a connection may be upgraded to: "websocket". None of them: [].
    pub upgrade: Option<Vec<Protocol>>,
    /// How long answers are waited for.
    pub timeouts: timeouts::Config,
}

/// What holds for the requests of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The largest request body, in bytes; `u64::MAX`: no limit.
    pub max_body: u64,
    /// How the endpoint is told of the client.
    pub forwarded: Forwarded,
    /// Protocols that a connection may be upgraded to.
    pub upgrade: Vec<Protocol>,
    /// How long answers are waited for.
    pub timeouts: Timeouts,
}

/// How long answers are waited for; `Duration::MAX`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request sent to the head of its answer, per attempt.
    pub response: Duration,
    /// From the request received to the head of its answer, all attempts included.
    pub total: Duration,
    /// From the request received to the last byte of its answer.
    pub exchange: Duration,
    /// Silence in a running answer.
    pub idle: Duration,
    /// The same in tunnels and streams of events.
    pub stream_idle: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_body: u64::MAX,
            forwarded: Forwarded::default(),
            upgrade: vec![Protocol::websocket()],
            timeouts: Timeouts::default(),
        }
    }
}

impl Policy {
    /// What holds when these are given in this order.
    pub fn of<'a>(configs: impl IntoIterator<Item = &'a Config>) -> Self {
        let mut policy = Self::default();
        for config in configs {
            if let Some(size) = config.max_body {
                policy.max_body = if size.get() == 0 { u64::MAX } else { size.get() };
            }
            policy.forwarded = config.forwarded.unwrap_or(policy.forwarded);
            if let Some(upgrade) = &config.upgrade {
                policy.upgrade.clone_from(upgrade);
            }
            config.timeouts.apply(&mut policy.timeouts);
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_wins_key_by_key() {
        let read = |text: &str| toml::from_str::<Config>(text).unwrap();
        let first = read("max_body = \"1MiB\"\ntimeouts.total = \"5s\"\ntimeouts.idle = \"1s\"");
        let second = read("upgrade = []\ntimeouts.total = \"0s\"");
        let policy = Policy::of([&first, &second]);
        assert_eq!(policy.max_body, 1 << 20);
        assert_eq!(policy.upgrade, []);
        assert_eq!(policy.timeouts.total, Duration::MAX);
        assert_eq!(policy.timeouts.idle, Duration::from_secs(1));
        assert_eq!(policy.timeouts.response, Timeouts::default().response);
        assert_eq!(Policy::of([&read("max_body = \"0\"")]).max_body, u64::MAX);
    }
}
