//! Which targets there are, and the circumstances that a figure needs beside it: versions, machine.
//! It must never leave a missing peer unsaid.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::peers::{PEERS, Peer};

/// The targets of these names that this machine has; says which are left out.
pub fn find(names: &[&str]) -> Vec<(&'static Peer, PathBuf)> {
    let mut found = Vec::new();
    for peer in PEERS.iter().filter(|peer| names.contains(&peer.name)) {
        match peer.program() {
            Some(program) => found.push((peer, program)),
            None => println!("{}: not on PATH, left out: its gates are not judged", peer.name),
        }
    }
    found
}

/// One line each: the versions, the machine, what else runs on it.
pub fn circumstances(targets: &[(&Peer, PathBuf)]) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    for (peer, program) in targets {
        lines.push(format!("{}: {}", peer.name, version(peer, program)));
    }
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<_> = cpus.lines().filter(|line| line.starts_with("model name")).collect();
    let model = models.first().and_then(|line| line.split_once(": ")).map_or("CPU", |(_, m)| m);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    lines.push(format!("{} × {model}, Linux {}", models.len().max(1), kernel.trim()));
    let load = fs::read_to_string("/proc/loadavg")?;
    lines.push(format!("load average before: {}", load.split(' ').next().unwrap_or("?")));
    Ok(lines)
}

/// First line of what the program says of itself.
fn version(peer: &Peer, program: &Path) -> String {
    let said = Command::new(program).args(peer.version).output().map(|output| {
        let all = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&all).lines().next().unwrap_or_default().to_owned()
    });
    said.ok().filter(|line| !line.is_empty()).unwrap_or_else(|| "it does not tell".to_owned())
}
