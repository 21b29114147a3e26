//! One request and what is known about it. It lives for one request, on one worker.

use std::net::SocketAddr;
use std::time::Duration;

use super::body::Body;
use super::head::Head;

/// A request on its way, and what became of it so far.
pub struct Exchange {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Body,
    /// Who sent it.
    pub client: Client,
    /// It had come already when its turn came: no event of its own told of it.
    pub pipelined: bool,
    /// When its first byte was seen.
    pub started: Duration,
    /// When the head of the answer came; zero: none did.
    pub answered: Duration,
    /// How many attempts were made.
    pub attempts: u8,
    /// The endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
}

/// The connection a request came on.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The number of its listener.
    pub listener: usize,
    /// The client's address.
    pub peer: SocketAddr,
    /// It is a proxy whose word about its clients is believed.
    pub trusted: bool,
}

/// How the head of a request came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// When its first byte was seen.
    pub at: Duration,
    /// It had come already when its turn came: no event of its own told of it.
    pub pipelined: bool,
}

impl Exchange {
    /// A request that has just been read.
    pub const fn new(head: Head, body: Body, client: Client, arrival: Arrival) -> Self {
        Self {
            head,
            body,
            client,
            pipelined: arrival.pipelined,
            started: arrival.at,
            answered: Duration::ZERO,
            attempts: 0,
            endpoint: None,
        }
    }
}
