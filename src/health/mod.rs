//! `[pools.NAME.health]`: whether endpoints are well, by asking them.
//!
//! One task per endpoint on the control runtime asks, feeds the endpoint's state machine, and has the pool
//! make a new picker when the answer changes who may be picked. Never on the request path.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::balance::Candidate;
use crate::endpoint::state::{Condition, Thresholds, Why};
use crate::net::clock::Clock;
use crate::net::descriptors::is_shortage;
use crate::telemetry::http::Checked;
use crate::unit::Duration;

mod http;
mod tcp;

/// `[pools.NAME.health]`: active checks of every endpoint of the pool.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How to ask: "http", "tcp" or "off". Default: "http" if `path` is set, else "tcp".
    pub r#type: Option<Type>,
    /// What an http check asks for.
    pub path: Option<String>,
    /// Time between two checks of one endpoint, spread by 20 %.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Successes in a row that make an unhealthy endpoint healthy.
    pub healthy_threshold: u16,
    /// Failures in a row that make a healthy endpoint unhealthy.
    pub unhealthy_threshold: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            r#type: None,
            path: None,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        }
    }
}

/// How a check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    Http,
    Tcp,
    Off,
}

impl Config {
    /// Whether endpoints are checked at all.
    pub fn is_on(&self) -> bool {
        self.r#type != Some(Type::Off)
    }
}

/// One way of asking an endpoint whether it is well.
trait Probe: Send + Sync {
    /// Asks; an error says in words what was wrong.
    fn ask<'a>(&'a self, endpoint: &'a Candidate) -> Answer<'a>;
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 'a>>;

/// What a check did not like.
struct Problem {
    why: Why,
    words: String,
}

impl Problem {
    fn new(why: Why, words: String) -> Self {
        Self { why, words }
    }

    /// It could not be connected to, or there was no descriptor left to try.
    fn connect(error: &io::Error) -> Self {
        let why = if is_shortage(error) { Why::NotChecked } else { Why::ConnectFailure };
        Self::new(why, words(error))
    }
}

/// Checks one endpoint for as long as the task lives; `changed` is called when it became usable or not.
pub async fn watch(
    pool: &str,
    config: Config,
    endpoint: Candidate,
    clock: &Clock,
    changed: impl Fn(),
) {
    let Some(probe) = probe(&config) else { return };
    let thresholds =
        Thresholds { healthy: config.healthy_threshold, unhealthy: config.unhealthy_threshold };
    let (state, metrics) = (&endpoint.endpoint.state, &endpoint.endpoint.metrics);
    let name = &endpoint.endpoint.name;
    let mut first = true;
    loop {
        let began = clock.now();
        let answer = clock.within(config.timeout.get(), probe.ask(&endpoint)).await;
        let late = || Problem::new(Why::Timeout, format!("no answer within {}", config.timeout));
        let problem = answer.unwrap_or_else(|| Err(late())).err();
        if let Some(Problem { why: Why::NotChecked, words }) = &problem {
            // That says nothing of the endpoint.
            tracing::debug!(pool, endpoint = %name, "not checked: {words}");
            clock.sleep_until(began + spread(&config)).await;
            continue;
        }
        let why = problem.as_ref().map_or(Why::Passed, |problem| problem.why);
        metrics.checked(match why {
            Why::Passed => Checked::Ok,
            Why::Timeout => Checked::Timeout,
            _ => Checked::Failed,
        });
        let before = state.condition();
        let after = before.after(problem.is_none(), thresholds);
        let (word, was) = (after.as_str(), before.as_str());
        let reason = reason(after, problem, thresholds);
        let turned = state.set(after, why);
        if turned {
            tracing::warn!(pool, endpoint = %name, state = word, was, reason, "endpoint is {word}");
        } else if before == Condition::Unchecked {
            tracing::info!(pool, endpoint = %name, state = word, reason, "endpoint is {word}");
        }
        // The first time in any case: the pool may have been made from what was known before.
        if turned || mem::take(&mut first) {
            changed();
        }
        clock.sleep_until(began + spread(&config)).await;
    }
}

/// The time between two checks: spread by 20 % either way, so that they do not march in step.
fn spread(config: &Config) -> std::time::Duration {
    config.interval.get().mul_f64(0.8 + 0.4 * fastrand::f64())
}

fn probe(config: &Config) -> Option<Box<dyn Probe>> {
    let by_default = if config.path.is_some() { Type::Http } else { Type::Tcp };
    match config.r#type.unwrap_or(by_default) {
        Type::Http => Some(Box::new(http::Http::new(config.path.as_deref().unwrap_or("/")))),
        Type::Tcp => Some(Box::new(tcp::Tcp)),
        Type::Off => None,
    }
}

/// The same for the log, in the words of a person.
fn reason(condition: Condition, problem: Option<Problem>, thresholds: Thresholds) -> String {
    let problem = problem.map(|problem| problem.words);
    match (condition, problem) {
        (Condition::Suspect { failed }, Some(problem)) => {
            format!("{failed} of {} checks failed: {problem}", thresholds.unhealthy)
        }
        (Condition::Unhealthy { passed }, None) => {
            format!("{passed} of {} checks passed", thresholds.healthy)
        }
        (_, Some(problem)) => problem,
        (_, None) => String::from("check passed"),
    }
}

/// What went wrong with a socket, in the words of a person.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => String::from("connection refused"),
        io::ErrorKind::ConnectionReset => String::from("connection reset"),
        _ => error.to_string(),
    }
}
