//! Latency of a proxy that has something to do, but not all that it could: the same rate for all
//! targets, a share of what the slowest of them can do.
//! `main` calls it once. It must never give two targets of one round different departures, nor call
//! a figure good that tells of the load rather than of the proxy.

use std::io;
use std::time::Duration;

use crate::kept::Kept;
use crate::load::Load;
use crate::measure::{self, Bench, Running, SETTLE};
use crate::open_loop::{self, OpenLoop};
use crate::origin::{self, Origin};
use crate::process::{self, Process};
use crate::report::{Latency, LatencyRow};
use crate::workload::{self, Ask, Exchange, LATENCY, LATENCY_CONNECTIONS};
use crate::{cpu, stats};

/// All targets at one rate.
pub fn measure(bench: &Bench) -> io::Result<Latency> {
    let exchange = Ask::Get("/100").exchange();
    let served = origin::start()?;
    let mut running = bench.start_all::<Samples<'_>>(served.address)?;
    for round in 0..if bench.smoke { 1 } else { CAPACITY_ROUNDS } {
        bench.round(round, LATENCY, &mut running, |process, samples| {
            samples.capacity.push(capacity(bench, process, &exchange)?);
            Ok(())
        })?;
    }
    let capacities = running.iter().map(|one| stats::median(&one.samples.capacity));
    let rate = SHARE * capacities.fold(f64::INFINITY, f64::min);
    let mut origin = served.take()?;
    for round in 0..bench.rounds * SHORT_ROUNDS {
        bench.round(round, LATENCY, &mut running, |process, samples| {
            let mut load = match samples.load.take() {
                Some(load) => load,
                None => OpenLoop::open(process.address, LATENCY_CONNECTIONS, &exchange)?,
            };
            // The same departures for each target.
            let random = fastrand::Rng::with_seed(round as u64);
            sample(&mut load, rate, random, &mut origin, process, samples)?;
            samples.load = Some(load);
            Ok(())
        })?;
    }
    let rows: Vec<_> = running.iter().map(row).collect();
    let mut ratios = measure::ratios(&running, |samples| &samples.p99, workload::latency_gate);
    for ratio in &mut ratios {
        let involved = |row: &&LatencyRow| [ratio.of, ratio.to].contains(&row.name);
        ratio.valid = rows.iter().filter(involved).all(|row| row.fault().is_none());
    }
    Ok(Latency { rate, rounds: bench.rounds, rows, ratios })
}

/// How it was measured, in a line.
pub fn circumstances(bench: &Bench, latency: &Latency) -> String {
    let (rounds, ms) = (bench.rounds * SHORT_ROUNDS, MEASURED.as_millis());
    let (share, rate) = (100.0 * SHARE, latency.rate);
    format!(
        "{rounds} rounds of {ms} ms per target at {rate:.0} requests/s, {share:.0} % of what the \
         slowest did in the closed loop, over {LATENCY_CONNECTIONS} connections"
    )
}

/// Requests per second in the closed loop.
fn capacity(bench: &Bench, process: &Process, exchange: &Exchange) -> io::Result<f64> {
    let mut load = Kept::open(process.address, CLIENTS, exchange, false)?;
    let (warm_up, measured) = bench.times();
    load.run(warm_up)?;
    Ok(load.run(measured)?.requests_per_second())
}

/// One target in one round.
fn sample(
    load: &mut OpenLoop<'_>,
    rate: f64,
    mut random: fastrand::Rng,
    origin: &mut Origin,
    process: &Process,
    samples: &mut Samples<'_>,
) -> io::Result<()> {
    load.run(&open_loop::poisson(rate, WARM_UP, &mut random), origin)?;
    process::pause(SETTLE)?;
    let processes = process.tree()?;
    let (before, waited) = (cpu::time(&processes)?, cpu::waited(&processes)?);
    let mut seen = load.run(&open_loop::poisson(rate, MEASURED, &mut random), origin)?;
    process::pause(SETTLE)?;
    let used = cpu::time(&processes)? - before;
    let waited = cpu::waited(&processes)?.saturating_sub(waited);
    samples.p50.push(stats::quantile(&mut seen.latency, 0.5).as_secs_f64());
    samples.p99.push(stats::quantile(&mut seen.latency, 0.99).as_secs_f64());
    samples.late.push(stats::quantile(&mut seen.late, 0.99).as_secs_f64());
    samples.busy.push(used.as_secs_f64() / seen.wall.as_secs_f64());
    samples.waited.push(waited.as_secs_f64() / seen.wall.as_secs_f64());
    samples.load_busy.push(1.0 - seen.spare.as_secs_f64() / seen.wall.as_secs_f64());
    Ok(())
}

fn row(Running { name, samples, .. }: &Running<Samples<'_>>) -> LatencyRow {
    LatencyRow {
        name,
        p50: stats::median(&samples.p50),
        p99: stats::median(&samples.p99),
        late: stats::median(&samples.late),
        busy: stats::median(&samples.busy),
        waited: stats::median(&samples.waited),
        load_busy: stats::median(&samples.load_busy),
    }
}

/// One target's values, one per round; times in seconds.
#[derive(Default)]
struct Samples<'w> {
    /// Its connections last for all rounds.
    load: Option<OpenLoop<'w>>,
    capacity: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    late: Vec<f64>,
    busy: Vec<f64>,
    waited: Vec<f64>,
    load_busy: Vec<f64>,
}

/// The share of its capacity that the slowest target is asked for.
const SHARE: f64 = 0.7;
const CAPACITY_ROUNDS: usize = 3;
const CLIENTS: usize = 32;
/// Something else on the machine that runs for 2 ms, as something does several times a second, makes
/// more than one percent of the requests wait in a round of half a second. So there are so many short
/// rounds for each of the other workloads', and most of them show the proxy alone.
const SHORT_ROUNDS: usize = 10;
const WARM_UP: Duration = Duration::from_millis(20);
const MEASURED: Duration = Duration::from_millis(50);
