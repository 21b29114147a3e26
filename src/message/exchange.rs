//! One request and what is known about it. It lives for one request, on one worker.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::body::Body;
use super::head::{Head, Span};
use crate::net::stream::Secured;
use crate::unit::Name;

/// A request on its way, and what became of it so far.
pub struct Exchange {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Body,
    /// What its connection is encrypted with; `None`: nothing.
    pub secured: Option<Arc<Secured>>,
    /// Its path as the client asked for it, whatever the head says by now.
    pub asked: Span,
    /// Its x-request-id, once there is one.
    pub request_id: Span,
    /// Who sent it.
    pub client: Client,
    /// It had come already when its turn came: no event of its own told of it.
    pub pipelined: bool,
    /// When its first byte was seen.
    pub started: Duration,
    /// When the head of the answer came; zero: none did.
    pub answered: Duration,
    /// How long it took to connect to the endpoint; `None`: a connection was open.
    pub connect: Option<Duration>,
    /// How many attempts were made.
    pub attempts: u8,
    /// The endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// Which of its route's pools it goes to.
    pub arm: u16,
    /// The pool of the last attempt, if it is not its route's.
    pub fallback: Option<Name>,
    /// An endpoint was asked although it may not be well.
    pub panic: bool,
}

/// The connection a request came on.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The number of its listener.
    pub listener: usize,
    /// Who connected.
    pub peer: SocketAddr,
    /// It is a proxy whose word about its clients is believed.
    pub trusted: bool,
    /// The client's address: the peer's own, or what a believed one says.
    pub address: IpAddr,
    /// How it speaks to weir: "http" or "https".
    pub scheme: &'static str,
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
            asked: head.path,
            head,
            body,
            secured: None,
            request_id: Span { start: 0, end: 0 },
            client,
            pipelined: arrival.pipelined,
            started: arrival.at,
            answered: Duration::ZERO,
            connect: None,
            attempts: 0,
            endpoint: None,
            arm: 0,
            fallback: None,
            panic: false,
        }
    }

    /// For a test of what looks at the head alone.
    #[cfg(test)]
    pub fn bare(head: Head) -> Self {
        let peer = SocketAddr::from(([0, 0, 0, 0], 0));
        let client =
            Client { listener: 0, peer, trusted: false, address: peer.ip(), scheme: "http" };
        Self::new(head, Body::Empty, client, Arrival::default())
    }
}
