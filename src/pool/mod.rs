//! `[pools.NAME]`: the endpoints of one service, and connections to them.
//!
//! A pool answers one question on the request path, who takes this request (`pick`), and carries the
//! exchange there (`connections`, `http1`). Health marks its endpoints and asks it to `refresh`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::balance::{self, Balancer, Candidate};
use crate::diagnostic::Fault;
use crate::endpoint::state::{FULL, State, Told};
use crate::endpoint::{Endpoint, Lease, Outcome};
use crate::health;
use crate::kind::{self, Choice};
use crate::net::clock::Clock;
use crate::telemetry::http::PoolMetrics;
use crate::telemetry::metrics::{
    ENDPOINT_IN_FLIGHT, ENDPOINT_REASON, ENDPOINT_STATE, ENDPOINT_UP, ENDPOINT_WEIGHT, POOL_PANIC,
};
use crate::telemetry::scrape::{Labels, Scrape};
use crate::tls::client::{self, Client};
use crate::unit::{self, Name};

pub mod broken;
pub mod connections;
mod dial;
pub mod downstream;
mod feed;
pub mod http1;
pub mod http2;
pub mod limits;
mod member;
mod offer;
mod ready;
mod sending;
mod shared;
mod stack;
pub mod stream;
pub mod wire;

use limits::Limits;
pub use member::Member;
use offer::{Panic, Rules};
use ready::{Looked, Ready, tiers};

/// `[pools.NAME]`: the endpoints of one service, and how load is spread over them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The endpoints: "host:port", or { address = "host:port", weight = 2 }.
    pub endpoints: Vec<Member>,
    /// What is spoken to the endpoints: "http" (1.1), "https" (HTTP/2 where an endpoint offers it), "h2c" (HTTP/2 without
    /// TLS, as for gRPC), or nothing that weir knows, over TLS: "tls", for connections that are carried as they are.
    #[serde(default)]
    pub scheme: Scheme,
    /// TLS, for "https".
    #[serde(default)]
    pub tls: client::Config,
    /// Balancing algorithm: a word, or a table of one key with its options.
    #[serde(default)]
    pub balance: Choice,
    /// Active checks; the section switches them on. An empty one connects by TCP.
    #[serde(default)]
    pub health: Option<health::Config>,
    /// Connections to the endpoints.
    #[serde(default)]
    pub connections: connections::Config,
    /// When health is ignored; how large answers' heads may be.
    #[serde(default)]
    pub limits: Limits,
    /// An endpoint that joins or becomes healthy again gets its full share after this time; "0s" = at once.
    #[serde(default = "slow_start")]
    pub slow_start: unit::Duration,
    /// The pool that is used when this one has no endpoint to offer. Default: none, the answer is 503.
    #[serde(default)]
    pub fallback: Option<Name>,
    /// An endpoint that leaves the list, or whose pool does, may finish its requests within this time.
    #[serde(default = "drain")]
    pub drain: unit::Duration,
}

/// What is spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    #[default]
    Http,
    Https,
    H2c,
    Tls,
}

impl Scheme {
    /// Whether it goes over TLS.
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Whether HTTP/2 is spoken, or may be.
    pub const fn may_be_http2(self) -> bool {
        matches!(self, Self::Https | Self::H2c)
    }
}

const fn drain() -> unit::Duration {
    unit::Duration::from_secs(30)
}

const fn slow_start() -> unit::Duration {
    unit::Duration::from_secs(10)
}

/// The endpoints of one service, and who of them takes the next request.
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// What it was made from: an unchanged pool outlives a reload.
    pub config: Config,
    /// What its attempts are counted in.
    pub metrics: Arc<PoolMetrics>,
    /// Who takes requests when this pool has nobody to offer.
    pub fallback: Option<Arc<Self>>,
    /// What is spoken below HTTP.
    pub tls: Option<Arc<Client>>,
    members: Vec<Candidate>,
    balancer: Box<dyn Balancer>,
    ready: ArcSwap<Ready>,
    /// Locked by the control side only.
    turning: Mutex<Turning>,
    stirred: Notify,
}

/// How a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    /// Its healthy endpoints take its requests.
    #[default]
    Calm,
    /// Health is ignored.
    Panic,
    /// It has no endpoint to offer.
    Empty,
}

/// What is remembered from one picker to the next.
#[derive(Default)]
struct Turning {
    panic: Panic,
    /// What the log was told last.
    told: Mood,
    /// When the next picker is due, if nothing changes before.
    due: Option<Duration>,
}

/// No endpoint of the pool is offered, or all that are were tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal;

impl Pool {
    /// A pool over these endpoints. `seed`: a random number.
    ///
    /// # Errors
    /// The balancing algorithm cannot be made from its options.
    pub fn new(
        name: Name,
        config: Config,
        members: Vec<Candidate>,
        metrics: Arc<PoolMetrics>,
        fallback: Option<Arc<Self>>,
        tls: Option<Arc<Client>>,
        seed: u64,
    ) -> Result<Self, Fault> {
        let balancer = kind::build(balance::KINDS, &config.balance)?;
        let (ready, turning, stirred) = (ArcSwap::default(), Mutex::default(), Notify::new());
        let pool = Self {
            name,
            config,
            metrics,
            fallback,
            tls,
            members,
            balancer,
            ready,
            turning,
            stirred,
        };
        // By what is known; the first refresh looks at the clock.
        let all = pool.look(|told, _| told.share());
        let offer = Panic::default().offer(tiers(&all), pool.rules(), Duration::ZERO);
        if let Some(ready) = Ready::default().next(&*pool.balancer, &all, offer, seed) {
            pool.ready.store(Arc::new(ready));
        }
        Ok(pool)
    }

    /// Whether its endpoints are checked.
    pub fn is_checked(&self) -> bool {
        self.config.health.as_ref().is_some_and(health::Config::is_on)
    }

    /// Its endpoints and their weights.
    pub fn members(&self) -> &[Candidate] {
        &self.members
    }

    /// Picks an endpoint, not one of `tried` (ids). Takes no lock and allocates nothing, unless some were
    /// tried already.
    ///
    /// # Errors
    /// There is nobody to pick.
    pub fn pick(&self, random: u64, now: Duration, tried: &[u64]) -> Result<Lease, Refusal> {
        self.ready.load().pick(random, now, tried)
    }

    /// Picks a backup for a request that all others were asked for in vain.
    ///
    /// # Errors
    /// There is none, or backups are who `pick` picks from.
    pub fn pick_backup(&self, random: u64, now: Duration, tried: &[u64]) -> Result<Lease, Refusal> {
        self.ready.load().pick_backup(random, now, tried)
    }

    /// An endpoint's standing may have changed: a new picker, if so. Control side only.
    pub fn refresh(&self, now: Duration, seed: u64) {
        let mut turning = self.turning.lock();
        let slow_start = self.config.slow_start.get();
        let all = self.look(|_, state| state.share(now, slow_start));
        let tiers = tiers(&all);
        let offer = turning.panic.offer(tiers, self.rules(), now);
        if let Some(ready) = self.ready.load().next(&*self.balancer, &all, offer, seed) {
            self.ready.store(Arc::new(ready));
        }
        let warming = all.iter().any(|one| one.share < FULL);
        let step = (slow_start / u32::from(FULL)).max(STEP);
        let due = [turning.panic.ends(), warming.then(|| now + step)];
        turning.due = due.into_iter().flatten().min();
        let mood = match offer {
            None => Mood::Empty,
            Some(offer) if offer.panic => Mood::Panic,
            Some(_) => Mood::Calm,
        };
        let was = std::mem::replace(&mut turning.told, mood);
        if was != mood {
            let tier = usize::from(offer.is_some_and(|offer| offer.backup));
            self.tell(was, mood, tiers[tier].ratio());
        }
        drop(turning);
        self.stirred.notify_one();
    }

    /// Tells the log how it is now; `ready` of so many endpoints.
    fn tell(&self, was: Mood, mood: Mood, (ready, of): (usize, usize)) {
        let (pool, below) = (&*self.name, self.config.limits.panic_below);
        let fallback = self.fallback.as_ref().map(|fallback| &*fallback.name);
        match (mood, fallback, was) {
            (Mood::Panic, ..) => {
                let what = format!("fewer than {below} of the endpoints are well");
                tracing::warn!(pool, ready, of, "panic: {what}, so health is ignored");
            }
            (Mood::Empty, Some(fallback), _) => {
                tracing::warn!(pool, fallback, "no endpoint to offer: `{fallback}` stands in");
            }
            (Mood::Empty, None, _) => {
                tracing::warn!(pool, "no endpoint to offer: requests are answered with 503");
            }
            (Mood::Calm, _, Mood::Panic) => {
                tracing::warn!(pool, ready, of, "panic is over: health counts again");
            }
            (Mood::Calm, ..) => tracing::warn!(pool, ready, of, "there are endpoints again"),
        }
    }

    /// Goes on where the pool was of which it is made anew.
    pub fn take_over(&self, old: &Self) {
        let (panic, told) = {
            let old = old.turning.lock();
            (old.panic, old.told)
        };
        let mut turning = self.turning.lock();
        (turning.panic, turning.told) = (panic, told);
    }

    /// Makes pickers when time asks for them: while endpoints warm up, and at the end of a panic.
    pub async fn keep(&self, clock: &Clock) {
        self.refresh(clock.now(), fastrand::u64(..));
        loop {
            let due = self.turning.lock().due;
            let Some(at) = due else {
                self.stirred.notified().await;
                continue;
            };
            tokio::select! {
                () = clock.sleep_until(at) => self.refresh(clock.now(), fastrand::u64(..)),
                () = self.stirred.notified() => {}
            }
        }
    }

    /// All its endpoints as they stand.
    fn look(&self, share: impl Fn(Told, &State) -> u8) -> Vec<Looked<'_>> {
        // Members are made of the list in the file, in its order.
        let backup = |at: usize| self.config.endpoints.get(at).is_some_and(|member| member.backup);
        let looked = self.members.iter().enumerate().map(|(at, member)| {
            let state = &member.endpoint.state;
            let told = state.told();
            let share = share(told, state);
            Looked { member, backup: backup(at), standing: told.standing(), share }
        });
        looked.collect()
    }

    fn rules(&self) -> Rules {
        let panic_below = self.config.limits.panic_below;
        Rules { panic_below, fallback: self.fallback.is_some() }
    }

    /// Adds all samples to a scrape; `times`: also how long the answers of each endpoint took.
    pub fn observe(&self, times: bool, scrape: &mut Scrape) {
        let outcomes = Outcome::ALL.map(Outcome::as_str);
        self.metrics.observe(&self.name, &outcomes, scrape);
        let panic = self.ready.load().panic;
        scrape.add(POOL_PANIC, &[("pool", &self.name)], f64::from(u8::from(panic)));
        for Candidate { endpoint, weight } in &self.members {
            let labels: Labels<'_> = &[("pool", &self.name), ("endpoint", &endpoint.name)];
            let told = endpoint.state.told();
            scrape.add(ENDPOINT_UP, labels, f64::from(u8::from(endpoint.state.is_ready())));
            scrape.add(ENDPOINT_IN_FLIGHT, labels, f64::from(endpoint.in_flight()));
            scrape.add(ENDPOINT_WEIGHT, labels, f64::from(*weight) * told.part());
            for state in Told::WORDS {
                let labels = [labels[0], labels[1], ("state", state)];
                scrape.add(ENDPOINT_STATE, &labels, f64::from(u8::from(state == told.word())));
            }
            let labels = [labels[0], labels[1], ("reason", told.why.as_str())];
            scrape.add(ENDPOINT_REASON, &labels, 1.0);
            endpoint.metrics.observe(&self.name, &endpoint.name, times, scrape);
        }
    }
}

/// How often weights are looked at while endpoints warm up, at most.
const STEP: Duration = Duration::from_millis(100);

/// Counts an attempt of a worker at an endpoint.
pub fn count(outcome: Outcome, worker: usize, metrics: &PoolMetrics, endpoint: &Endpoint) {
    metrics.of(worker).attempts[outcome as usize].add(1);
    match outcome {
        Outcome::Ok => endpoint.metrics.of(worker).ok.add(1),
        Outcome::ClientGone => {}
        _ => endpoint.metrics.of(worker).error.add(1),
    }
}

#[cfg(test)]
mod tests;
