//! The server behind the proxies: one thread, one epoll, answers that were built beforehand.
//! Started once by `main` and shared by all targets, so that it costs each of them the same;
//! `latency` has one of its own, which the open loop serves itself.
//! It must never be the bottleneck, nor leave the core of the load.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::http;

/// What epoll calls the listener.
const LISTENER: u64 = u64::MAX;

/// What the origin answers to a GET: the path and the length of the body.
pub const BODIES: [(&str, usize); 4] =
    [("/", 2), ("/100", 100), ("/64k", 64 << 10), ("/1m", 1 << 20)];

/// The origin, served by whoever calls `turn`.
pub struct Origin {
    listener: TcpListener,
    epoll: Epoll,
    answers: Box<Answers>,
    scratch: Vec<u8>,
    /// The descriptor is the index.
    connections: Vec<Option<Connection>>,
}

/// An origin that a thread of its own serves until the process ends, or somebody takes it.
pub struct Served {
    pub address: SocketAddr,
    wanted: Arc<AtomicBool>,
    thread: JoinHandle<Origin>,
}

/// Starts an origin on a port of its own. The thread inherits the caller's core.
pub fn start() -> io::Result<Served> {
    let mut origin = Origin::bind()?;
    let address = origin.listener.local_addr()?;
    let wanted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&wanted);
    let serve = move || {
        let mut events = [EpollEvent::empty(); 256];
        while !seen.load(Ordering::Relaxed) {
            origin.turn(&mut events, EpollTimeout::NONE).expect("the origin serves on");
        }
        origin
    };
    let thread = thread::Builder::new().name("origin".to_owned()).spawn(serve)?;
    Ok(Served { address, wanted, thread })
}

/// A body of this length, as the origin sends it.
pub fn body(len: usize) -> Vec<u8> {
    vec![b'x'; len]
}

impl Served {
    /// Ends the thread and goes on serving in the caller's.
    pub fn take(self) -> io::Result<Origin> {
        self.wanted.store(true, Ordering::Relaxed);
        TcpStream::connect(self.address)?; // the thread waits for something to happen
        self.thread.join().map_err(|_| Error::other("the origin panicked"))
    }
}

impl Origin {
    fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        let answers = BODIES.map(|(path, len)| (path, answer("200 OK", &body(len))));
        let scratch = vec![0; 64 << 10];
        Ok(Self { listener, epoll, answers: Box::new(answers), scratch, connections: Vec::new() })
    }

    /// Waits for something to do, at most so long, and does it: at most as much as `events` holds.
    /// Whether there was something.
    pub fn turn(
        &mut self,
        events: &mut [EpollEvent],
        timeout: impl Into<EpollTimeout>,
    ) -> io::Result<bool> {
        let n = match self.epoll.wait(events, timeout) {
            Err(nix::errno::Errno::EINTR) => return Ok(false),
            n => n?,
        };
        for event in &events[..n] {
            if event.data() == LISTENER {
                self.accept()?;
                continue;
            }
            let slot = &mut self.connections[event.data() as usize];
            let Some(connection) = slot else { continue };
            let turn = connection.turn(&self.epoll, &self.answers, &mut self.scratch);
            if !turn.unwrap_or(false) {
                *slot = None; // a proxy may drop a connection whenever it likes
            }
        }
        Ok(n > 0)
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let (stream, _) = match self.listener.accept() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::ConnectionAborted => continue,
                accepted => accepted?,
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let fd = stream.as_raw_fd();
            let fd = usize::try_from(fd).expect("an open descriptor is not negative");
            self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, fd as u64))?;
            if self.connections.len() <= fd {
                self.connections.resize_with(fd + 1, || None);
            }
            self.connections[fd] = Some(Connection {
                stream,
                input: Vec::new(),
                output: Arc::from([]),
                sent: 0,
                full: false,
            });
        }
    }
}

/// One connection from a proxy. Requests gather in `input` until they are whole: bodies are small.
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Arc<[u8]>,
    sent: usize,
    /// The socket's buffer was full: epoll is asked for room, not for requests.
    full: bool,
}

impl Connection {
    /// Does what the socket allows; `false` when the peer has closed.
    fn turn(&mut self, epoll: &Epoll, answers: &Answers, scratch: &mut [u8]) -> io::Result<bool> {
        if self.full {
            self.flush(epoll)?;
        } else {
            let n = match self.stream.read(scratch) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                n => n?,
            };
            if n == 0 {
                return Ok(false);
            }
            self.input.extend_from_slice(&scratch[..n]);
        }
        while !self.full {
            let Some(request) = http::request(&self.input)? else { break };
            self.output = match request.path {
                "/echo-len" => answer("200 OK", request.body.to_string().as_bytes()),
                path => match answers.iter().find(|(known, _)| *known == path) {
                    Some((_, bytes)) => Arc::clone(bytes),
                    None => answer("404 Not Found", b"no such path\n"),
                },
            };
            let len = request.len;
            self.input.drain(..len);
            self.sent = 0;
            self.flush(epoll)?;
        }
        Ok(true)
    }

    /// Sends what is left; asks epoll for room when the socket is full, for requests otherwise.
    fn flush(&mut self, epoll: &Epoll) -> io::Result<()> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                n => self.sent += n?,
            }
        }
        let full = self.sent < self.output.len();
        if full != self.full {
            self.full = full;
            let interest = if full { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
            let fd = self.stream.as_raw_fd() as u64;
            epoll.modify(&self.stream, &mut EpollEvent::new(interest, fd))?;
        }
        Ok(())
    }
}

type Answers = [(&'static str, Arc<[u8]>)];

/// An answer as it goes over the wire, with the fields that applications commonly send.
fn answer(status: &str, body: &[u8]) -> Arc<[u8]> {
    let len = body.len();
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nServer: origin\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {len}\r\nCache-Control: no-cache\r\n\
         X-Request-Id: 7b1c9a52-2f0e-4c3e-9a51-5b0f4a2f6e11\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Arc::from(bytes)
}
