//! What is asked of each target, and how much of a peer's figure weir may need for it.
//! A new workload is a new row. It must never change a gate to fit a measurement: the gates come
//! from the design.

use crate::{http2, origin};

/// One kind of request, repeated.
pub struct Workload {
    pub name: &'static str,
    pub what: &'static str,
    pub connections: usize,
    pub ask: Ask,
    /// Over TLS 1.3.
    pub secure: bool,
    /// Weir's CPU time per request is at most this share of each peer's.
    pub gate: f64,
}

/// The request of a workload.
pub enum Ask {
    /// A GET, answered with so many bytes.
    Get(&'static str),
    /// The same over a connection that serves it alone.
    Once(&'static str),
    /// The same over HTTP/2, one at a time on each connection.
    Stream(&'static str),
    /// A POST of so many bytes, answered with that number.
    Post(usize),
}

/// The bytes of a request, and the body that must come back.
pub struct Exchange {
    /// The fields of a request of HTTP/2, if it is one.
    pub fields: Vec<(&'static str, &'static str)>,
    pub request: Vec<u8>,
    pub expect: Vec<u8>,
}

pub static WORKLOADS: [Workload; 8] = [
    Workload {
        name: "get100",
        what: "GET, 100 B answer",
        connections: 32,
        ask: Ask::Get("/100"),
        secure: false,
        gate: 0.90,
    },
    Workload {
        name: "get64k",
        what: "GET, 64 KiB answer",
        connections: 16,
        ask: Ask::Get("/64k"),
        secure: false,
        gate: 0.95,
    },
    Workload {
        name: "get1m",
        what: "GET, 1 MiB answer",
        connections: 8,
        ask: Ask::Get("/1m"),
        secure: false,
        gate: 0.95,
    },
    Workload {
        name: "post10k",
        what: "POST of 10 KiB, small answer",
        connections: 32,
        ask: Ask::Post(10 << 10),
        secure: false,
        gate: 0.85,
    },
    Workload {
        name: "newconn",
        what: "GET, 100 B answer, each over a new connection",
        connections: 32,
        ask: Ask::Once("/100"),
        secure: false,
        gate: 1.05,
    },
    Workload {
        name: "tls100",
        what: "GET over TLS 1.3, 100 B answer",
        connections: 32,
        ask: Ask::Get("/100"),
        secure: true,
        gate: 0.90,
    },
    Workload {
        name: "http2",
        what: "GET over HTTP/2 and TLS 1.3, 100 B answer",
        connections: 32,
        ask: Ask::Stream("/100"),
        secure: true,
        gate: 0.95,
    },
    Workload {
        name: "handshake",
        what: "GET, 100 B answer, each after a full handshake of TLS 1.3",
        connections: 32,
        ask: Ask::Once("/100"),
        secure: true,
        gate: 0.70,
    },
];

/// The workload that is not a rate: memory per idle connection.
pub const IDLE: &str = "idle";
/// Bytes that an idle connection of weir may cost.
pub const IDLE_GATE: f64 = 2048.0;
/// The other workload of its own kind: latency at a rate that all targets can do.
pub const LATENCY: &str = "latency";
pub const LATENCY_CONNECTIONS: usize = 256;
/// A ratio's gate is met up to this much above it, with the upper end of the interval.
pub const MARGIN: f64 = 0.05;
/// Fewer rounds judge nothing.
pub const ENOUGH_ROUNDS: usize = 21;

/// Weir's 99th percentile of latency is at most this share of the peer's.
pub fn latency_gate(peer: &str) -> Option<f64> {
    match peer {
        "nginx" => Some(0.8),
        "haproxy" => Some(1.2),
        _ => None,
    }
}

impl Ask {
    pub fn exchange(&self) -> Exchange {
        match self {
            Self::Get(path) => {
                Exchange { fields: Vec::new(), request: get(path), expect: known(path) }
            }
            Self::Stream(path) => Exchange {
                fields: fields(path),
                request: http2::request(&fields(path), 1),
                expect: known(path),
            },
            Self::Once(path) => Exchange {
                fields: Vec::new(),
                request: head("GET", path, "Connection: close\r\n"),
                expect: known(path),
            },
            Self::Post(len) => {
                let length = format!("Content-Type: text/plain\r\nContent-Length: {len}\r\n");
                let mut request = head("POST", "/echo-len", &length);
                request.resize(request.len() + len, b'y');
                Exchange { fields: Vec::new(), request, expect: len.to_string().into_bytes() }
            }
        }
    }
}

/// What the origin answers to a GET of this path.
fn known(path: &str) -> Vec<u8> {
    let known = origin::BODIES.iter().find(|(known, _)| *known == path);
    origin::body(known.expect("the table asks for what the origin has").1)
}

/// A GET with the fields that a browser sends: a proxy has to read and copy them.
pub fn get(path: &str) -> Vec<u8> {
    head("GET", path, "")
}

/// The same fields in HTTP/2.
fn fields(path: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "bench.test:8080"),
        (":path", path),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "http://bench.test:8080/index.html"),
        ("cookie", "session=8c1f3a0b9d2e4f5a6b7c8d9e0f1a2b3c; theme=dark"),
        ("cache-control", "max-age=0"),
    ]
}

fn head(method: &str, path: &str, more: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench.test:8080\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
         Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
         Referer: http://bench.test:8080/index.html\r\n\
         Cookie: session=8c1f3a0b9d2e4f5a6b7c8d9e0f1a2b3c; theme=dark\r\n\
         Cache-Control: max-age=0\r\n{more}\r\n"
    )
    .into_bytes()
}
