//! `[policies.NAME]`: rules for requests, by name or within a route; merged into one `Policy` per route.
//!
//! Built-in, then the listener's policies in their order, then the route's, then what the route itself says:
//! what comes later wins, key by key. Some of it are steps (`Filter`), run by the spine in a fixed order; the rest is
//! data that the spine obeys.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::exchange::Exchange;
use crate::message::reply::Reply;
use crate::telemetry::access_log::Rule;
use crate::unit::Size;

pub mod access;
pub mod error_pages;
pub mod forwarded;
pub mod headers;
pub mod logging;
mod request_id;
pub mod rewrite;
pub mod timeouts;
pub mod upgrade;

use forwarded::Forwarded;
use request_id::RequestId;
use upgrade::Protocol;

/// `[policies.NAME]`: rules for the requests of those who name it. A key that is not given changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether each request has an x-request-id, its own or a new one, for the endpoint and the log. Default true.
    pub request_id: Option<bool>,
    /// Which clients may come.
    pub access: access::Config,
    /// The largest request body; 413 above. "0": no limit.
    pub max_body: Option<Size>,
    /// Another path or host for the endpoint.
    pub rewrite: rewrite::Config,
    /// Headers set, added and removed.
    pub headers: headers::Config,
    /// Bodies for answers that are errors.
    pub error_pages: error_pages::Config,
    /// How the endpoint is told of the client: "x-forwarded", "rfc7239", "both", "off".
    pub forwarded: Option<Forwarded>,
    /// Protocols that a connection may be upgraded to: "websocket". None of them: [].
    pub upgrade: Option<Vec<Protocol>>,
    /// How long answers are waited for.
    pub timeouts: timeouts::Config,
    /// Which requests get a line in the access log.
    pub logging: logging::Config,
}

/// A rule that looks at requests on their way in, or at answers on their way back. Shared by all workers.
pub trait Filter: Send + Sync {
    /// A request on its way in. `random` draws a number.
    ///
    /// # Errors
    /// It goes no further.
    fn on_request(&self, _x: &mut Exchange, _random: &dyn Fn() -> u64) -> Result<(), Refused> {
        Ok(())
    }

    /// The answer on its way back, also one of weir's own.
    fn on_response(&self, _x: &Exchange, _reply: &mut Reply) {}
}

/// Why a policy lets a request go no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The client may not come.
    Access,
    /// What the rewriting made of its path is none.
    Rewrite,
}

/// What holds for the requests of one route.
pub struct Policy {
    /// What it was made of.
    config: Config,
    /// What looks at requests and answers, in the order of work; backwards on the way back.
    pub steps: Vec<Box<dyn Filter>>,
    /// Trailers that are not passed on.
    pub withheld: headers::Trailers,
    /// The largest request body, in bytes; `u64::MAX`: no limit.
    pub max_body: u64,
    /// How the endpoint is told of the client.
    pub forwarded: Forwarded,
    /// Protocols that a connection may be upgraded to.
    pub upgrade: Vec<Protocol>,
    /// How long answers are waited for.
    pub timeouts: Timeouts,
    /// Which requests get a line in the access log.
    pub logging: Rule,
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

impl Config {
    /// What holds when these are given in this order: the later wins, key by key.
    pub fn merged<'a>(configs: impl IntoIterator<Item = &'a Self>) -> Self {
        configs.into_iter().fold(Self::default(), |mut merged, later| {
            replace(&mut merged.request_id, &later.request_id);
            merged.access.merge(&later.access);
            replace(&mut merged.max_body, &later.max_body);
            merged.rewrite.merge(&later.rewrite);
            merged.headers.merge(&later.headers);
            merged.error_pages.merge(&later.error_pages);
            replace(&mut merged.forwarded, &later.forwarded);
            replace(&mut merged.upgrade, &later.upgrade);
            merged.timeouts.merge(&later.timeouts);
            merged.logging.merge(&later.logging);
            merged
        })
    }
}

/// A value that is given replaces the one before.
fn replace<T: Clone>(value: &mut Option<T>, later: &Option<T>) {
    if later.is_some() {
        value.clone_from(later);
    }
}

impl Policy {
    /// What a merged configuration means for a route. `segment`: which segment of its path a name stands for.
    pub fn new(config: Config, segment: &dyn Fn(&str) -> Option<usize>) -> Self {
        let max_body = config.max_body.map_or(0, Size::get);
        Self {
            steps: steps(&config, segment),
            withheld: headers::Trailers::new(&config.headers),
            max_body: if max_body == 0 { u64::MAX } else { max_body },
            forwarded: config.forwarded.unwrap_or_default(),
            upgrade: config.upgrade.clone().unwrap_or_else(|| vec![Protocol::websocket()]),
            timeouts: Timeouts::new(&config.timeouts),
            logging: config.logging.rule(),
            config,
        }
    }

    /// What it was made of.
    pub const fn config(&self) -> &Config {
        &self.config
    }
}

/// The steps, in the order of work: what comes first on the way in has the last word on the way back.
fn steps(config: &Config, segment: &dyn Fn(&str) -> Option<usize>) -> Vec<Box<dyn Filter>> {
    fn step<'a>(filter: Option<impl Filter + 'a>) -> Option<Box<dyn Filter + 'a>> {
        filter.map(|filter| Box::new(filter) as Box<dyn Filter>)
    }
    let request_id = config.request_id.unwrap_or(true).then_some(RequestId);
    [
        step(request_id),
        step(config.headers.response.responses(segment)),
        step(config.error_pages.filter()),
        step(config.access.filter()),
        step(config.rewrite.filter()),
        step(config.headers.request.requests(segment)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_wins_key_by_key() {
        let read = |text: &str| toml::from_str::<Config>(text).unwrap();
        let policy =
            |configs: &[&Config]| Policy::new(Config::merged(configs.iter().copied()), &|_| None);
        let first = read(
            "logging.sample = \"1%\"\nmax_body = \"1MiB\"\ntimeouts.total = \"5s\"\ntimeouts.idle = \"1s\"",
        );
        let second = read(
            "upgrade = []\ntimeouts.total = \"0s\"\nrequest_id = false\nlogging.slow = \"2s\"",
        );
        let merged = policy(&[&first, &second]);
        assert_eq!(merged.max_body, 1 << 20);
        assert_eq!(merged.upgrade, []);
        assert_eq!(merged.timeouts.total, Duration::MAX);
        assert_eq!(merged.timeouts.idle, Duration::from_secs(1));
        assert_eq!(merged.timeouts.response, Timeouts::default().response);
        assert_eq!(merged.logging.sample, "1%".parse().ok());
        assert_eq!(merged.logging.slow, Some(Duration::from_secs(2)));
        assert_eq!(merged.steps.len(), 0);
        assert_eq!(policy(&[]).steps.len(), 1, "requests have an id by default");
        assert_eq!(policy(&[&read("max_body = \"0\"")]).max_body, u64::MAX);
    }
}
