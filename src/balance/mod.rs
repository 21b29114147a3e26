//! Which endpoint: the algorithms, and the laws all of them obey.
//!
//! A `Balancer` builds a `Picker` whenever the usable endpoints change, off the request path. A pick takes
//! no lock, never waits, allocates nothing, and draws no random number itself.

use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::kind::Kind;

mod least_requests;
mod random;
mod round_robin;

/// Every algorithm there is; the word in `balance` names one.
pub const KINDS: &[Kind<dyn Balancer>] = &[round_robin::KIND, random::KIND, least_requests::KIND];

/// The words of `KINDS`, the default first.
pub const WORDS: [&str; KINDS.len()] = {
    let mut words = [""; KINDS.len()];
    let mut at = 0;
    while at < KINDS.len() {
        words[at] = KINDS[at].name;
        at += 1;
    }
    words
};

/// An endpoint that may be picked, and its share of the load against the others.
#[derive(Clone)]
pub struct Candidate {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Its weight, at least 1.
    pub weight: u32,
}

/// The slow side: called whenever the usable endpoints change.
pub trait Balancer: Send + Sync {
    /// A picker over these, at least one. `seed` is a random number, for kinds that need a start.
    fn picker(&self, candidates: &[Candidate], seed: u64) -> Box<dyn Picker>;
}

/// The fast side: called for each attempt, by all workers at once.
pub trait Picker: Send + Sync {
    /// An index into the candidates it was built from; `None` only if all were tried.
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize>;
}

/// What a pick may look at.
#[derive(Clone, Copy)]
pub struct PickInfo<'a> {
    /// The candidates the picker was built from.
    pub candidates: &'a [Candidate],
    /// A random number, drawn by the caller.
    pub random: u64,
    /// Time since the start of the process.
    pub now: Duration,
    /// Those this request has tried already.
    pub tried: &'a [usize],
}

impl PickInfo<'_> {
    /// The indices of those not tried yet.
    pub fn untried(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.candidates.len()).filter(|at| !self.tried.contains(at))
    }
}

/// The next number of a random walk from `state` (SplitMix64): for kinds that need more than one.
const fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
