//! Sockets: bound before anything of a new configuration is active, so that a port that cannot be had refuses all of it.
//!
//! Called by `process.rs`. An address that weir itself listens on may be bound again, by another listener or as a part
//! of `:port`: the old socket is closed once the new one is in use.

use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::runtime::Handle;

use super::{Blueprint, Plan};
use crate::net::address::{Bind, Listen};
use crate::net::socket;

/// A listener, the address it is bound to, and a socket for each worker.
pub type Listening = (Plan, SocketAddr, Vec<TcpListener>);

/// Sockets bound for a blueprint, before anything uses them.
pub struct Bound {
    /// Listeners that get another socket per worker, and where those listen.
    pub listeners: Vec<Listening>,
    /// The metrics port, if it is another one.
    pub metrics: Option<(SocketAddr, tokio::net::TcpListener)>,
}

/// What is open while a new configuration is looked at.
pub struct Open<'a> {
    /// The active configuration.
    pub blueprint: &'a Blueprint,
    /// Where weir listens.
    pub addresses: Vec<SocketAddr>,
}

impl Open<'_> {
    /// Whether weir itself is in the way.
    fn overlaps(&self, address: Listen) -> bool {
        // `[::]` takes IPv4, too.
        let own = |own: &SocketAddr| match own.ip().is_unspecified() {
            true => Listen::All(own.port()),
            false => Listen::One(*own),
        };
        self.addresses.iter().map(own).any(|own| own.overlaps(address))
    }

    /// Whether the listener is there already.
    fn has(&self, plan: &Plan) -> bool {
        let mut old = self.blueprint.listeners.iter();
        old.any(|old| old.listener.id == plan.listener.id && old.address == plan.address)
    }
}

/// Binds what the blueprint needs and is not bound yet, for so many workers. Nothing has changed when it fails.
///
/// # Errors
/// A sentence that says which address could not be had, and what to do.
pub fn bind(
    next: &Blueprint,
    open: Option<&Open<'_>>,
    workers: usize,
    control: &Handle,
) -> io::Result<Bound> {
    let listen = |address: Listen, count: usize, who: &str| {
        let ours = open.is_some_and(|open| open.overlaps(address));
        socket::listen(address, count, ours).map_err(|error| explained(error, address, who))
    };
    let mut listeners = Vec::new();
    for plan in next.listeners.iter().filter(|plan| !open.is_some_and(|open| open.has(plan))) {
        let who = format!("listener `{}`", plan.settings.name);
        let sockets = listen(plan.address, workers, &who)?;
        let address = sockets.first().map(TcpListener::local_addr).transpose()?;
        let address = address.unwrap_or_else(|| plan.address.socket());
        listeners.push((plan.clone(), address, sockets));
    }
    let mut metrics = None;
    if let Bind::Listen(address) = next.metrics.address
        && !open.is_some_and(|open| open.blueprint.metrics.address == next.metrics.address)
    {
        for socket in listen(address, 1, "`metrics.address`")? {
            let address = socket.local_addr()?;
            let _within = control.enter();
            metrics = Some((address, tokio::net::TcpListener::from_std(socket)?));
        }
    }
    Ok(Bound { listeners, metrics })
}

/// What could not be had, and what to do.
fn explained(error: io::Error, address: Listen, who: &str) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is in use: stop who listens there, or choose another port (E0503)"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: choose a higher port, or give weir \
             CAP_NET_BIND_SERVICE (E0503)"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address (E0503)",
        _ => {
            return io::Error::new(
                error.kind(),
                format!("{who} cannot listen on {address}: {error}"),
            );
        }
    };
    io::Error::new(error.kind(), format!("{who} cannot listen on {address}: {advice}"))
}
