//! Scripted upstreams: they record every byte they receive, and answer as a test wants it.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::until;

/// An endpoint in the hands of a test. Dropped, it stops and closes its connections.
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stopping: AtomicBool,
    connections: AtomicUsize,
    served: AtomicUsize,
    requests: AtomicUsize,
    /// The bytes of each connection, in the order they were accepted.
    received: Mutex<Vec<Vec<u8>>>,
    open: Mutex<Vec<TcpStream>>,
}

/// One connection to an upstream.
pub struct Peer {
    /// The socket.
    pub stream: TcpStream,
    /// The number of this connection, from 0.
    pub number: usize,
    unread: Vec<u8>,
    is_reset: bool,
    state: Arc<State>,
}

impl Upstream {
    /// Answers every request with 200 and this text.
    pub fn replying(text: &str) -> Self {
        let text = text.to_owned();
        Self::scripted(move |mut peer| {
            while peer.request().is_some() {
                peer.reply(&text);
            }
        })
    }

    /// Does with each connection what the script says; the connection closes when it returns.
    pub fn scripted(script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        Self::scripted_on(listen(), script)
    }

    /// As `replying`, at a known address: an endpoint that comes back.
    pub fn replying_at(address: SocketAddr, text: &str) -> Self {
        let text = text.to_owned();
        let listener = TcpListener::bind(address).expect("its port is free");
        Self::scripted_on(listener, move |mut peer| {
            while peer.request().is_some() {
                peer.reply(&text);
            }
        })
    }

    fn scripted_on(listener: TcpListener, script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let script = Arc::new(script);
        let shared = Arc::clone(&state);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopping.load(SeqCst) {
                    return;
                }
                let number = shared.connections.fetch_add(1, SeqCst);
                shared.received.lock().push(Vec::new());
                shared.open.lock().push(stream.try_clone().unwrap());
                let state = Arc::clone(&shared);
                let peer = Peer { stream, number, unread: Vec::new(), is_reset: false, state };
                let script = Arc::clone(&script);
                let served = Arc::clone(&shared);
                served.served.fetch_add(1, SeqCst);
                std::thread::spawn(move || {
                    script(peer);
                    served.served.fetch_sub(1, SeqCst);
                });
            }
        });
        Self { address, state, accepting: Some(accepting) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(SeqCst)
    }

    /// How many connections are being served.
    pub fn open(&self) -> usize {
        self.state.served.load(SeqCst)
    }

    /// How many whole requests were read by `Peer::request`.
    pub fn requests(&self) -> usize {
        self.state.requests.load(SeqCst)
    }

    /// All bytes received, connection by connection.
    pub fn received(&self) -> String {
        let all = self.state.received.lock().concat();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Waits until so many requests were read.
    pub fn until_requests(&self, count: usize) {
        until("requests reach the upstream", || self.requests() >= count);
    }

    /// Closes everything, as a killed process would.
    pub fn kill(mut self) -> SocketAddr {
        self.stop();
        self.address
    }

    fn stop(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        self.state.stopping.store(true, SeqCst);
        // Wakes the accept.
        drop(TcpStream::connect(self.address));
        accepting.join().unwrap();
        for stream in self.state.open.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Peer {
    /// Reads one request with its body, as it stands on the wire. `None`: the connection has ended.
    pub fn request(&mut self) -> Option<String> {
        let head_end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at + 4;
            }
            self.read()?;
        };
        let head = String::from_utf8_lossy(&self.unread[..head_end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let end = if let Some(length) = length {
            head_end + length.trim().parse::<usize>().expect("digits")
        } else if head.contains("transfer-encoding: chunked") {
            loop {
                if let Some(at) = find(&self.unread[head_end - 2..], b"\r\n0\r\n") {
                    let last = head_end - 2 + at + 3;
                    if let Some(at) = find(&self.unread[last..], b"\r\n\r\n") {
                        break last + at + 4;
                    }
                }
                self.read()?;
            }
        } else {
            head_end
        };
        while self.unread.len() < end {
            self.read()?;
        }
        self.state.requests.fetch_add(1, SeqCst);
        let request = self.unread.drain(..end).collect::<Vec<u8>>();
        Some(String::from_utf8_lossy(&request).into_owned())
    }

    /// Reads what is there, and records it. `None`: the connection has ended.
    pub fn read(&mut self) -> Option<()> {
        let mut block = [0; 64 * 1024];
        let n = self.stream.read(&mut block).ok().filter(|n| *n > 0)?;
        self.unread.extend_from_slice(&block[..n]);
        self.state.received.lock()[self.number].extend_from_slice(&block[..n]);
        Some(())
    }

    /// What was read behind the last request.
    pub fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Answers 200 with a text.
    pub fn reply(&mut self, text: &str) {
        self.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()));
    }

    /// Sends bytes; that weir has closed is the test's to notice.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Closes by a reset.
    pub fn reset(mut self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
        self.state.open.lock().clear();
        self.is_reset = true;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The state keeps a clone of the socket, so that it can be killed. A reset is not announced by an
        // end: the close alone does it.
        if !self.is_reset {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// An address at which nobody listens.
pub fn refusing() -> SocketAddr {
    loop {
        let address = next_address();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Listens on an address of the loopback that nothing else will take.
fn listen() -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(next_address()) {
            return listener;
        }
    }
}

/// Below the ports that the kernel gives to clients: an endpoint that is killed and comes back must find
/// its port free, and a client that dials a dead one must not be given that very port, and so itself.
fn next_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset =
        (std::process::id() as u16).wrapping_mul(64).wrapping_add(NEXT.fetch_add(1, SeqCst));
    SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + offset % 20_000))
}
