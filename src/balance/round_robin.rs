//! Round robin: in turn, each as often as its weight says, as evenly spread as can be.
//!
//! Unequal weights follow nginx's smooth sequence ({5,1,1}: a a b a c a a), computed once when the
//! endpoints change and walked by one shared cursor: exact and lock-free.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Balancer, Candidate, PickInfo, Picker};
use crate::kind::Kind;

pub const KIND: Kind<dyn Balancer> = Kind {
    name: "round-robin",
    about: "in turn, each endpoint as often as its weight says",
    example: "balance = \"round-robin\"",
    build: |options| {
        options.none()?;
        Ok(Box::new(RoundRobin))
    },
};

struct RoundRobin;

impl Balancer for RoundRobin {
    fn picker(&self, candidates: &[Candidate], seed: u64) -> Box<dyn Picker> {
        // A random start: else all proxies that reload together march in step.
        Box::new(Turns { order: Order::new(candidates), cursor: Cursor(AtomicU64::new(seed)) })
    }
}

struct Turns {
    order: Order,
    cursor: Cursor,
}

/// On a cache line of its own: every worker writes it.
#[repr(align(128))]
struct Cursor(AtomicU64);

enum Order {
    /// All weights are equal.
    Equal(u64),
    /// The smooth sequence, walked round and round.
    Sequence(Box<[u16]>),
    /// Weights too large for a sequence: their running sums, walked by the golden ratio, whose points
    /// spread evenly whatever the length of the walk.
    Walk(Box<[u64]>),
}

impl Picker for Turns {
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        if info.tried.is_empty() {
            return Some(self.order.at(self.cursor.0.fetch_add(1, Relaxed)));
        }
        // Another attempt takes nobody's turn: else, of two endpoints, the one that is down would always
        // be the first. As many steps as there are candidates, and if chance has it, whoever is left.
        (0..info.candidates.len() as u64)
            .map(|step| self.order.at(info.random.wrapping_add(step)))
            .find(|index| !info.tried.contains(index))
            .or_else(|| info.untried().next())
    }
}

impl Order {
    fn new(candidates: &[Candidate]) -> Self {
        let weights: Vec<u64> = candidates.iter().map(|c| u64::from(c.weight)).collect();
        if weights.windows(2).all(|pair| pair[0] == pair[1]) {
            return Self::Equal(weights.len() as u64);
        }
        let divisor = weights.iter().copied().fold(0, gcd);
        let sum = weights.iter().sum::<u64>() / divisor;
        if sum <= LONGEST {
            return Self::Sequence(smooth(&weights, divisor, sum));
        }
        let mut total = 0;
        Self::Walk(
            weights
                .iter()
                .map(|weight| {
                    total += weight;
                    total
                })
                .collect(),
        )
    }

    fn at(&self, turn: u64) -> usize {
        match self {
            Self::Equal(count) => (turn % count) as usize,
            Self::Sequence(order) => usize::from(order[(turn % order.len() as u64) as usize]),
            Self::Walk(sums) => {
                let point = turn.wrapping_mul(GOLDEN);
                let total = sums.last().copied().unwrap_or(1);
                let at = ((u128::from(point) * u128::from(total)) >> 64) as u64;
                sums.partition_point(|sum| *sum <= at)
            }
        }
    }
}

/// nginx's smooth weighted round robin: the one furthest behind goes next; ties to the first.
fn smooth(weights: &[u64], divisor: u64, sum: u64) -> Box<[u16]> {
    let mut current = vec![0_i64; weights.len()];
    (0..sum)
        .map(|_| {
            let mut best = 0;
            for (at, weight) in weights.iter().enumerate() {
                current[at] += (weight / divisor) as i64;
                if current[at] > current[best] {
                    best = at;
                }
            }
            current[best] -= sum as i64;
            best as u16
        })
        .collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The longest sequence that is worth its memory.
const LONGEST: u64 = 4096;
/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::super::tests::candidates;
    use super::*;

    #[test]
    fn weights_5_1_1_give_the_known_sequence() {
        let order = Order::new(&candidates(&[5, 1, 1]));
        let picks: Vec<usize> = (0..7).map(|turn| order.at(turn)).collect();
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn shares_are_exact_over_one_round() {
        for weights in [&[5, 3, 2][..], &[50, 30, 20], &[1, 1, 1, 7]] {
            let order = Order::new(&candidates(weights));
            let sum: u32 = weights.iter().sum();
            let mut counts = vec![0; weights.len()];
            (0..u64::from(sum)).for_each(|turn| counts[order.at(turn)] += 1);
            assert_eq!(counts, weights);
        }
    }

    #[test]
    fn large_weights_are_walked_evenly() {
        let order = Order::new(&candidates(&[60_001, 30_000, 9_999]));
        let mut counts = [0_f64; 3];
        (0..10_000).for_each(|turn| counts[order.at(turn)] += 1.0);
        for (count, share) in counts.iter().zip([0.60001, 0.3, 0.09999]) {
            assert!((count / 10_000.0 - share).abs() < 0.002, "{counts:?}");
        }
    }
}
