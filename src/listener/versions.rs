//! `listeners.NAME.http_versions`: which versions of HTTP are spoken, and how a client's is known.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::unit::OneOrMany;

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum HttpVersion {
    #[serde(rename = "1.1")]
    Http1,
    #[serde(rename = "2")]
    Http2,
}

/// Both.
pub fn all() -> OneOrMany<HttpVersion> {
    vec![HttpVersion::Http1, HttpVersion::Http2].into()
}

/// The versions that a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// HTTP/1.1, and 1.0.
    pub http1: bool,
    /// HTTP/2: by ALPN over TLS, by prior knowledge without (RFC 9113, 3.3).
    pub http2: bool,
}

impl Versions {
    /// Those that are named.
    pub fn of(named: &[HttpVersion]) -> Self {
        let has = |version| named.contains(&version);
        Self { http1: has(HttpVersion::Http1), http2: has(HttpVersion::Http2) }
    }

    /// What a TLS handshake offers, the best first (RFC 7301).
    pub fn alpn(self) -> Vec<&'static str> {
        [(self.http2, "h2"), (self.http1, "http/1.1")]
            .into_iter()
            .filter_map(|(spoken, name)| spoken.then_some(name))
            .collect()
    }
}

/// Whether what has come may be the beginning of HTTP/2; `None`: it is not; else whether it is all of it.
pub fn begins_http2(received: &[u8]) -> Option<bool> {
    if received.len() >= PREFACE.len() {
        return received.starts_with(PREFACE).then_some(true);
    }
    PREFACE.starts_with(received).then_some(false)
}

/// What a client begins with that knows that HTTP/2 is spoken (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
