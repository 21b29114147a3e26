//! The load: a fixed number of keep-alive connections, each asking again as soon as its answer is
//! whole (closed loop), all in one thread.
//! It must never let a wrong answer pass: every status and every length is checked, small bodies
//! byte by byte, and the first error ends the measurement. Each run starts and ends with no
//! request under way, so that the proxy's CPU time belongs to exactly the requests counted.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::{http, interrupted};

/// The connections to one target, open until this is dropped.
pub struct Load<'w> {
    epoll: Epoll,
    connections: Vec<Connection>,
    request: &'w [u8],
    expect: &'w [u8],
    scratch: Vec<u8>,
}

/// What one run did.
pub struct Run {
    pub requests: u64,
    pub wall: Duration,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the request that the socket has taken.
    sent: usize,
    /// The socket's buffer was full: epoll is asked for room too.
    full: bool,
    /// The answer up to the end of its head; the whole of it when the body is small.
    input: Vec<u8>,
    /// Bytes of a large body still to come, once the head is there.
    left: Option<usize>,
}

impl<'w> Load<'w> {
    /// Opens the connections; nothing is sent yet.
    pub fn open(
        to: SocketAddr,
        count: usize,
        request: &'w [u8],
        expect: &'w [u8],
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for i in 0..count {
            let stream = TcpStream::connect(to)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, i as u64))?;
            connections.push(Connection {
                stream,
                sent: 0,
                full: false,
                input: Vec::new(),
                left: None,
            });
        }
        Ok(Self { epoll, connections, request, expect, scratch: vec![0; SCRATCH] })
    }

    /// Keeps every connection asking for this long, then waits for the answers under way.
    pub fn run(&mut self, time: Duration) -> io::Result<Run> {
        let start = Instant::now();
        for i in 0..self.connections.len() {
            self.ask(i)?;
        }
        let mut busy = self.connections.len();
        let mut requests = 0;
        let mut events = [EpollEvent::empty(); 64];
        while busy > 0 {
            let n = match self.epoll.wait(&mut events, STALL_MS) {
                Err(nix::errno::Errno::EINTR) => continue,
                n => n?,
            };
            if interrupted() {
                return Err(ErrorKind::Interrupted.into());
            }
            if n == 0 {
                return Err(Error::other(format!("{busy} answers did not come for 5 s")));
            }
            let more = start.elapsed() < time;
            for event in &events[..n] {
                let i = event.data() as usize;
                if event.events().contains(EpollFlags::EPOLLOUT) {
                    self.send(i)?;
                }
                if event.events().intersects(!EpollFlags::EPOLLOUT) && self.receive(i)? {
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

    fn ask(&mut self, i: usize) -> io::Result<()> {
        self.connections[i].sent = 0;
        self.send(i)
    }

    /// Sends what the socket takes; the rest follows when epoll says that there is room.
    fn send(&mut self, i: usize) -> io::Result<()> {
        let connection = &mut self.connections[i];
        while connection.sent < self.request.len() {
            match connection.stream.write(&self.request[connection.sent..]) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                n => connection.sent += n?,
            }
        }
        let full = connection.sent < self.request.len();
        if full != connection.full {
            connection.full = full;
            let room = if full { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | room, i as u64);
            self.epoll.modify(&connection.stream, &mut event)?;
        }
        Ok(())
    }

    /// Reads once; `true` when the answer is whole and right.
    fn receive(&mut self, i: usize) -> io::Result<bool> {
        let connection = &mut self.connections[i];
        let n = match connection.stream.read(&mut self.scratch) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            n => n?,
        };
        if n == 0 {
            return Err(Error::other("a keep-alive connection was closed"));
        }
        if connection.full {
            return Err(Error::other("an answer before the end of the request"));
        }
        let left = if let Some(left) = connection.left {
            left.checked_sub(n)
        } else {
            connection.input.extend_from_slice(&self.scratch[..n]);
            let Some(answer) = http::answer(&connection.input)? else { return Ok(false) };
            http::check(&answer, self.expect.len())?;
            let body = &connection.input[answer.head..];
            if answer.body <= SMALL {
                if body.len() < answer.body {
                    return Ok(false);
                }
                http::compare(body, self.expect)?;
            }
            let left = answer.body.checked_sub(body.len());
            connection.input.clear();
            left
        };
        let left = left.ok_or_else(|| Error::other("bytes after the body"))?;
        connection.left = (left > 0).then_some(left);
        Ok(left == 0)
    }
}

/// Bodies up to this length are compared byte by byte.
const SMALL: usize = 4 << 10;
/// One hot buffer for all connections: it stays in the second-level cache.
const SCRATCH: usize = 256 << 10;
const STALL_MS: u16 = 5_000;
