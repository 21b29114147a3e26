//! The server behind the proxies: one thread, one epoll, answers that were built beforehand.
//! Started once by `main` and shared by all targets, so that it costs each of them the same.
//! It must never be the bottleneck, nor leave the core of the load.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::thread;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::http;

/// What the origin answers to a GET: the path and the length of the body.
pub const BODIES: [(&str, usize); 4] =
    [("/", 2), ("/100", 100), ("/64k", 64 << 10), ("/1m", 1 << 20)];

/// Starts the origin on a port of its own; it serves until the process ends. The thread inherits
/// the caller's core.
pub fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let serve = move || serve(&listener).expect("the origin serves on");
    thread::Builder::new().name("origin".to_owned()).spawn(serve)?;
    Ok(address)
}

/// A body of this length, as the origin sends it.
pub fn body(len: usize) -> Vec<u8> {
    vec![b'x'; len]
}

fn serve(listener: &TcpListener) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let answers: Vec<_> = BODIES.map(|(path, len)| (path, answer("200 OK", &body(len)))).into();
    let mut scratch = vec![0; 64 << 10];
    let mut connections: Vec<Option<Connection>> = Vec::new(); // the descriptor is the index
    let mut events = [EpollEvent::empty(); 256];
    loop {
        let n = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            n => n?,
        };
        for event in &events[..n] {
            if event.data() == LISTENER {
                accept(listener, &epoll, &mut connections)?;
                continue;
            }
            let slot = &mut connections[event.data() as usize];
            let Some(connection) = slot else { continue };
            if !connection.turn(&epoll, &answers, &mut scratch).unwrap_or(false) {
                *slot = None; // a proxy may drop a connection whenever it likes
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        let (stream, _) = match listener.accept() {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) if e.kind() == ErrorKind::ConnectionAborted => continue,
            accepted => accepted?,
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let fd = usize::try_from(stream.as_raw_fd()).expect("an open descriptor is not negative");
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, fd as u64))?;
        if connections.len() <= fd {
            connections.resize_with(fd + 1, || None);
        }
        connections[fd] = Some(Connection {
            stream,
            input: Vec::new(),
            output: Rc::from([]),
            sent: 0,
            full: false,
        });
    }
}

/// One connection from a proxy. Requests gather in `input` until they are whole: bodies are small.
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Rc<[u8]>,
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
                    Some((_, bytes)) => Rc::clone(bytes),
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

type Answers = [(&'static str, Rc<[u8]>)];

/// An answer as it goes over the wire, with the fields that applications commonly send.
fn answer(status: &str, body: &[u8]) -> Rc<[u8]> {
    let len = body.len();
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nServer: origin\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {len}\r\nCache-Control: no-cache\r\n\
         X-Request-Id: 7b1c9a52-2f0e-4c3e-9a51-5b0f4a2f6e11\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Rc::from(bytes)
}

const LISTENER: u64 = u64::MAX;
