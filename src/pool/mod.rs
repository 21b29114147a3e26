//! `[pools.NAME]`: the endpoints of one service, and connections to them.
//!
//! A pool answers one question on the request path, who takes this request (`pick`), and carries the
//! exchange there (`connections`, `http1`). Health marks its endpoints and asks it to `refresh`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::balance::{self, Balancer, Candidate, PickInfo, Picker};
use crate::diagnostic::Fault;
use crate::endpoint::state::Condition;
use crate::endpoint::{Endpoint, Lease, Outcome};
use crate::health;
use crate::kind::{self, Choice};
use crate::telemetry::http::PoolMetrics;
use crate::telemetry::metrics::{
    ENDPOINT_IN_FLIGHT, ENDPOINT_REASON, ENDPOINT_STATE, ENDPOINT_UP, ENDPOINT_WEIGHT,
};
use crate::telemetry::scrape::{Labels, Scrape};
use crate::unit::{self, Name};

pub mod connections;
pub mod downstream;
pub mod http1;
pub mod limits;
mod member;
mod sending;
pub mod stream;

use limits::Limits;
pub use member::Member;

/// `[pools.NAME]`: the endpoints of one service, and how load is spread over them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The endpoints: "host:port", or { address = "host:port", weight = 2 }.
    pub endpoints: Vec<Member>,
    /// Balancing algorithm: a word, or a table of one key with its options.
    #[serde(default)]
    pub balance: Choice,
    /// Active checks; the section switches them on. An empty one connects by TCP.
    #[serde(default)]
    pub health: Option<health::Config>,
    /// Connections to the endpoints.
    #[serde(default)]
    pub connections: connections::Config,
    /// How large answers' heads may be.
    #[serde(default)]
    pub limits: Limits,
    /// An endpoint that leaves the list, or whose pool does, may finish its requests within this time.
    #[serde(default = "drain")]
    pub drain: unit::Duration,
}

const fn drain() -> unit::Duration {
    unit::Duration::from_secs(30)
}

/// The endpoints of one service, and who of them takes the next request.
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// What it was made from: an unchanged pool outlives a reload.
    pub config: Config,
    /// What its attempts are counted in.
    pub metrics: Arc<PoolMetrics>,
    members: Vec<Candidate>,
    balancer: Box<dyn Balancer>,
    ready: ArcSwap<Ready>,
}

/// Those that are usable, and the picker over them. Replaced as a whole.
struct Ready {
    candidates: Vec<Candidate>,
    picker: Option<Box<dyn Picker>>,
}

/// No endpoint of the pool is usable, or all that are were tried.
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
        seed: u64,
    ) -> Result<Self, Fault> {
        let balancer = kind::build(balance::KINDS, &config.balance)?;
        let ready = ArcSwap::from_pointee(Ready::new(&*balancer, &members, seed));
        Ok(Self { name, config, metrics, members, balancer, ready })
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
        let ready = self.ready.load();
        let picker = ready.picker.as_ref().ok_or(Refusal)?;
        let candidates = &ready.candidates;
        let mut excluded: Vec<usize> = if tried.is_empty() {
            Vec::new()
        } else {
            (0..candidates.len())
                .filter(|at| {
                    let endpoint = &candidates[*at].endpoint;
                    tried.contains(&endpoint.id) || endpoint.leaving.is_over(now)
                })
                .collect()
        };
        loop {
            let info = PickInfo { candidates, random, now, tried: &excluded };
            let at = picker.pick(&info).ok_or(Refusal)?;
            let endpoint = &candidates[at].endpoint;
            // It may have gone down since the picker was built.
            if endpoint.state.is_usable() {
                return Ok(endpoint.lease());
            }
            excluded.push(at);
        }
    }

    /// The usable endpoints have changed: a new picker. Control runtime only.
    pub fn refresh(&self, seed: u64) {
        self.ready.store(Arc::new(Ready::new(&*self.balancer, &self.members, seed)));
    }

    /// Adds all samples to a scrape.
    pub fn observe(&self, scrape: &mut Scrape) {
        let outcomes = Outcome::ALL.map(Outcome::as_str);
        self.metrics.observe(&self.name, &outcomes, scrape);
        for Candidate { endpoint, weight } in &self.members {
            let labels: Labels<'_> = &[("pool", &self.name), ("endpoint", &endpoint.name)];
            let usable = endpoint.state.is_usable();
            scrape.add(ENDPOINT_UP, labels, f64::from(u8::from(usable)));
            scrape.add(ENDPOINT_IN_FLIGHT, labels, f64::from(endpoint.in_flight()));
            scrape.add(ENDPOINT_WEIGHT, labels, f64::from(*weight));
            let now = endpoint.state.condition().as_str();
            for state in Condition::WORDS {
                let labels = [labels[0], labels[1], ("state", state)];
                scrape.add(ENDPOINT_STATE, &labels, f64::from(u8::from(state == now)));
            }
            let labels = [labels[0], labels[1], ("reason", endpoint.state.why().as_str())];
            scrape.add(ENDPOINT_REASON, &labels, 1.0);
            endpoint.metrics.observe(&self.name, &endpoint.name, scrape);
        }
    }
}

impl Ready {
    fn new(balancer: &dyn Balancer, members: &[Candidate], seed: u64) -> Self {
        let candidates: Vec<Candidate> =
            members.iter().filter(|member| member.endpoint.state.is_usable()).cloned().collect();
        let picker = (!candidates.is_empty()).then(|| balancer.picker(&candidates, seed));
        Self { candidates, picker }
    }
}

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
