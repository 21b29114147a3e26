//! The closed loop: a fixed number of clients in one thread, each asking again as soon as it has
//! its answer. `kept` and `fresh` are its two kinds; `measure` runs them.
//! It must never end a run with a request under way: the proxy's CPU time belongs to exactly the
//! requests counted.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::fresh::Fresh;
use crate::kept::Kept;
use crate::workload::{Ask, Exchange, Workload};

/// The clients of one target.
pub trait Load {
    /// Keeps every client asking for this long, then waits for what is under way.
    fn run(&mut self, time: Duration) -> io::Result<Run>;
}

/// What one run did.
pub struct Run {
    pub requests: u64,
    pub wall: Duration,
}

impl Run {
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.wall.as_secs_f64()
    }
}

/// The clients that a workload asks for.
pub fn open<'w>(
    workload: &Workload,
    to: SocketAddr,
    exchange: &'w Exchange,
) -> io::Result<Box<dyn Load + 'w>> {
    Ok(match workload.ask {
        Ask::Once(_) => Box::new(Fresh::new(to, workload.connections, exchange, workload.secure)?),
        Ask::Get(_) | Ask::Stream(_) | Ask::Post(_) => {
            Box::new(Kept::open(to, workload.connections, exchange, workload.secure)?)
        }
    })
}
