//! `[pools.NAME.health]`: whether endpoints are well, by asking them.
//!
//! One task per endpoint on the control runtime asks, feeds the endpoint's state machine, and has the pool
//! make a new picker when the answer changes who may be picked. Never on the request path.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::endpoint::Endpoint;
use crate::endpoint::condition::{Condition, Thresholds, Verdict};
use crate::endpoint::state::Why;
use crate::message::head::Head;
use crate::message::header_name::HeaderName;
use crate::net::clock::Clock;
use crate::net::descriptors::{Descriptors, is_shortage};
use crate::net::socket;
use crate::net::stream::Stream;
use crate::telemetry::counter::Buckets;
use crate::telemetry::http::{Checked, PoolMetrics};
use crate::tls::client::{Client, Inside};
use crate::unit::{Duration, Matcher, Statuses};

mod grpc;
mod http;
mod pace;
mod said;
mod tcp;

pub use http::LOOKED_AT;
use pace::{Pace, Seen};

/// `[pools.NAME.health]`: active checks of every endpoint of the pool.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How to ask: "http", "tcp", "grpc" or "off". Default: "http" if `path` is set, else "tcp".
    pub r#type: Option<Type>,
    /// What an http check asks for.
    pub path: Option<String>,
    /// The Host an http or grpc check names. Default: the endpoint.
    pub host: Option<String>,
    /// The service a grpc check asks about. Default: "", the server as a whole.
    pub service: String,
    /// The port that is asked. Default: the endpoint's.
    pub port: Option<u16>,
    /// The statuses that are good answers: codes and ranges.
    pub status: Vec<Statuses>,
    /// A text that an answer must contain in its first 4 KiB.
    pub body: Option<String>,
    /// What headers of an answer must be: "text", { regex = "…" }, { present = true } or { absent = true }.
    pub header: BTreeMap<HeaderName, Matcher>,
    /// Time between two checks of one endpoint, spread by 20 %. Slower, up to 10 s, for what is long down or
    /// without traffic.
    pub interval: Duration,
    /// The same after a first failure, and after a first success of an unhealthy endpoint.
    pub fast_interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Successes in a row that make an unhealthy endpoint healthy.
    pub healthy_threshold: u16,
    /// Failures in a row that make a healthy endpoint unhealthy.
    pub unhealthy_threshold: u16,
    /// What an endpoint is that is added while weir runs, before its first check: "unhealthy" or "healthy".
    /// While a pool has nothing else, unchecked endpoints serve.
    pub initial: Initial,
    /// Whether an http check may use the connection of the one before it.
    pub reuse: bool,
    /// Whether an answer of 404 drains the endpoint; 503 with `x-weir-drain: 1` always does.
    pub drain_on_404: bool,
    /// Whether `x-weir-health: fail` on any answer, of a check or of a request, makes the endpoint unhealthy at once.
    pub trust_health_header: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            r#type: None,
            path: None,
            host: None,
            service: String::new(),
            port: None,
            status: vec![Statuses::new(200, 399)],
            body: None,
            header: BTreeMap::new(),
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
            initial: Initial::Unhealthy,
            reuse: false,
            drain_on_404: false,
            trust_health_header: false,
        }
    }
}

/// How a check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    Http,
    Tcp,
    Grpc,
    Off,
}

/// What an endpoint is before its first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Initial {
    Unhealthy,
    Healthy,
}

impl Config {
    /// Whether endpoints are checked at all.
    pub fn is_on(&self) -> bool {
        self.kind() != Type::Off
    }

    /// How they are checked.
    pub fn kind(&self) -> Type {
        let by_default = if self.path.is_some() { Type::Http } else { Type::Tcp };
        self.r#type.unwrap_or(by_default)
    }

    /// Whether this answer to a request says that its endpoint is not well, and is believed.
    pub fn hears_fail(&self, head: &Head) -> bool {
        self.trust_health_header && said::fails(head)
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds { healthy: self.healthy_threshold, unhealthy: self.unhealthy_threshold }
    }
}

/// What all checks of the process share.
pub struct Checks {
    /// So many run at once; the others wait for their turn, which does not count against the endpoint.
    places: Semaphore,
    /// Where connections are counted that are kept from one check to the next.
    descriptors: Arc<Descriptors>,
}

impl Checks {
    /// At most so many at once.
    pub fn new(at_once: usize, descriptors: &Arc<Descriptors>) -> Self {
        Self { places: Semaphore::new(at_once), descriptors: Arc::clone(descriptors) }
    }
}

/// One way of asking an endpoint whether it is well.
trait Probe: Send {
    /// Asks; an error says in words what was wrong.
    fn ask(&mut self) -> Answer<'_>;
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 'a>>;

/// Where a check comes in.
struct Door {
    address: SocketAddr,
    tls: Option<Arc<Client>>,
}

impl Door {
    /// A connection, with this inside TLS if there is any.
    async fn open(&self, inside: Inside) -> Result<Stream, Problem> {
        let socket = socket::dial(self.address).await.map_err(|error| Problem::connect(&error))?;
        match &self.tls {
            None => Ok(Stream::Plain(socket.into())),
            Some(tls) => tls
                .secure(socket, self.address.ip(), inside)
                .await
                .map_err(|error| Problem::new(Why::Tls, format!("no TLS: {}", words(&error)))),
        }
    }
}

/// What a check did not like.
#[derive(Debug)]
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

/// An endpoint to be checked.
pub struct Watch<'a> {
    /// The name of its pool.
    pub pool: &'a str,
    /// How it is checked.
    pub config: &'a Config,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// It speaks HTTP/2, and nothing else.
    pub http2: bool,
    /// What is spoken with it below HTTP.
    pub tls: Option<&'a Arc<Client>>,
    /// How many endpoints its pool has.
    pub among: usize,
    /// What its pool counts.
    pub metrics: &'a PoolMetrics,
    /// Bounds of the times that are counted.
    pub buckets: &'a Buckets,
    /// The time.
    pub clock: &'a Clock,
    /// When its checks were ordered.
    pub since: std::time::Duration,
    /// What all checks share.
    pub checks: &'a Checks,
    /// The place of its pool, when those of all are taken.
    pub own: &'a Semaphore,
}

impl Watch<'_> {
    /// Checks for as long as the task lives; `changed` is called when the endpoint's standing has changed.
    pub async fn run(self, changed: impl Fn()) {
        let Self { config, endpoint, clock, .. } = self;
        let Some(mut probe) = self.probe() else { return };
        let mut pace = Pace::default();
        let mut traffic = (self.metrics.attempts(), clock.now());
        let first = pace::first(config, endpoint.state.told(), self.among, fastrand::f64());
        self.listen(self.since + first, &changed).await;
        loop {
            // Closed by nobody, so there is a place sooner or later; one belongs to the pool, so that others that
            // hang cannot keep it from being checked.
            let place = tokio::select! {
                biased;
                place = self.checks.places.acquire() => place,
                place = self.own.acquire() => place,
            };
            let began = clock.now();
            let answer = clock.within(config.timeout.get(), probe.ask()).await;
            drop(place);
            let now = clock.now();
            let problem = answer.unwrap_or_else(|| Err(self.late())).err();
            self.metrics.checks.record(self.buckets, now - began);
            self.count(problem.as_ref());
            self.take(problem, now, &changed);
            let attempts = self.metrics.attempts();
            if attempts != traffic.0 {
                traffic = (attempts, now);
            }
            let told = endpoint.state.told();
            let lasting = now.saturating_sub(told.since);
            let seen = Seen { condition: told.condition, lasting, quiet: now - traffic.1 };
            self.listen(began + pace.next(config, seen, fastrand::f64()), &changed).await;
        }
    }

    /// Until the next check is due, believes what answers to requests say.
    async fn listen(&self, until: std::time::Duration, changed: impl Fn()) {
        loop {
            tokio::select! {
                () = self.clock.sleep_until(until) => return,
                () = self.endpoint.fails.notified() => {
                    let words = String::from("an answer said x-weir-health: fail");
                    let problem = Problem::new(Why::SaysFail, words);
                    self.take(Some(problem), self.clock.now(), &changed);
                }
            }
        }
    }

    /// Counts a check.
    fn count(&self, problem: Option<&Problem>) {
        self.endpoint.metrics.checked(match problem.map(|problem| problem.why) {
            None => Checked::Ok,
            Some(Why::NotChecked) => return,
            Some(Why::Timeout) => Checked::Timeout,
            Some(_) => Checked::Failed,
        });
    }

    fn probe(&self) -> Option<Box<dyn Probe>> {
        let Self { config, endpoint, checks, .. } = *self;
        let port = config.port.unwrap_or_else(|| endpoint.address.port());
        let address = SocketAddr::new(endpoint.address.ip(), port);
        let door = Door { address, tls: self.tls.cloned() };
        Some(match config.kind() {
            Type::Http => {
                let (name, descriptors) = (&endpoint.name, &checks.descriptors);
                Box::new(http::Http::new(config, door, name, self.http2, descriptors))
            }
            Type::Grpc => Box::new(grpc::Grpc::new(config, door, &endpoint.name)),
            Type::Tcp => Box::new(tcp::Tcp::new(door)),
            Type::Off => return None,
        })
    }

    fn late(&self) -> Problem {
        Problem::new(Why::Timeout, format!("no answer within {}", self.config.timeout))
    }

    /// What a check or an answer came to becomes the endpoint's state.
    fn take(&self, problem: Option<Problem>, now: std::time::Duration, changed: impl Fn()) {
        let (pool, name) = (self.pool, &self.endpoint.name);
        let why = problem.as_ref().map_or(Why::Passed, |problem| problem.why);
        let verdict = match why {
            Why::NotChecked => {
                // That says nothing of the endpoint.
                let words = problem.map(|problem| problem.words).unwrap_or_default();
                tracing::debug!(pool, endpoint = %name, "not checked: {words}");
                return;
            }
            Why::Passed => Verdict::Passed,
            Why::Drain => Verdict::Drain,
            Why::SaysFail => Verdict::SaysFail,
            _ => Verdict::Failed,
        };
        let state = &self.endpoint.state;
        let before = state.condition();
        let after = before.after(verdict, self.config.thresholds());
        let was = state.told().word();
        let turned = state.set(after, why, now);
        if turned {
            changed();
        }
        let word = state.told().word();
        let reason = self.reason(after, problem);
        if turned && was != word {
            tracing::warn!(pool, endpoint = %name, state = word, was, reason, "endpoint is {word}");
        } else if before == Condition::Unchecked {
            tracing::info!(pool, endpoint = %name, state = word, reason, "endpoint is {word}");
        } else if before != after {
            tracing::debug!(pool, endpoint = %name, state = word, reason, "endpoint may turn");
        }
    }

    /// Why it stands there, in the words of a person.
    fn reason(&self, condition: Condition, problem: Option<Problem>) -> String {
        let thresholds = self.config.thresholds();
        let problem = problem.map(|problem| problem.words);
        match (condition, problem) {
            (Condition::Suspect { failed }, Some(problem)) => {
                format!("{failed} of {} checks failed: {problem}", thresholds.unhealthy)
            }
            (Condition::Unhealthy { passed } | Condition::Draining { passed }, None) => {
                format!("{passed} of {} checks passed", thresholds.healthy)
            }
            (_, Some(problem)) => problem,
            (_, None) => String::from("check passed"),
        }
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
