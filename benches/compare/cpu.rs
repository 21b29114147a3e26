//! What a process tree has used: CPU time and memory, as the kernel counts them; and the cores.
//! Called by `main` around each run and by `idle`. It must never estimate: a figure that cannot be
//! read ends the measurement.

use std::fs;
use std::io::{self, Error, ErrorKind};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::ClockId;
use nix::unistd::Pid;

/// The process and all below it: nginx's worker is a child of its master.
pub fn tree(root: Pid) -> io::Result<Vec<Pid>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end between the listing and this read.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // pid (name) state parent …, and the name may contain anything
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        parents.push((Pid::from_raw(pid), Pid::from_raw(parent.unwrap_or(0))));
    }
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == tree[at]);
        let children: Vec<_> = children.map(|(pid, _)| *pid).collect();
        tree.extend(children);
        at += 1;
    }
    Ok(tree)
}

/// CPU time of these processes so far, user and system, from the scheduler's own accounting in
/// nanoseconds. Unlike the sum of `/proc/PID/task/*/schedstat`, each process's clock also holds the
/// time of threads that have ended.
/// It is exact while they sleep: the caller reads it with no request under way.
pub fn time(processes: &[Pid]) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for pid in processes {
        sum += Duration::from(ClockId::pid_cpu_clock_id(*pid)?.now()?);
    }
    Ok(sum)
}

/// Time in which threads of these processes could have run, but something else had their core.
pub fn waited(processes: &[Pid]) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for pid in processes {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // nanoseconds run, nanoseconds waited, turns
            let stat = fs::read_to_string(task?.path().join("schedstat"))?;
            let waited = stat.split_whitespace().nth(1).and_then(|waited| waited.parse().ok());
            let waited = waited.ok_or_else(|| Error::other("a schedstat without its times"))?;
            sum += Duration::from_nanos(waited);
        }
    }
    Ok(sum)
}

/// Memory that only these processes hold, in bytes: pages shared between master and worker, or with
/// the file of the program, are not growth.
pub fn private_memory(processes: &[Pid]) -> io::Result<u64> {
    let mut kib = 0;
    for pid in processes {
        for line in fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.starts_with("Private_") {
                let value = value.trim().trim_end_matches(" kB").parse::<u64>();
                kib += value.map_err(Error::other)?;
            }
        }
    }
    Ok(kib * 1024)
}

/// Two cores this process may use, for the proxy and for everything else; not two threads of one
/// core, which would share its caches and units.
pub fn two_cores() -> io::Result<(usize, usize)> {
    let allowed = sched_getaffinity(Pid::this())?;
    let mut cores = (0..CpuSet::count()).rev().filter(|&core| allowed.is_set(core) == Ok(true));
    let none = || Error::new(ErrorKind::Unsupported, "two cores are needed");
    let proxy = cores.next().ok_or_else(none)?;
    let siblings = format!("/sys/devices/system/cpu/cpu{proxy}/topology/thread_siblings_list");
    let siblings = fs::read_to_string(siblings).unwrap_or_default();
    let shares = |core: usize| {
        siblings.trim().split(',').any(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            first.parse().is_ok_and(|first: usize| first <= core)
                && last.parse().is_ok_and(|last: usize| core <= last)
        })
    };
    let load = cores.find(|&core| !shares(core)).ok_or_else(none)?;
    Ok((proxy, load))
}

/// Binds the calling thread, and what it starts from now on, to one core.
pub fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Ticks that the hypervisor gave to others, and all ticks, since the machine started.
pub fn stolen() -> io::Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    Ok((ticks.get(7).copied().unwrap_or(0), ticks.iter().take(8).sum()))
}
