//! `cargo bench --profile dist --bench compare`: weir beside the peers that this machine has.
//! Measures the CPU time that each needs per request, in interleaved rounds, and holds weir to the
//! gates of `workload`. `benches/README.md` explains the method.
//! It must never touch anything but loopback and its own temporary directory, nor repeat a round
//! because it does not like the result.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a report on the terminal")]
#![expect(clippy::disallowed_types, reason = "Instant: this measures real time, not weir's clock")]

use std::io::{self, Error, ErrorKind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

use crate::measure::Bench;
use crate::peers::PEERS;
use crate::workload::{IDLE, LATENCY, WORKLOADS};

mod about;
mod connection;
mod cpu;
mod fresh;
mod http;
mod http2;
mod idle;
mod kept;
mod latency;
mod load;
mod markdown;
mod measure;
mod open_loop;
mod origin;
mod peers;
mod process;
mod report;
mod stats;
mod wire;
mod workload;

/// Compares the speed of weir with that of other proxies on this machine.
#[derive(Parser)]
#[command(name = "compare", bin_name = "cargo bench --profile dist --bench compare --")]
struct Args {
    /// Interleaved rounds of each workload; fewer than 21 judge no gate
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only these of get100, get64k, get1m, post10k, newconn, tls100, handshake, latency, idle
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Only these of nginx, haproxy, weir
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Put the results of a full run into benches/README.md
    #[arg(long, conflicts_with_all = ["workloads", "targets", "smoke"])]
    write: bool,
    /// One short round that proves only that everything runs
    #[arg(long)]
    smoke: bool,
    /// What cargo gives to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == process::CHILD) {
        return process::become_program(&arguments[2..]);
    }
    let args = Args::parse();
    match catch_signals().and_then(|()| run(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("\nat least one gate was not met");
            ExitCode::FAILURE
        }
        Err(_) if interrupted() => {
            eprintln!("compare: interrupted");
            ExitCode::from(130)
        }
        Err(e) => {
            eprintln!("compare: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Whether somebody wants this to end. Whatever waits asks, and returns an error: so everything is
/// dropped, and with it every process and the directory.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// From here on the usual signals only set the flag.
fn catch_signals() -> io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block()?;
    let wait = move || {
        if signals.wait().is_ok() {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(())
}

/// The whole measurement; `false` when a gate was not met.
fn run(args: &Args) -> io::Result<bool> {
    let workloads =
        chosen(&args.workloads, WORKLOADS.iter().map(|w| w.name).chain([LATENCY, IDLE]))?;
    let names = chosen(&args.targets, PEERS.iter().map(|peer| peer.name))?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let (proxy_core, load_core) = cpu::two_cores()?;
    cpu::pin(load_core)?; // the origin's thread inherits it
    process::adopt_orphans()?;
    let bench = Bench {
        targets: about::find(&names),
        origin: origin::start()?.address,
        proxy_core,
        directory: tempfile::tempdir()?,
        rounds: if args.smoke { 1 } else { args.rounds.into() },
        smoke: args.smoke,
    };
    let mut circumstances = about::circumstances(&bench.targets)?;
    let (rounds, measured) = (bench.rounds, bench.times().1.as_millis());
    circumstances.push(format!("{rounds} rounds of {measured} ms per target"));
    circumstances.push(format!("proxy on core {proxy_core}, load and origin on core {load_core}"));
    println!("{}", circumstances.join("\n"));
    let stolen = cpu::stolen()?;
    let mut met = true;
    let mut comparisons = Vec::new();
    for workload in WORKLOADS.iter().filter(|workload| workloads.contains(&workload.name)) {
        println!("\n{}: {}, {} connections", workload.name, workload.what, workload.connections);
        let comparison = bench.compare(workload)?;
        println!("{}", report::comparison_text(&comparison));
        met &= comparison.ratios.iter().all(|ratio| ratio.verdict(rounds).is_fine());
        comparisons.push(comparison);
    }
    let mut latency = None;
    if workloads.contains(&LATENCY) {
        println!("\n{LATENCY}: GET, 100 B answer, sent by a schedule");
        let measured = latency::measure(&bench)?;
        let how = latency::circumstances(&bench, &measured);
        println!("  {how}\n{}", report::latency_text(&measured));
        circumstances.push(format!("{LATENCY}: {how}"));
        met &= measured.ratios.iter().all(|ratio| ratio.verdict(rounds).is_fine());
        latency = Some(measured);
    }
    let mut idle = Vec::new();
    if workloads.contains(&IDLE) {
        println!("\n{IDLE}: memory of keep-alive connections that have done one request");
        idle = bench.idle()?;
        println!("{}", report::idle_text(&idle));
        met &= idle.iter().all(|row| row.verdict().is_fine());
    }
    let now = cpu::stolen()?;
    let share = 100.0 * (now.0 - stolen.0) as f64 / (now.1 - stolen.1).max(1) as f64;
    circumstances.push(format!("{share:.1} % of the machine's time was stolen by its host"));
    println!("\n{share:.1} % of the machine's time was stolen by its host");
    if args.write {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/README.md");
        let page = markdown::page(&circumstances, &comparisons, latency.as_ref(), &idle);
        markdown::write_between_markers(&file, &page)?;
        println!("written to {}", file.display());
    }
    Ok(met)
}

/// The names asked for, all of them when none was; an unknown one is an error.
fn chosen(
    asked: &[String],
    known: impl Iterator<Item = &'static str>,
) -> io::Result<Vec<&'static str>> {
    let known: Vec<_> = known.collect();
    if let Some(unknown) = asked.iter().find(|name| !known.contains(&name.as_str())) {
        let known = known.join(", ");
        let error = format!("there is no `{unknown}`; there are {known}");
        return Err(Error::new(ErrorKind::InvalidInput, error));
    }
    Ok(known
        .into_iter()
        .filter(|name| asked.is_empty() || asked.iter().any(|a| a == name))
        .collect())
}
