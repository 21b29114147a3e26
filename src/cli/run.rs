//! `weir run`: load, compile, start the process, and obey signals until it ends.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::banner::Banner;
use super::check::style;
use super::{Exit, tell, terminal, whisper};
use crate::config::{self, Files, Options};
use crate::diagnostic::Style;
use crate::net::clock::Clock;
use crate::net::descriptors;
use crate::runtime::process::Process;
use crate::runtime::{Blueprint, Loader};
use crate::telemetry::log;

/// Runs the file, or the one that is found, until a signal ends it.
pub fn run(file: Option<&Path>, options: Options) -> Exit {
    let since = Clock::new();
    let path = config::find(file);
    let files = Files::with(&path, options);
    match files.first() {
        Ok((first, warnings)) => {
            if !warnings.is_empty() {
                tell(&format!("{}{}\n", warnings.render(style(&io::stderr())), warnings.summary()));
            }
            serve(first, Box::new(files), &path.display().to_string(), &since)
        }
        Err(report) => {
            tell(&format!("{}{}\n", report.render(style(&io::stderr())), report.summary()));
            Exit::Config
        }
    }
}

/// Runs a configuration until a signal ends it. `source`: where it comes from; `since`: when weir began.
pub fn serve(first: Blueprint, loader: Box<dyn Loader>, source: &str, since: &Clock) -> Exit {
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
    let banner = Banner::new(&first, source);
    let process = match Process::start(first, loader) {
        Ok(process) => process,
        Err(error) => {
            tell(&format!("weir: {error}\n"));
            return Exit::of(&error);
        }
    };
    whisper(&banner.text(&process, since.now()));
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
