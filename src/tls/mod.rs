//! TLS: what weir shows to clients and asks of them, and whom it believes among endpoints. Which connection gets it,
//! `listener` and `pool` decide.
//!
//! All of rustls stands here, in `net::stream` and in `listener::handshake`. Cryptography is aws-lc's.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub mod certificate;
pub mod client;
pub mod hello;
mod names;
pub mod server;

pub use names::subject;

/// The algorithms that are built in; X25519MLKEM768 comes first.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
