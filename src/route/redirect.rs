//! `routes.NAME.redirect`: the client is sent elsewhere.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::exchange::Exchange;
use crate::message::head::{Head, Known};
use crate::message::reply::Reply;
use crate::message::template::Template;

/// `redirect = { to = "https://new.example.com{path}", status = 308 }`: where the client is sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Where to: a URL or a path; may use {path} {query} {host} {path.NAME} and the other variables.
    pub to: Template,
    /// The status: 301, 302, 303, 307 or 308 (the default), which keeps method and body.
    #[serde(default = "permanent")]
    pub status: u16,
}

const fn permanent() -> u16 {
    308
}

impl Redirect {
    /// Statuses that redirect (RFC 9110, 15.4).
    pub const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

    /// To https at the same host.
    pub fn to_https() -> Self {
        Self { to: Template::to_https(), status: permanent() }
    }

    /// The same, for a route: which segment of its path a name in braces is.
    #[must_use]
    pub fn within(&self, segment: impl Fn(&str) -> Option<usize>) -> Self {
        Self { to: self.to.within(segment), status: self.status }
    }

    /// The answer to a request, in a head to be used again. `None`: it is to name the host, and the request has none.
    pub fn reply(&self, x: &Exchange, head: Head) -> Option<Reply> {
        if x.head.host().is_empty() && self.to.as_str().contains("{host}") {
            return None;
        }
        let mut to = Vec::new();
        self.to.write(x, &mut to);
        // `//evil.example` is a host to a browser: a path must not become one.
        if !self.to.as_str().starts_with("//") && to.starts_with(b"//") {
            let slashes = to.iter().take_while(|byte| **byte == b'/').count();
            to.drain(..slashes - 1);
        }
        let mut reply = Reply::own(head, self.status, "");
        // It is made of texts of the file and of parts of a target, which are ASCII.
        reply.head.add(Known::Other, "location", std::str::from_utf8(&to).unwrap_or_default());
        Some(reply)
    }
}
