//! `weir run`: load, compile, start the process, and obey signals until it ends.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::check::style;
use super::{Exit, tell, terminal, whisper};
use crate::config::{self, Files};
use crate::diagnostic::Style;
use crate::net::descriptors;
use crate::runtime::process::Process;
use crate::telemetry::log;

/// Runs the file, or the one that is found, until a signal ends it.
pub fn run(file: Option<&Path>) -> Exit {
    let path = config::find(file);
    let files = Files::new(&path);
    let (blueprint, warnings) = match files.first() {
        Ok(first) => first,
        Err(report) => {
            tell(&format!("{}{}\n", report.render(style(&io::stderr())), report.summary()));
            return Exit::Config;
        }
    };
    if !warnings.is_empty() {
        tell(&format!("{}{}\n", warnings.render(style(&io::stderr())), warnings.summary()));
    }
    let log = match log::start(terminal::level(), style(&io::stderr()) == Style::Colour) {
        Ok(log) => log,
        Err(error) => {
            tell(&format!("weir: {error}\n"));
            return Exit::Failed;
        }
    };
    match descriptors::raise_limit() {
        Ok((before, after)) => tracing::debug!(before, after, "limit on open descriptors"),
        Err(error) => tracing::warn!(%error, "the limit on open descriptors stays as it is"),
    }
    // Before any port is open: whoever sees one may send a signal.
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            tell(&format!("weir: signals cannot be received: {error}\n"));
            return Exit::Failed;
        }
    };
    let (workers, listeners) = (blueprint.workers, blueprint.listeners.clone());
    let process = match Process::start(blueprint, Box::new(files)) {
        Ok(process) => process,
        Err(error) => {
            tell(&format!("weir: {error}\n"));
            return Exit::Failed;
        }
    };
    let threads = if workers == 1 { "worker" } else { "workers" };
    whisper(&format!(
        "weir {}  {}  {workers} {threads}\n",
        env!("CARGO_PKG_VERSION"),
        path.display()
    ));
    for plan in listeners {
        let name = &plan.settings.name;
        if let Some(address) = process.address(name) {
            whisper(&format!("  {name:<8} http://{address}\n"));
        }
    }
    if let Some(address) = process.metrics_address() {
        whisper(&format!("  {:<8} http://{address}/metrics\n", "metrics"));
    }
    signals.obey(process);
    log.flush();
    Exit::Ok
}

/// The signals a process obeys.
struct Signals {
    runtime: Runtime,
    hangup: Signal,
    reopen: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let within = runtime.enter();
        let hangup = signal(SignalKind::hangup())?;
        let reopen = signal(SignalKind::user_defined1())?;
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(within);
        Ok(Self { runtime, hangup, reopen, terminate, interrupt })
    }

    /// SIGHUP reloads, SIGUSR1 opens log files anew, SIGTERM and SIGINT stop; a second one stops at once.
    fn obey(self, process: Process) {
        let Self { runtime, mut hangup, mut reopen, mut terminate, mut interrupt } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = hangup.recv() => { process.reload(); },
                    _ = reopen.recv() => process.reopen(),
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                }
            }
            let process = Arc::new(process);
            let stopped = Arc::clone(&process);
            let mut stopping = tokio::task::spawn_blocking(move || stopped.stop());
            tokio::select! {
                _ = &mut stopping => return,
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("stopped at once by a second signal");
            process.hurry();
            // What is cut shows that it is, and what has ended is in the access log.
            let _ = tokio::time::timeout(LAST, stopping).await;
        });
        // The thread that waits for open connections does not hold up a second signal.
        runtime.shutdown_background();
    }
}

/// How long a process that is stopped at once may take to say its last words.
const LAST: Duration = Duration::from_secs(1);
