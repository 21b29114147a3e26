//! The open loop: requests leave at the times of a schedule, whether answers come or not, as those
//! of many clients do who know nothing of one another. `latency` runs it.
//! Latency counts from the time at which a request should have left: what waits because something
//! before it was slow is slow too. It must never hide that the load itself was late: for every
//! request it tells how much.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollEvent;

use crate::connection::{Connection, STALL_MS, Shared, stalled};
use crate::origin::Origin;
use crate::workload::Exchange;

/// Keep-alive connections to one target, open until this is dropped.
pub struct OpenLoop<'w> {
    shared: Shared<'w>,
    connections: Vec<Connection>,
}

/// What one run saw, a value for each request.
pub struct Seen {
    /// From the intended departure to the whole answer.
    pub latency: Vec<Duration>,
    /// From the intended departure to the real one. Either the load had no time, or no connection
    /// was free, and the loop no longer open.
    pub late: Vec<Duration>,
    pub wall: Duration,
    /// Time in which there was nothing to do, for the load and for the origin.
    pub spare: Duration,
}

/// The state of one run. All times are since its start.
struct Run<'s> {
    schedule: &'s [Duration],
    /// How many have left.
    sent: usize,
    /// Intended departure of the request under way, for each connection.
    intended: Vec<Duration>,
    /// The connections without a request; the one that waits longest is the next.
    free: VecDeque<usize>,
    seen: Seen,
}

/// Departures at this rate for so long, from random clients who know nothing of one another: a
/// Poisson process.
pub fn poisson(per_second: f64, time: Duration, random: &mut fastrand::Rng) -> Vec<Duration> {
    let mut schedule = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        // 1 - x: the logarithm of 0 has no value
        at += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / per_second);
        if at > time {
            return schedule;
        }
        schedule.push(at);
    }
}

impl<'w> OpenLoop<'w> {
    /// Opens the connections; nothing is sent yet.
    pub fn open(to: SocketAddr, count: usize, exchange: &'w Exchange) -> io::Result<Self> {
        let shared = Shared::new(exchange, false)?;
        let connections = (0..count).map(|i| Connection::open(to, i, &shared));
        let connections = connections.collect::<io::Result<_>>()?;
        Ok(Self { shared, connections })
    }

    /// Sends by the schedule and waits for the last answer. It serves the origin itself and never
    /// sleeps: the scheduler, between two threads and a timer, adds more to an answer than a proxy.
    pub fn run(&mut self, schedule: &[Duration], origin: &mut Origin) -> io::Result<Seen> {
        let mut run = Run::new(schedule, self.connections.len());
        let (mut ours, mut theirs) = ([EpollEvent::empty(); 8], [EpollEvent::empty(); 8]);
        let start = Instant::now();
        let mut progress = Duration::ZERO;
        while run.answered() < schedule.len() {
            let before = run.sent;
            let now = self.send_due(&mut run, start)?;
            let n = self.shared.look(&mut ours)?;
            for event in &ours[..n] {
                let i = event.data() as usize;
                if self.connections[i].turn(*event, &mut self.shared)? {
                    run.answer(i, start.elapsed());
                }
                self.send_due(&mut run, start)?;
            }
            let served = origin.turn(&mut theirs, 0_u8)?;
            if n > 0 || run.sent > before {
                progress = now;
            } else if now - progress > STALL {
                return Err(stalled(run.sent - run.answered()));
            } else if !served {
                let look = start.elapsed() - now;
                run.seen.spare += if look < INTERRUPTED { look } else { Duration::ZERO };
            }
        }
        run.seen.wall = start.elapsed();
        Ok(run.seen)
    }

    /// Sends whatever should have left by now and can; returns the time at which nothing was due.
    fn send_due(&mut self, run: &mut Run<'_>, start: Instant) -> io::Result<Duration> {
        loop {
            let now = start.elapsed();
            let Some(&due) = run.schedule.get(run.sent).filter(|due| **due <= now) else {
                return Ok(now);
            };
            let Some(i) = run.free.pop_front() else { return Ok(now) };
            self.connections[i].send(&self.shared)?;
            run.seen.late.push(now - due);
            run.intended[i] = due;
            run.sent += 1;
        }
    }
}

impl<'s> Run<'s> {
    fn new(schedule: &'s [Duration], connections: usize) -> Self {
        let of_each = || Vec::with_capacity(schedule.len());
        Self {
            schedule,
            sent: 0,
            intended: vec![Duration::ZERO; connections],
            free: (0..connections).collect(),
            seen: Seen {
                latency: of_each(),
                late: of_each(),
                wall: Duration::ZERO,
                spare: Duration::ZERO,
            },
        }
    }

    fn answered(&self) -> usize {
        self.seen.latency.len()
    }

    fn answer(&mut self, i: usize, now: Duration) {
        self.seen.latency.push(now - self.intended[i]);
        self.free.push_back(i);
    }
}

const STALL: Duration = Duration::from_millis(STALL_MS as u64);
/// A look at two empty lists takes less; meanwhile the core was somebody else's.
const INTERRUPTED: Duration = Duration::from_micros(20);
