//! Whose request it is: who connected, over what, and whom a believed proxy speaks for.

use super::http1::Connection;
use crate::message::exchange::Client;
use crate::message::head::Head;
use crate::policy::forwarded;

impl Connection {
    /// Who has connected, to the listener of this number. It is not kept: an idle connection is small.
    pub fn client(&self, listener: usize) -> Client {
        let (peer, trusted) = (self.peer, self.trusted.get());
        let scheme = if self.transport.borrow().secured().is_some() { "https" } else { "http" };
        Client { listener, peer, trusted, address: peer.ip(), scheme }
    }

    /// The client of a request, whoever a believed proxy speaks for.
    pub fn seen(&self, client: Client, head: &Head) -> Client {
        let trusts = |address| self.terms.borrow().trusts(address);
        let told = client.trusted.then(|| forwarded::origin(head, trusts));
        Client { address: told.flatten().unwrap_or(client.address), ..client }
    }
}
