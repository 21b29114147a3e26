//! Those of a pool who may be picked now, and the picker over them: replaced as a whole when that changes.

use std::time::Duration;

use super::Refusal;
use super::offer::{Offer, Tier};
use crate::balance::{Balancer, Candidate, PickInfo, Picker};
use crate::endpoint::Lease;
use crate::endpoint::state::{FULL, Standing};

/// Those who are offered.
#[derive(Default)]
pub struct Ready {
    /// Who is asked first.
    first: Option<Set>,
    /// The backups, for a request that none of the first could take.
    second: Option<Set>,
    /// Health is ignored.
    pub panic: bool,
}

/// An endpoint, as it is looked at to find who may be picked.
pub struct Looked<'a> {
    /// The endpoint and its whole weight.
    pub member: &'a Candidate,
    /// It is a backup.
    pub backup: bool,
    /// Where it stands.
    pub standing: Standing,
    /// Its part of its weight, of a hundred.
    pub share: u8,
}

struct Set {
    candidates: Vec<Candidate>,
    picker: Box<dyn Picker>,
    /// Who has come to stand worse since is passed over.
    worst: Standing,
}

impl Ready {
    /// Those of all that the offer is about; `None`: the same as now, whose picker goes on where it is. `seed`: a
    /// random number.
    pub fn next(
        &self,
        balancer: &dyn Balancer,
        all: &[Looked<'_>],
        offer: Option<Offer>,
        seed: u64,
    ) -> Option<Self> {
        let panic = offer.is_some_and(|offer| offer.panic);
        let [first, second] = match offer {
            Some(Offer { backup: false, worst, .. }) => [
                Some((candidates(all, false, worst), worst)),
                Some((candidates(all, true, Standing::Ready), Standing::Ready)),
            ],
            Some(Offer { backup: true, worst, .. }) => {
                [Some((candidates(all, true, worst), worst)), None]
            }
            None => [None, None],
        };
        let some = |set: Option<(Vec<Candidate>, Standing)>| set.filter(|(all, _)| !all.is_empty());
        let (first, second) = (some(first), some(second));
        if Set::is(self.first.as_ref(), first.as_ref())
            && Set::is(self.second.as_ref(), second.as_ref())
            && self.panic == panic
        {
            return None;
        }
        let set = |(candidates, worst): (Vec<Candidate>, Standing)| {
            let picker = balancer.picker(&candidates, seed);
            Set { candidates, picker, worst }
        };
        Some(Self { first: first.map(set), second: second.map(set), panic })
    }

    /// Picks one of the first.
    pub fn pick(&self, random: u64, now: Duration, tried: &[u64]) -> Result<Lease, Refusal> {
        let mut lease = self.first.as_ref().ok_or(Refusal)?.pick(random, now, tried)?;
        lease.panic = self.panic;
        Ok(lease)
    }

    /// Picks a backup, where backups are not the first.
    pub fn pick_backup(&self, random: u64, now: Duration, tried: &[u64]) -> Result<Lease, Refusal> {
        self.second.as_ref().ok_or(Refusal)?.pick(random, now, tried)
    }
}

/// Endpoints or backups that stand like this or better, at their weights of now.
fn candidates(all: &[Looked<'_>], backup: bool, worst: Standing) -> Vec<Candidate> {
    let within = |one: &&Looked<'_>| one.backup == backup && one.standing <= worst;
    let warming = all.iter().filter(within).any(|one| one.share < FULL);
    let weighted = all.iter().filter(within).map(|one| {
        let Candidate { endpoint, weight } = one.member.clone();
        // In hundredths while somebody warms up: weights are whole numbers.
        let part = if warming { u32::from(one.share) } else { 1 };
        Candidate { endpoint, weight: weight * part }
    });
    weighted.collect()
}

impl Set {
    /// Whether it is of these candidates already.
    fn is(set: Option<&Self>, now: Option<&(Vec<Candidate>, Standing)>) -> bool {
        let key = |one: &Candidate| (one.endpoint.id, one.weight);
        match (set, now) {
            (Some(set), Some((candidates, worst))) => {
                set.worst == *worst && set.candidates.iter().map(key).eq(candidates.iter().map(key))
            }
            (None, None) => true,
            _ => false,
        }
    }

    /// Picks an endpoint, not one of `tried` (ids). Takes no lock and allocates nothing, unless some were
    /// tried already.
    fn pick(&self, random: u64, now: Duration, tried: &[u64]) -> Result<Lease, Refusal> {
        let candidates = &self.candidates;
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
            let at = self.picker.pick(&info).ok_or(Refusal)?;
            let endpoint = &candidates[at].endpoint;
            // It may have gone down since the picker was built.
            if endpoint.state.is_within(self.worst) {
                return Ok(endpoint.lease());
            }
            excluded.push(at);
        }
    }
}

/// How many stand where, of the endpoints and of the backups.
pub fn tiers(all: &[Looked<'_>]) -> [Tier; 2] {
    let mut tiers = [Tier::default(); 2];
    for one in all {
        tiers[usize::from(one.backup)].count(one.standing);
    }
    tiers
}
