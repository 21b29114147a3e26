//! An answer, whoever made it: an endpoint, or weir itself.

use super::body::Body;
use super::head::{Head, Known};

/// An answer.
pub struct Reply {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Body,
}

impl Reply {
    /// One of weir's own: a status and a line of text.
    pub fn own(mut head: Head, status: u16, text: &'static str) -> Self {
        head.clear();
        head.status = status;
        head.reason = head.append(reason_phrase(status).as_bytes());
        head.add(Known::ContentType, "content-type", "text/plain; charset=utf-8");
        Self { head, body: Body::Memory(text.as_bytes()) }
    }
}

/// The usual words for the statuses that weir answers with (RFC 9110, 15).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
