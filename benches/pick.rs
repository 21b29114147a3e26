//! Picking an endpoint: every row of `balance::KINDS`, and the pool around it.
//!
//! A pick takes the lease along and gives it back, as an attempt does. A new kind is measured as soon as
//! its row is in the table.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use weir::balance::{Candidate, KINDS, PickInfo};
use weir::endpoint::Endpoint;
use weir::kind::{Choice, build};
use weir::pool::{Config, Pool};
use weir::telemetry::http::PoolMetrics;

/// Endpoints of a small pool, a usual one, the largest that is looked at whole, and two large ones.
const COUNTS: [usize; 5] = [3, 10, 128, 1_000, 3_000];

fn choice(name: &str) -> Choice {
    Choice { name: name.to_owned(), ..Choice::default() }
}

/// Endpoints of the same weight, or of three.
fn candidates(count: usize, weighted: bool, metrics: &PoolMetrics) -> Vec<Candidate> {
    (0..count)
        .map(|at| {
            let address = ([10, 0, (at >> 8) as u8, at as u8], 8080).into();
            let endpoint = Arc::new(Endpoint::new(address, metrics.endpoint()));
            Candidate { endpoint, weight: if weighted { [5, 3, 2][at % 3] } else { 1 } }
        })
        .collect()
}

fn pickers(criterion: &mut Criterion) {
    for kind in KINDS {
        let balancer = build(KINDS, &choice(kind.name)).expect("a kind without options");
        let mut group = criterion.benchmark_group(format!("pick/{}", kind.name));
        for count in COUNTS {
            for weighted in [false, true] {
                let all = candidates(count, weighted, &PoolMetrics::new(1));
                let picker = balancer.picker(&all, 7);
                let mut random = fastrand::Rng::with_seed(1);
                let mut turn = 0;
                let weights = if weighted { "weights" } else { "equal" };
                group.bench_function(BenchmarkId::new(weights, count), |bencher| {
                    bencher.iter(|| {
                        turn += 1;
                        let now = Duration::from_millis(turn >> 6);
                        let random = random.u64(..);
                        let info = PickInfo { candidates: &all, random, now, tried: &[] };
                        let at = picker.pick(&info).expect("nobody was tried");
                        black_box(all[at].endpoint.lease());
                    });
                });
            }
        }
        group.finish();
    }
}

fn pools(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool/pick");
    for kind in KINDS {
        let metrics = Arc::new(PoolMetrics::new(1));
        let members = candidates(10, false, &metrics);
        let mut config: Config = toml::from_str("endpoints = []").expect("it is a pool");
        config.balance = choice(kind.name);
        let name = "app".parse().expect("a name");
        let pool = Pool::new(name, config, members, metrics, None, None, 7)
            .expect("a kind without options");
        let mut random = fastrand::Rng::with_seed(1);
        group.bench_function(BenchmarkId::new(kind.name, 10), |bencher| {
            bencher
                .iter(|| black_box(pool.pick(random.u64(..), Duration::from_secs(1), &[])).is_ok());
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    pickers(&mut criterion);
    pools(&mut criterion);
    criterion.final_summary();
}
