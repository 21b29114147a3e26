//! `weir demo`: three sample backends, weir in front of them, load on it, and what then happens.
//!
//! Nothing is prepared and nothing is left behind: free ports of the loopback, a configuration in a
//! temporary directory. Every claim is checked; with `--script` the outcome is told as one JSON object per
//! line, and a claim that does not hold is exit code 1.

use std::cell::Cell;
use std::fs;
use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

mod acts;
mod backend;
mod load;
mod show;

use backend::Backend;
use load::Load;
use show::Show;

use super::{Exit, tell};
use crate::config::Files;
use crate::runtime::process::Process;

/// Runs the demo; `keep` is a directory for the configuration it runs.
pub fn demo(script: bool, keep: Option<PathBuf>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let directory = keep
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("weir-demo-{}", std::process::id())));
    if directory.join("weir.toml").exists() {
        let directory = directory.display();
        tell(&format!("weir: {directory} has a weir.toml already: name another directory\n"));
        return Exit::Failed;
    }
    // Whether every claim held, once all were made.
    let held = Cell::new(false);
    let outcome = runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = play(script, &directory, &held) => outcome,
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
        }
    });
    if keep.is_none() {
        // What cannot be removed is a few lines in a temporary directory.
        let _ = fs::remove_dir_all(&directory);
    }
    match outcome {
        Ok(()) if held.get() => Exit::Ok,
        Ok(()) => Exit::Failed,
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> Exit {
    tell(&format!("weir: the demo cannot run: {error}\n"));
    Exit::Failed
}

/// Everything the acts work with.
struct Stage {
    backends: Vec<Backend>,
    load: Load,
    process: Process,
    file: PathBuf,
    metrics: SocketAddr,
    web: SocketAddr,
    /// Who answered how often, when it was last looked at.
    shares: Vec<(&'static str, u64)>,
}

impl Stage {
    async fn set_up(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory).map_err(|error| {
            let directory = directory.display();
            io::Error::new(error.kind(), format!("{directory} cannot be made: {error}"))
        })?;
        let mut backends = Vec::new();
        for name in NAMES {
            backends.push(Backend::start(name).await?);
        }
        let file = directory.join("weir.toml");
        let (web, metrics) = (free_port(8080)?, free_port(9347)?);
        fs::write(&file, toml(web, metrics, &backends))?;
        let files = Files::new(&file);
        let (blueprint, _) = files
            .first()
            .map_err(|report| io::Error::other(report.render(crate::diagnostic::Style::Plain)))?;
        // It waits for the first checks, which these backends answer meanwhile.
        let start = move || Process::start(blueprint, Box::new(files));
        let process = tokio::task::spawn_blocking(start).await.map_err(io::Error::other)??;
        let load = Load::start(web, &NAMES);
        Ok(Self { backends, load, process, file, metrics, web, shares: Vec::new() })
    }

    /// Writes the configuration anew, with these backends in the pool.
    fn edit(&self, backends: &[Backend]) -> io::Result<()> {
        fs::write(&self.file, toml(self.web, self.metrics, backends))
    }
}

/// Plays all acts and notes whether every claim held; on a terminal it then goes on until it is ended.
async fn play(script: bool, directory: &Path, held: &Cell<bool>) -> io::Result<()> {
    let mut stage = Stage::set_up(directory).await?;
    let mut show = Show::new(script);
    show.open(&stage, &fs::read_to_string(&stage.file)?);
    acts::balancing(&mut stage, &mut show).await;
    acts::kill(&mut stage, &mut show).await?;
    acts::come_back(&mut stage, &mut show).await?;
    acts::edit(&mut stage, &mut show).await?;
    acts::mistake(&mut stage, &mut show).await?;
    held.set(show.close(&stage));
    if !script && io::stdout().is_terminal() {
        show.stay(&stage);
        std::future::pending::<()>().await;
    }
    drop(stage.process);
    Ok(())
}

/// The configuration that the demo runs.
fn toml(web: SocketAddr, metrics: SocketAddr, backends: &[Backend]) -> String {
    let endpoints: Vec<String> = backends.iter().map(|b| format!("\"{}\"", b.address)).collect();
    format!(
        "[listeners.web]\n\
         address = \"{web}\"\n\
         pool = \"app\"\n\
         \n\
         [pools.app]\n\
         endpoints = [{}]\n\
         health = {{ path = \"/\", interval = \"500ms\", timeout = \"250ms\" }}\n\
         \n\
         [metrics]\n\
         address = \"{metrics}\"\n\
         \n\
         [access_log]\n\
         output = \"off\"\n",
        endpoints.join(", ")
    )
}

/// The usual port, if nobody has it, else any.
fn free_port(usual: u16) -> io::Result<SocketAddr> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bind(usual).or_else(|_| bind(0))?.local_addr()
}

/// The backends, and what they answer.
const NAMES: [&str; 3] = ["a", "b", "c"];
