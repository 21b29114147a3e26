//! A check that connects: something listens there, and speaks TLS if its pool does.

use super::{Answer, Door, Probe};
use crate::tls::client::Inside;

/// Connects and closes again.
pub struct Tcp(Door);

impl Tcp {
    /// Connects there.
    pub const fn new(door: Door) -> Self {
        Self(door)
    }
}

impl Probe for Tcp {
    fn ask(&mut self) -> Answer<'_> {
        Box::pin(async { self.0.open(Inside::Http1).await.map(drop) })
    }
}
