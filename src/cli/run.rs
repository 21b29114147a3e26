//! `weir run`: load, compile, start the process, and obey signals until it ends.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
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

/// `weir run`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// The file, if not that of -c.
    pub file: Option<PathBuf>,
    /// Run nothing: only look whether the configuration is in order.
    #[arg(long)]
    check: bool,
    /// Write the process's number into this file, and remove it at the end.
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// When ready, write a line to this descriptor, a pipe, and close it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(3..))]
    ready_fd: Option<i32>,
}

/// Runs the file, or the one that is found, until a signal ends it.
pub fn run(args: &Args, config: Option<&Path>, options: Options) -> Exit {
    let since = Clock::new();
    let path = config::find(args.file.as_deref().or(config));
    let files = Files::with(&path, options);
    match files.first() {
        Ok((first, warnings)) => {
            if !warnings.is_empty() {
                tell(&format!("{}{}\n", warnings.render(style(&io::stderr())), warnings.summary()));
            }
            if args.check {
                return Exit::Ok;
            }
            serve(first, Box::new(files), &path.display().to_string(), &since, args)
        }
        Err(report) => {
            tell(&format!("{}{}\n", report.render(style(&io::stderr())), report.summary()));
            Exit::Config
        }
    }
}

/// Runs a configuration until a signal ends it. `source`: where it comes from; `since`: when weir began.
pub fn serve(
    first: Blueprint,
    loader: Box<dyn Loader>,
    source: &str,
    since: &Clock,
    args: &Args,
) -> Exit {
    // Before weir opens anything itself: what is open now was handed over.
    let ready = match args.ready_fd.map(Pipe::open).transpose() {
        Ok(pipe) => pipe,
        Err(error) => {
            tell(&format!("weir: --ready-fd is not a pipe that was handed over: {error}\n"));
            return Exit::Usage;
        }
    };
    let colours = style(&io::stderr()) == Style::Colour;
    if let Err(error) = log::start(&first.log, terminal::level(), colours) {
        tell(&format!("weir: {error}\n"));
        return Exit::of(&error);
    }
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
    let _pid = match args.pid_file.as_deref().map(PidFile::write).transpose() {
        Ok(file) => file,
        Err(error) => {
            tell(&format!("weir: the file for the process's number cannot be written: {error}\n"));
            return Exit::of(&error);
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
    if let Some(Err(error)) = ready.map(Pipe::tell) {
        tracing::warn!(%error, "nobody was told on --ready-fd");
    }
    signals.obey(process);
    log::flush();
    Exit::Ok
}

/// The file with the process's number, while it lives.
struct PidFile<'a>(&'a Path);

impl<'a> PidFile<'a> {
    fn write(path: &'a Path) -> io::Result<Self> {
        fs::write(path, format!("{}\n", std::process::id()))?;
        Ok(Self(path))
    }
}

impl Drop for PidFile<'_> {
    fn drop(&mut self) {
        // Whoever has removed it already wanted that.
        let _ = fs::remove_file(self.0);
    }
}

/// To whoever started weir and waits for a line.
struct Pipe {
    descriptor: i32,
    end: File,
}

impl Pipe {
    fn open(descriptor: i32) -> io::Result<Self> {
        let end = File::options().write(true).open(format!("/proc/self/fd/{descriptor}"))?;
        Ok(Self { descriptor, end })
    }

    /// Tells it, and closes both ends: who waits for that sees it too.
    fn tell(mut self) -> io::Result<()> {
        self.end.write_all(b"\n")?;
        nix::unistd::close(self.descriptor)?;
        Ok(())
    }
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
