//! `[listeners.NAME]`: where clients connect. Accepts, and counts what is open.
//!
//! Every worker accepts on a socket of its own; a connection never leaves the worker that accepted it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::net::address::Listen;
use crate::proxy::Local;
use crate::telemetry::http::ListenerMetrics;
use crate::unit::{Cidr, Name, OneOrMany};

mod answer;
mod body;
mod http1;
pub mod limits;
pub mod timeouts;
mod tunnel;
mod writing;

use limits::Limits;
use timeouts::Timeouts;

/// `[listeners.NAME]`: where clients connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on: ":8080" (every interface), "127.0.0.1:8080", "[::1]:8080"; port 0 = any free one.
    pub address: Listen,
    /// What is spoken: "http".
    #[serde(default)]
    pub protocol: Protocol,
    /// Pool used when no route matches. Without it, such a request gets 404.
    #[serde(default)]
    pub pool: Option<Name>,
    /// Names of the policies that hold for every request that comes here; those of its route come after them.
    #[serde(default)]
    pub policies: OneOrMany<Name>,
    /// Proxies whose word about their clients (`X-Forwarded-*`, `Forwarded`) is believed: CIDR, or a list of them.
    #[serde(default)]
    pub trusted_proxies: OneOrMany<Cidr>,
    /// Client connections at once, on this listener. 0: no limit of its own.
    #[serde(default)]
    pub max_connections: u32,
    /// Request headers with `_` in their name, which some servers read as `-`: "drop" them, or "reject" the request.
    #[serde(default)]
    pub underscore_headers: Underscores,
    /// How long clients are waited for.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How much clients may send, and how many may come.
    #[serde(default)]
    pub limits: Limits,
}

/// What becomes of request headers with `_` in their name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Underscores {
    #[default]
    Drop,
    Reject,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    #[default]
    Http,
}

/// A listener as workers see it.
pub struct Listener {
    /// Its number: connections keep it, whatever becomes of the configuration.
    pub id: usize,
    /// What its connections are counted in.
    pub metrics: ListenerMetrics,
    /// What the configuration says of it now.
    pub settings: ArcSwap<Settings>,
}

/// What a reload may change of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub name: Name,
    /// Proxies whose word about their clients is believed.
    pub trusted_proxies: OneOrMany<Cidr>,
    /// Client connections at once; 0: no limit of its own.
    pub max_connections: u32,
    /// What becomes of request headers with `_` in their name.
    pub underscore_headers: Underscores,
    /// How long clients are waited for.
    pub timeouts: Timeouts,
    /// How much clients may send.
    pub limits: Limits,
}

impl Settings {
    /// What the section of this name says.
    pub fn new(name: &Name, section: &Config) -> Self {
        Self {
            name: name.clone(),
            trusted_proxies: section.trusted_proxies.clone(),
            max_connections: section.max_connections,
            underscore_headers: section.underscore_headers,
            timeouts: section.timeouts,
            limits: section.limits,
        }
    }
}

impl Listener {
    /// A new listener of this number.
    pub fn new(id: usize, metrics: ListenerMetrics, settings: Arc<Settings>) -> Self {
        Self { id, metrics, settings: ArcSwap::new(settings) }
    }

    /// Its name, as it is now.
    pub fn name(&self) -> Name {
        self.settings.load().name.clone()
    }
}

/// Accepts connections until `closing` fires; each becomes a task of this worker. What arrives between the
/// last accept and the close of the socket is reset by the kernel.
pub async fn accept(
    listener: Arc<Listener>,
    socket: TcpListener,
    local: Rc<Local>,
    mut closing: oneshot::Receiver<()>,
) {
    let mut short = false;
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = &mut closing => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                short = false;
                serve(&listener, &local, stream, peer);
            }
            Err(error) if is_shortage(&error) => {
                // Accepting again at once would spin: the connection still waits to be accepted.
                listener.metrics.of(local.worker).pauses.add(1);
                if !std::mem::replace(&mut short, true) {
                    tracing::warn!(listener = %listener.name(), %error, "accepting is paused");
                }
                tokio::select! {
                    () = local.closed.notified() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            // The client gave up while it waited.
            Err(error) => tracing::debug!(listener = %listener.name(), %error, "accept failed"),
        }
    }
}

fn serve(listener: &Arc<Listener>, local: &Rc<Local>, stream: TcpStream, peer: SocketAddr) {
    let open = Open::new(listener, local);
    // A listener of both families shows IPv4 clients as IPv6 ones.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    #[expect(clippy::disallowed_methods, reason = "one task per connection is spawned here")]
    tokio::task::spawn_local(async move {
        http1::serve(&open.local, &open.listener, stream, peer).await;
    });
}

/// An open connection, counted while it exists.
struct Open {
    listener: Arc<Listener>,
    local: Rc<Local>,
}

impl Open {
    fn new(listener: &Arc<Listener>, local: &Rc<Local>) -> Self {
        let shard = listener.metrics.of(local.worker);
        shard.accepted.add(1);
        shard.connections.add(1);
        local.open.set(local.open.get() + 1);
        Self { listener: Arc::clone(listener), local: Rc::clone(local) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let local = &self.local;
        self.listener.metrics.of(local.worker).connections.sub(1);
        local.open.set(local.open.get() - 1);
        local.closed.notify_waiters();
        if std::thread::panicking() {
            local.shared.panics.fetch_add(1, Relaxed);
        }
    }
}

fn is_shortage(error: &std::io::Error) -> bool {
    matches!(
        error.raw_os_error().map(nix::errno::Errno::from_raw),
        Some(
            nix::errno::Errno::EMFILE
                | nix::errno::Errno::ENFILE
                | nix::errno::Errno::ENOBUFS
                | nix::errno::Errno::ENOMEM
        )
    )
}

/// How long accepting pauses at most when there is no descriptor left.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
