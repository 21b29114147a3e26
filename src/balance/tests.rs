//! The laws of balancing, over every row of `KINDS`.

use super::*;
use crate::kind::{Choice, build};
use crate::telemetry::http::PoolMetrics;

/// Endpoints of these weights.
pub fn candidates(weights: &[u32]) -> Vec<Candidate> {
    let metrics = PoolMetrics::new(1);
    weights
        .iter()
        .enumerate()
        .map(|(at, weight)| {
            let address = ([127, 0, 0, 1], 1000 + at as u16).into();
            let endpoint = Arc::new(Endpoint::new(address, metrics.endpoint()));
            Candidate { endpoint, weight: *weight }
        })
        .collect()
}

fn each_kind(mut law: impl FnMut(&str, &dyn Balancer)) {
    for kind in KINDS {
        let choice = Choice { name: kind.name.to_owned(), ..Choice::default() };
        law(kind.name, &*build(KINDS, &choice).unwrap());
    }
}

fn info<'a>(candidates: &'a [Candidate], random: u64, tried: &'a [usize]) -> PickInfo<'a> {
    PickInfo { candidates, random, now: Duration::from_millis(random & 0xffff), tried }
}

#[test]
fn every_example_names_its_kind() {
    for kind in KINDS {
        let table: toml::Table = kind.example.parse().unwrap();
        assert_eq!(table["balance"].as_str(), Some(kind.name));
    }
}

#[test]
fn a_pick_is_in_range_and_never_one_tried_while_another_is_left() {
    let mut random = fastrand::Rng::with_seed(1);
    each_kind(|name, balancer| {
        for count in [1, 2, 3, 10, 128, 129, 300] {
            let all = candidates(&vec![1; count]);
            let picker = balancer.picker(&all, random.u64(..));
            for _ in 0..200 {
                let tried: Vec<usize> =
                    (0..random.usize(0..=3)).map(|_| random.usize(..count)).collect();
                let pick = picker.pick(&info(&all, random.u64(..), &tried));
                let left = (0..count).any(|at| !tried.contains(&at));
                assert_eq!(pick.is_some(), left, "{name} of {count}");
                assert!(pick.is_none_or(|at| at < count && !tried.contains(&at)), "{name}");
            }
        }
    });
}

#[test]
fn shares_follow_the_weights() {
    let mut random = fastrand::Rng::with_seed(2);
    each_kind(|name, balancer| {
        let weights = [5, 3, 2];
        let all = candidates(&weights);
        let picker = balancer.picker(&all, 7);
        let mut counts = [0_u32; 3];
        // Some requests stay in flight, so that kinds which look at load see it.
        let mut open = std::collections::VecDeque::new();
        let picks = 100_000;
        for _ in 0..picks {
            let at = picker.pick(&info(&all, random.u64(..), &[])).unwrap();
            counts[at] += 1;
            open.push_back(all[at].endpoint.lease());
            if open.len() > 50 {
                open.pop_front();
            }
        }
        for (count, weight) in counts.iter().zip(weights) {
            let share = f64::from(*count) / f64::from(picks);
            let expected = f64::from(weight) / 10.0;
            assert!((share - expected).abs() < 0.01, "{name}: {counts:?}");
        }
    });
}

#[test]
fn the_same_choice_is_safe_on_many_threads() {
    each_kind(|name, balancer| {
        let all = candidates(&[1, 2, 3, 4]);
        let picker = balancer.picker(&all, 0);
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let (all, picker) = (&all, &picker);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..10_000 {
                        let at = picker.pick(&info(all, random.u64(..), &[])).unwrap();
                        drop(all[at].endpoint.lease());
                    }
                });
            }
        });
        assert!(all.iter().all(|c| c.endpoint.in_flight() == 0), "{name}");
    });
}

#[test]
fn a_single_endpoint_is_always_it() {
    each_kind(|name, balancer| {
        let all = candidates(&[9]);
        let picker = balancer.picker(&all, 3);
        assert!((0..100).all(|random| picker.pick(&info(&all, random, &[])) == Some(0)), "{name}");
    });
}
