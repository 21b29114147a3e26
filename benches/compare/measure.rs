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
    /// All targets under one workload.
    pub fn compare(&self, workload: &'static Workload) -> io::Result<Comparison> {
        let mut running = self.start_all::<Samples>(self.origin)?;
        for round in 0..self.rounds {
            self.round(round, workload.name, &mut running, |process, samples| {
                self.sample(process, workload, samples)
            })?;
        }
        let rows = running.iter().map(|Running { name, samples, .. }| Row {
            name,
            ns_per_request: stats::median(&samples.ns_per_request),
            requests_per_second: stats::median(&samples.requests_per_second),
            busy: stats::median(&samples.busy),
        });
        let ratios = ratios(&running, |samples| &samples.ns_per_request, |_| Some(workload.gate));
        Ok(Comparison { workload, rounds: self.rounds, rows: rows.collect(), ratios })
    }

    /// Every target once. They run side by side from the first round to the last; the order changes
    /// from round to round, so that none always follows the same one.
    pub fn round<S>(
        &self,
        round: usize,
        workload: &str,
        running: &mut [Running<S>],
        mut sample: impl FnMut(&Process, &mut S) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut order: Vec<_> = (0..running.len()).collect();
        order.rotate_left(round % running.len());
        if round / running.len() % 2 == 1 {
            order.reverse();
        }
        for i in order {
            let Running { name, process, samples } = &mut running[i];
            sample(process, samples)
                .map_err(|e| named(workload, &named(name, &process.failure(&e))))?;
        }
        Ok(())
    }

    /// All targets, with nothing seen of them yet.
    pub fn start_all<S: Default>(&self, origin: SocketAddr) -> io::Result<Vec<Running<S>>> {
        let start = |(peer, program): &(&'static Peer, PathBuf)| {
            let process = self.start(peer, program, origin)?;
            Ok(Running { name: peer.name, process, samples: S::default() })
        };
        self.targets.iter().map(start).collect()
    }

    /// One target in one round.
    fn sample(
        &self,
        process: &Process,
        workload: &Workload,
        samples: &mut Samples,
    ) -> io::Result<()> {
        let exchange = workload.ask.exchange();
        let to = if workload.secure { process.secure } else { process.address };
        let mut load = load::open(workload, to, &exchange)?;
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
        let (rounds, connections) = if self.smoke { (1, 100) } else { (3, 8_000) };
        let mut rows = Vec::new();
        for (peer, program) in &self.targets {
            let mut bytes = Vec::new();
            for _ in 0..rounds {
                let process = self.start(peer, program, self.origin)?;
                let measured = idle::measure(&process, connections);
                bytes.push(measured.map_err(|e| named(peer.name, &process.failure(&e)))?);
            }
            rows.push(Idle { name: peer.name, bytes, gated: peer.name == WEIR && !self.smoke });
        }
        Ok(rows)
    }

    fn start(&self, peer: &Peer, program: &Path, origin: SocketAddr) -> io::Result<Process> {
        Process::start(peer, program, origin, self.proxy_core, self.directory.path())
            .map_err(|e| named(peer.name, &e))
    }

    /// Warm-up and measured time of one target in one round.
    pub fn times(&self) -> (Duration, Duration) {
        let (warm_up, measured) = if self.smoke { (50, 100) } else { (150, 500) };
        (Duration::from_millis(warm_up), Duration::from_millis(measured))
    }
}

/// A target that runs, and what was seen of it.
pub struct Running<S> {
    pub name: &'static str,
    process: Process,
    pub samples: S,
}

/// One target's values, one per round.
#[derive(Default)]
struct Samples {
    ns_per_request: Vec<f64>,
    requests_per_second: Vec<f64>,
    busy: Vec<f64>,
}

/// The last target's value of each round divided by each of the others' in the same round.
pub fn ratios<S>(
    running: &[Running<S>],
    values: impl Fn(&S) -> &[f64],
    gate: impl Fn(&str) -> Option<f64>,
) -> Vec<Ratio> {
    let Some((of, others)) = running.split_last() else { return Vec::new() };
    let ratio = |to: &Running<S>| {
        let pairs = values(&of.samples).iter().zip(values(&to.samples));
        let ratios: Vec<_> = pairs.map(|(of, to)| of / to).collect();
        let gate = (of.name == WEIR).then(|| gate(to.name)).flatten();
        Ratio { of: of.name, to: to.name, estimate: stats::estimate(&ratios), gate, valid: true }
    };
    others.iter().map(ratio).collect()
}

fn named(name: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("{name}: {error}"))
}

/// After the last answer a proxy still tidies up: that belongs to the request.
pub const SETTLE: Duration = Duration::from_millis(3);
