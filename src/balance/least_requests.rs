//! Least requests: the endpoint with the fewest requests in flight for its weight.
//!
//! Ties go to the one that waited longest; to take the first would send every quiet moment's request to
//! the same endpoint. Above 128 endpoints the best of 16 drawn ones, so that a pick stays cheap.

use super::{Balancer, Candidate, PickInfo, Picker, mix};
use crate::kind::Kind;

pub const KIND: Kind<dyn Balancer> = Kind {
    name: "least-requests",
    about: "the endpoint with the fewest requests in flight for its weight",
    example: "balance = \"least-requests\"",
    build: |options| {
        options.none()?;
        Ok(Box::new(LeastRequests))
    },
};

struct LeastRequests;

impl Balancer for LeastRequests {
    fn picker(&self, _candidates: &[Candidate], _seed: u64) -> Box<dyn Picker> {
        Box::new(Scan)
    }
}

struct Scan;

impl Picker for Scan {
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        let count = info.candidates.len();
        let best = if count <= SCANNED {
            info.least(info.untried())
        } else {
            let mut random = info.random;
            info.least((0..DRAWN).filter_map(|_| {
                random = mix(random);
                let at = ((u128::from(random) * count as u128) >> 64) as usize;
                (!info.tried.contains(&at)).then_some(at)
            }))
            .or_else(|| info.untried().next())
        };
        best.inspect(|at| info.candidates[*at].endpoint.mark_picked(info.now))
    }
}

impl PickInfo<'_> {
    /// The one of these with the least (in flight + 1) / weight. The + 1 lets weights count when idle.
    fn least(&self, indices: impl Iterator<Item = usize>) -> Option<usize> {
        let mut best: Option<(usize, u64, u64, u32)> = None;
        for at in indices {
            let candidate = &self.candidates[at];
            let load = u64::from(candidate.endpoint.in_flight()) + 1;
            let weight = u64::from(candidate.weight);
            // How long ago, not when: the stamp wraps around after an hour.
            let waited =
                (self.now.as_micros() as u32).wrapping_sub(candidate.endpoint.last_picked());
            let better = best.is_none_or(|(_, least, of, longest)| {
                // load / weight < least / of, without dividing
                let (mine, its) = (load * of, least * weight);
                mine < its || mine == its && waited > longest
            });
            if better {
                best = Some((at, load, weight, waited));
            }
        }
        best.map(|(at, ..)| at)
    }
}

/// Up to this many endpoints all are looked at …
const SCANNED: usize = 128;
/// … and above that so many, drawn at random.
const DRAWN: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::candidates;
    use super::*;

    #[test]
    fn takes_the_least_loaded_for_its_weight() {
        let all = candidates(&[1, 1, 3]);
        let mut leases: Vec<_> = (0..2).map(|_| all[2].endpoint.lease()).collect();
        let info =
            PickInfo { candidates: &all, random: 1, now: Duration::from_secs(5), tried: &[] };
        all[0].endpoint.mark_picked(Duration::from_secs(1));
        all[1].endpoint.mark_picked(Duration::from_secs(2));
        all[2].endpoint.mark_picked(Duration::from_secs(3));
        assert_eq!(Scan.pick(&info), Some(0), "all equal: the one that waited longest");
        assert_eq!(Scan.pick(&info), Some(1), "and then the next");
        leases.pop();
        assert_eq!(Scan.pick(&info), Some(2), "2 for a weight of 3 is the least");
    }
}
