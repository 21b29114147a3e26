//! One connection of a client: sends a request, reads the answer and checks it.
//! `kept`, `fresh` and `open_loop` decide when each asks. It must never let a wrong answer pass:
//! every status and every length is checked, small bodies byte by byte, and any error ends the
//! measurement.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::wire::Wire;
use crate::workload::Exchange;
use crate::{http, http2, interrupted};

/// What all connections of one load share.
pub struct Shared<'w> {
    epoll: Epoll,
    exchange: &'w Exchange,
    secure: bool,
    scratch: Vec<u8>,
}

/// One connection, open until this is dropped.
pub struct Connection {
    pub wire: Wire,
    /// What epoll calls it.
    index: usize,
    /// Bytes of the request that the socket has taken; none between two requests.
    sent: usize,
    /// The socket's buffer was full: epoll is asked for room too.
    full: bool,
    /// The answer up to the end of its head; the whole of it when the body is small.
    input: Vec<u8>,
    /// Bytes of a large body still to come, once the head is there.
    left: Option<usize>,
    /// What is sent of HTTP/2, and on which stream; it differs from one request to the next.
    stream: Option<(u32, Vec<u8>)>,
}

impl<'w> Shared<'w> {
    pub fn new(exchange: &'w Exchange, secure: bool) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, exchange, secure, scratch: vec![0; SCRATCH] })
    }

    /// Waits until something happens; that nothing does for long is an error.
    pub fn wait(&self, events: &mut [EpollEvent], busy: usize) -> io::Result<usize> {
        loop {
            let n = match self.epoll.wait(events, STALL_MS) {
                Err(Errno::EINTR) => continue,
                n => n?,
            };
            if interrupted() {
                return Err(ErrorKind::Interrupted.into());
            }
            return if n == 0 { Err(stalled(busy)) } else { Ok(n) };
        }
    }

    /// What has happened by now.
    pub fn look(&self, events: &mut [EpollEvent]) -> io::Result<usize> {
        if interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(self.epoll.wait(events, 0_u8)?)
    }
}

/// The end of a measurement in which nothing happens any more.
pub fn stalled(busy: usize) -> Error {
    Error::other(format!("{busy} answers did not come for {} s", STALL_MS / 1000))
}

impl Connection {
    /// Connects; nothing is sent yet.
    pub fn open(to: SocketAddr, index: usize, shared: &Shared<'_>) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        shared.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        let http2 = !shared.exchange.fields.is_empty();
        let wire = Wire::new(stream, shared.secure, http2)?;
        let first = || [http2::opening(), shared.exchange.request.clone()].concat();
        let stream = http2.then(|| (1, first()));
        Ok(Self { wire, index, sent: 0, full: false, input: Vec::new(), left: None, stream })
    }

    /// Does what the event allows; `true` when the answer is whole and right.
    pub fn turn(&mut self, event: EpollEvent, shared: &mut Shared<'_>) -> io::Result<bool> {
        // A handshake goes on with whatever comes, and the request behind it.
        if event.events().contains(EpollFlags::EPOLLOUT) || shared.secure && !self.is_sent(shared) {
            self.send(shared)?;
        }
        if shared.secure && !self.is_sent(shared) {
            return Ok(false);
        }
        Ok(event.events().intersects(!EpollFlags::EPOLLOUT) && self.receive(shared)?)
    }

    /// Begins a request, or goes on with it: sends what the socket takes; the rest follows when
    /// epoll says that there is room.
    pub fn send(&mut self, shared: &Shared<'_>) -> io::Result<()> {
        let request = self.stream.as_ref().map_or(&shared.exchange.request, |(_, bytes)| bytes);
        while self.sent < request.len() {
            match self.wire.write(&request[self.sent..]) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                n => self.sent += n?,
            }
        }
        // A handshake waits for the other side, not for room.
        let full = self.sent < request.len() && !shared.secure;
        if full != self.full {
            self.full = full;
            let room = if full { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | room, self.index as u64);
            shared.epoll.modify(self.wire.socket(), &mut event)?;
        }
        Ok(())
    }

    fn is_sent(&self, shared: &Shared<'_>) -> bool {
        let request = self.stream.as_ref().map_or(&shared.exchange.request, |(_, bytes)| bytes);
        self.sent == request.len()
    }

    /// Reads once; `true` when the answer is whole and right.
    fn receive(&mut self, shared: &mut Shared<'_>) -> io::Result<bool> {
        let n = match self.wire.read(&mut shared.scratch) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            n => n?,
        };
        if n == 0 {
            return Err(Error::other("closed before the end of the answer"));
        }
        if let Some((stream, bytes)) = &mut self.stream {
            self.input.extend_from_slice(&shared.scratch[..n]);
            let Some(body) = http2::answer(&mut self.input, *stream)? else { return Ok(false) };
            http::compare(&body, &shared.exchange.expect)?;
            *stream += 2;
            *bytes = http2::request(&shared.exchange.fields, *stream);
            self.sent = 0;
            return Ok(true);
        }
        if self.sent < shared.exchange.request.len() {
            return Err(Error::other("an answer before the end of the request"));
        }
        let expect = &shared.exchange.expect;
        let left = if let Some(left) = self.left {
            left.checked_sub(n)
        } else {
            self.input.extend_from_slice(&shared.scratch[..n]);
            let Some(answer) = http::answer(&self.input)? else { return Ok(false) };
            http::check(&answer, expect.len())?;
            let body = &self.input[answer.head..];
            if answer.body <= SMALL {
                if body.len() < answer.body {
                    return Ok(false);
                }
                http::compare(body, expect)?;
            }
            let left = answer.body.checked_sub(body.len());
            self.input.clear();
            left
        };
        let left = left.ok_or_else(|| Error::other("bytes after the body"))?;
        self.left = (left > 0).then_some(left);
        if left == 0 {
            self.sent = 0;
        }
        Ok(left == 0)
    }
}

/// Bodies up to this length are compared byte by byte.
const SMALL: usize = 4 << 10;
/// One hot buffer for all connections: it stays in the second-level cache.
const SCRATCH: usize = 256 << 10;
/// So long nothing may happen.
pub const STALL_MS: u16 = 5_000;
