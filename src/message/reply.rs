//! An answer, whoever made it: an endpoint, or weir itself.

use http::StatusCode;

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
    pub fn own(head: Head, status: u16, text: &'static str) -> Self {
        Self::with(head, status, "text/plain; charset=utf-8", Body::Memory(text.as_bytes()))
    }

    /// One of weir's own with this body, in a head to be used again.
    pub fn with(mut head: Head, status: u16, content_type: &str, body: Body) -> Self {
        head.clear();
        head.status = status;
        head.reason = head.append(reason_phrase(status).as_bytes());
        if body.length() != Some(0) {
            head.add(Known::ContentType, "content-type", content_type);
        }
        let mut reply = Self { head, body: Body::Empty };
        reply.set_body(body);
        reply
    }

    /// Gives it another body, of a length that is known.
    pub fn set_body(&mut self, body: Body) {
        if let Some(length @ 1..) = body.length() {
            // Also for HEAD, whose answer has no body that would tell.
            let mut digits = itoa::Buffer::new();
            self.head.add(Known::ContentLength, "content-length", digits.format(length));
        }
        self.body = body;
    }
}

/// The usual words for a status (RFC 9110, 15).
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        // RFC 9110 has given it a new one.
        413 => "Content Too Large",
        _ => StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or(""),
    }
}
