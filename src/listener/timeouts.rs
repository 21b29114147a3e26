//! `[listeners.NAME.timeouts]`: how long clients are waited for.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::unit::Duration;

/// `[listeners.NAME.timeouts]`: how long clients are waited for. A drip of bytes never extends
/// `proxy_protocol`, `handshake` and `header`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From the connection to the end of a PROXY header, where one comes first; then it closes.
    pub proxy_protocol: Duration,
    /// From then to the end of the TLS handshake; then it closes.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head; then 408, and the connection closes.
    pub header: Duration,
    /// Longest silence within a request's body; then 408, and the connection closes.
    pub body: Duration,
    /// The client takes nothing of what waits for it for so long: reset.
    pub write: Duration,
    /// Keep-alive, with no request open: for so long, ± 10 %; then the connection closes.
    pub idle: Duration,
    /// The same for HTTP/2, whose client is told before (GOAWAY).
    pub h2_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            proxy_protocol: Duration::from_secs(3),
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            h2_idle: Duration::from_secs(300),
        }
    }
}

impl Timeouts {
    /// Every key with its value.
    pub fn all(&self) -> [(&'static str, Duration); 7] {
        [
            ("proxy_protocol", self.proxy_protocol),
            ("handshake", self.handshake),
            ("header", self.header),
            ("body", self.body),
            ("write", self.write),
            ("idle", self.idle),
            ("h2_idle", self.h2_idle),
        ]
    }
}
