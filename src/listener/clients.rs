//! `listeners.NAME.limits.connections_per_client`: how many connections of a listener are whose.
//!
//! Counted over all workers, so behind locks: of a sixteenth of all clients each, held for a look, once per
//! connection and not at all while there is no such limit; what came then is never counted. A client is forgotten
//! with its last connection.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use parking_lot::Mutex;

/// The clients of a listener that have connections, and how many.
#[derive(Default)]
pub struct Clients {
    /// Trees, since they give memory back: clients come by the million, and go.
    parts: [Mutex<BTreeMap<Network, u32>>; 16],
}

/// Who is one client: an address, or the network that one site gets (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Network {
    V4(u32),
    /// The first 64 bits.
    V6(u64),
}

/// A connection that counts for its client while it exists.
pub struct Counted {
    clients: Arc<Clients>,
    network: Network,
}

/// The client has as many connections as it may.
#[derive(Debug)]
pub struct TooMany;

impl Network {
    fn of(address: IpAddr) -> Self {
        // A listener of both families sees IPv4 as a part of IPv6.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl Clients {
    /// One more connection of this client, which may have `limit`. 0: it is not counted.
    ///
    /// # Errors
    /// It has so many already.
    pub fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        limit: u32,
    ) -> Result<Option<Counted>, TooMany> {
        if limit == 0 {
            return Ok(None);
        }
        let network = Network::of(address);
        let mut part = self.part(network).lock();
        let count = part.entry(network).or_default();
        // Nobody is entered and refused: an entry that is new is below any limit.
        if *count >= limit {
            return Err(TooMany);
        }
        *count += 1;
        drop(part);
        Ok(Some(Counted { clients: Arc::clone(self), network }))
    }

    fn part(&self, network: Network) -> &Mutex<BTreeMap<Network, u32>> {
        let hash = FixedState::default().hash_one(network);
        &self.parts[hash as usize % self.parts.len()]
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut part = self.clients.part(self.network).lock();
        let Some(count) = part.get_mut(&self.network) else { return };
        *count -= 1;
        if *count == 0 {
            part.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_so_many_and_its_last_one_takes_its_entry_along() {
        let clients = Arc::new(Clients::default());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let enter = |text: &str| clients.enter(address(text), 2);
        let first = enter("192.0.2.1").unwrap();
        let mapped = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_err(), "the same one, however it is written");
        let others = [enter("192.0.2.2").unwrap(), enter("2001:db8::1").unwrap()];
        let site = enter("2001:db8::ffff:1").unwrap();
        assert!(enter("2001:db8:0:0:1::").is_err(), "one /64 is one client");
        let next = enter("2001:db8:0:1::").unwrap();
        drop(first);
        assert!(enter("192.0.2.1").is_ok());
        drop((mapped, others, site, next));
        assert!(clients.parts.iter().all(|part| part.lock().is_empty()));
        assert!(matches!(clients.enter(address("192.0.2.1"), 0), Ok(None)), "no limit, no entry");
    }
}
