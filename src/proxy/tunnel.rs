//! What is asked before a connection becomes a tunnel: WebSocket and other upgrades.
//!
//! A request for a protocol that its route does not offer is an ordinary request (RFC 9110, 7.8). The answer
//! is checked where it is read (`pool/http1`), the bytes are carried by `net/relay`.

use crate::message::head::{Head, Span};
use crate::policy::Policy;

/// Settles which protocol is asked for: the client's wish, if the route offers it; else none.
pub fn settle(head: &mut Head, policy: &Policy) {
    let wished = head.text(head.upgrade);
    if !policy.upgrade.iter().any(|offered| offered.as_str().eq_ignore_ascii_case(wished)) {
        head.upgrade = Span::default();
    }
}
