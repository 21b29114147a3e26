//! What tests use: a weir started from TOML text, scripted upstreams, a client that sends raw bytes.
//!
//! Real sockets on ephemeral loopback ports; no sleeping: a test waits for a condition, or moves the clock.

mod client;
pub mod grpc;
pub mod http2;
pub mod pki;
pub mod tree;
mod upstream;
mod weir;

pub use client::{Answer, Client, read_answer};
pub use upstream::{Peer, Upstream, refusing};
pub use weir::{Spawned, Weir, complete, until, within};

/// A configuration with one listener, `web`, and one pool, `app`, of these endpoints.
pub fn one_pool(endpoints: &[&dyn std::fmt::Display]) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|e| format!("\"{e}\"")).collect();
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\npool = \"app\"\n\n[pools.app]\nendpoints = [{}]\n",
        endpoints.join(", ")
    )
}

/// The same, whose endpoints are not told of their clients: what they receive is what was asked.
pub fn untold(text: String) -> String {
    text.replacen("pool = \"app\"\n", "pool = \"app\"\npolicies = \"untold\"\n", 1)
        + "[policies.untold]\nforwarded = \"off\"\nrequest_id = false\n"
}

/// A weir of one worker, so that all connections share one pool, in front of this upstream.
pub fn one_worker(upstream: &Upstream) -> Weir {
    Weir::start(one_pool(&[upstream]) + "[runtime]\nworkers = 1\n")
}

/// A script: answers each request with its path.
pub fn echo(mut peer: Peer) {
    while let Some(request) = peer.request() {
        peer.reply(request.split(' ').nth(1).unwrap_or_default());
    }
}

/// What an attacker hopes to get through.
pub const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
