//! The measurement itself: which target when, and what is read around it.
//! `main` calls it once per workload. It must never treat two targets differently.

use std::io::{self, Error};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::peers::{Peer, WEIR};
use crate::process::{self, Process};
use crate::report::{Comparison, Idle, Ratio, Row};
use crate::workload::Workload;
use crate::{cpu, idle, load, stats};

/// All that a measurement needs.
pub struct Bench {
    pub targets: Vec<(&'static Peer, PathBuf)>,
    pub origin: SocketAddr,
    pub proxy_core: usize,
    pub directory: tempfile::TempDir,
    pub rounds: usize,
    pub smoke: bool,
}

impl Bench {
    /// All targets under one workload. They run side by side from the first round to the last; the
    /// order changes from round to round, so that none always follows the same one.
    pub fn compare(&self, workload: &'static Workload) -> io::Result<Comparison> {
        let mut running = Vec::new();
        for (peer, program) in &self.targets {
            running.push((peer.name, self.start(peer, program)?, Samples::default()));
        }
        for round in 0..self.rounds {
            let mut order: Vec<_> = (0..running.len()).collect();
            order.rotate_left(round % running.len());
            if round / running.len() % 2 == 1 {
                order.reverse();
            }
            for i in order {
                let (name, process, samples) = &mut running[i];
                self.sample(process, workload, samples)
                    .map_err(|e| named(workload.name, &named(name, &process.failure(&e))))?;
            }
        }
        let rows = running.iter().map(|(name, _, samples)| Row {
            name,
            ns_per_request: stats::median(&samples.ns_per_request),
            requests_per_second: stats::median(&samples.requests_per_second),
            busy: stats::median(&samples.busy),
        });
        let rows = rows.collect();
        let ratios = running.split_last().map_or_else(Vec::new, |(last, others)| {
            others.iter().map(|other| ratio(last, other, workload)).collect()
        });
        Ok(Comparison { workload, rounds: self.rounds, rows, ratios })
    }

    /// One target in one round.
    fn sample(
        &self,
        process: &Process,
        workload: &Workload,
        samples: &mut Samples,
    ) -> io::Result<()> {
        let exchange = workload.ask.exchange();
        let mut load = load::open(workload, process.address, &exchange)?;
        let (warm_up, measured) = self.times();
        load.run(warm_up)?;
        process::pause(SETTLE)?;
        let processes = process.tree()?;
        let before = cpu::time(&processes)?;
        let run = load.run(measured)?;
        process::pause(SETTLE)?;
        let used = cpu::time(&processes)? - before;
        samples.ns_per_request.push(used.as_nanos() as f64 / run.requests as f64);
        samples.requests_per_second.push(run.requests_per_second());
        samples.busy.push(used.as_secs_f64() / run.wall.as_secs_f64());
        Ok(())
    }

    /// Fresh processes, one at a time.
    pub fn idle(&self) -> io::Result<Vec<Idle>> {
        let (rounds, connections) = if self.smoke { (1, 100) } else { (3, 2_000) };
        let mut rows = Vec::new();
        for (peer, program) in &self.targets {
            let mut bytes = Vec::new();
            for _ in 0..rounds {
                let process = self.start(peer, program)?;
                let measured = idle::measure(&process, connections);
                bytes.push(measured.map_err(|e| named(peer.name, &process.failure(&e)))?);
            }
            rows.push(Idle { name: peer.name, bytes, gated: peer.name == WEIR && !self.smoke });
        }
        Ok(rows)
    }

    fn start(&self, peer: &Peer, program: &Path) -> io::Result<Process> {
        Process::start(peer, program, self.origin, self.proxy_core, self.directory.path())
            .map_err(|e| named(peer.name, &e))
    }

    /// Warm-up and measured time of one target in one round.
    pub fn times(&self) -> (Duration, Duration) {
        let (warm_up, measured) = if self.smoke { (50, 100) } else { (150, 500) };
        (Duration::from_millis(warm_up), Duration::from_millis(measured))
    }
}

/// One target's values, one per round.
#[derive(Default)]
struct Samples {
    ns_per_request: Vec<f64>,
    requests_per_second: Vec<f64>,
    busy: Vec<f64>,
}

type Running = (&'static str, Process, Samples);

fn ratio(of: &Running, to: &Running, workload: &Workload) -> Ratio {
    let pairs = of.2.ns_per_request.iter().zip(&to.2.ns_per_request);
    let ratios: Vec<_> = pairs.map(|(of, to)| of / to).collect();
    let gate = (of.0 == WEIR).then_some(workload.gate);
    Ratio { of: of.0, to: to.0, estimate: stats::estimate(&ratios), gate }
}

fn named(name: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("{name}: {error}"))
}

/// After the last answer a proxy still tidies up: that belongs to the request.
const SETTLE: Duration = Duration::from_millis(3);
