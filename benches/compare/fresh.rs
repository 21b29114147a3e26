//! The closed loop over fresh connections: a client connects, asks once with `Connection: close`,
//! waits for the end that the proxy makes, and connects anew.
//! It must never end a run with a connection open: opening and closing belong to the request.

use std::io::{self, Error, ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollEvent;
use socket2::SockRef;

use crate::connection::{Connection, Shared};
use crate::load::{Load, Run};
use crate::workload::Exchange;

/// The clients of one target.
pub struct Fresh<'w> {
    to: SocketAddr,
    shared: Shared<'w>,
    clients: Vec<Option<Client>>,
}

struct Client {
    connection: Connection,
    /// The answer is whole; what is left is that the proxy closes.
    answered: bool,
}

impl<'w> Fresh<'w> {
    /// Nothing is opened yet.
    pub fn new(
        to: SocketAddr,
        count: usize,
        exchange: &'w Exchange,
        secure: bool,
    ) -> io::Result<Self> {
        let clients = (0..count).map(|_| None).collect();
        Ok(Self { to, shared: Shared::new(exchange, secure)?, clients })
    }

    fn ask(&mut self, i: usize) -> io::Result<()> {
        let mut connection = Connection::open(self.to, i, &self.shared)?;
        // The close at the end is a reset: see `Client::turn`.
        SockRef::from(connection.wire.socket()).set_linger(Some(Duration::ZERO))?;
        connection.send(&self.shared)?;
        self.clients[i] = Some(Client { connection, answered: false });
        Ok(())
    }
}

impl Load for Fresh<'_> {
    fn run(&mut self, time: Duration) -> io::Result<Run> {
        let start = Instant::now();
        for i in 0..self.clients.len() {
            self.ask(i)?;
        }
        let mut busy = self.clients.len();
        let mut requests = 0;
        let mut events = [EpollEvent::empty(); 64];
        while busy > 0 {
            let n = self.shared.wait(&mut events, busy)?;
            let more = start.elapsed() < time;
            for event in &events[..n] {
                let i = event.data() as usize;
                let Some(client) = &mut self.clients[i] else { continue };
                if client.turn(*event, &mut self.shared)? {
                    self.clients[i] = None;
                    requests += 1;
                    if more {
                        self.ask(i)?;
                    } else {
                        busy -= 1;
                    }
                }
            }
        }
        Ok(Run { requests, wall: start.elapsed() })
    }
}

impl Client {
    /// `true` when the proxy has closed after a right answer: only then does the client close, and
    /// with a reset. A client that closes at once meets one proxy before its own close and another
    /// after it, and so makes them do different work: it would measure who wins a race. Since the
    /// proxy closes first, TIME_WAIT would be its, one for each request; the reset ends it, so that
    /// no run finds what those before it left, and no port runs out.
    fn turn(&mut self, event: EpollEvent, shared: &mut Shared<'_>) -> io::Result<bool> {
        if !self.answered {
            self.answered = self.connection.turn(event, shared)?;
            return Ok(false);
        }
        match self.connection.wire.read(&mut [0]) {
            Ok(0) => Ok(true),
            Ok(_) => Err(Error::other("bytes after the body")),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e),
        }
    }
}
