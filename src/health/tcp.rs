//! A check that connects: something listens there.

use std::net::SocketAddr;

use super::{Answer, Probe, Problem};
use crate::net::socket;

/// Connects and closes again.
pub struct Tcp {
    address: SocketAddr,
}

impl Tcp {
    /// Connects to this address.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address }
    }
}

impl Probe for Tcp {
    fn ask(&mut self) -> Answer<'_> {
        Box::pin(async {
            let stream = socket::dial(self.address).await;
            stream.map(drop).map_err(|error| Problem::connect(&error))
        })
    }
}
