//! The closed loop over keep-alive connections: each asks again as soon as its answer is whole.
//! It must never end a run with a request under way: the proxy's CPU time belongs to exactly the
//! requests counted.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollEvent;

use crate::connection::{Connection, Shared};
use crate::load::{Load, Run};
use crate::workload::Exchange;

/// The connections to one target, open until this is dropped.
pub struct Kept<'w> {
    shared: Shared<'w>,
    connections: Vec<Connection>,
}

impl<'w> Kept<'w> {
    /// Opens the connections; nothing is sent yet.
    pub fn open(
        to: SocketAddr,
        count: usize,
        exchange: &'w Exchange,
        secure: bool,
    ) -> io::Result<Self> {
        let shared = Shared::new(exchange, secure)?;
        let connections = (0..count).map(|i| Connection::open(to, i, &shared));
        Ok(Self { connections: connections.collect::<io::Result<_>>()?, shared })
    }
}

impl Load for Kept<'_> {
    fn run(&mut self, time: Duration) -> io::Result<Run> {
        let start = Instant::now();
        for connection in &mut self.connections {
            connection.send(&self.shared)?;
        }
        let mut busy = self.connections.len();
        let mut requests = 0;
        let mut events = [EpollEvent::empty(); 64];
        while busy > 0 {
            let n = self.shared.wait(&mut events, busy)?;
            let more = start.elapsed() < time;
            for event in &events[..n] {
                let connection = &mut self.connections[event.data() as usize];
                if connection.turn(*event, &mut self.shared)? {
                    requests += 1;
                    if more {
                        connection.send(&self.shared)?;
                    } else {
                        busy -= 1;
                    }
                }
            }
        }
        Ok(Run { requests, wall: start.elapsed() })
    }
}
