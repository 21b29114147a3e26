//! Trailers on their way from one connection to another (RFC 9110, 6.5).
//!
//! A decoder has checked their lines. Here is what may be passed on of them: nothing that would mean something
//! to a peer that merges trailers into the head, which is framing, routing, credentials and what a proxy says.

use crate::message::head::Known;

/// Writes what may be passed on of a trailer section, whose lines end in CRLF.
pub fn write(section: &[u8], out: &mut Vec<u8>) {
    for line in section.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = &line[..colon];
        if may_be_a_trailer(name) {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(line[colon + 1..].trim_ascii());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Whether a field of this name has a meaning behind a body only (RFC 9110, 6.5.1).
pub fn may_be_a_trailer(name: &[u8]) -> bool {
    let begins = |start: &[u8]| {
        name.get(..start.len()).is_some_and(|front| front.eq_ignore_ascii_case(start))
    };
    Known::from_name(name) == Known::Other
        && !name.contains(&b'_')
        && !FRONTS.iter().any(|front| begins(front.as_bytes()))
        && !HEAD_ONLY.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// Whole families: negotiation and conditions, what proxies say of clients, what describes the content.
const FRONTS: [&str; 6] =
    ["accept", "content-", "if-", "proxy-", "x-forwarded-", "access-control-"];
/// Names that weir does not know otherwise.
const HEAD_ONLY: [&str; 13] = [
    "age",
    "cache-control",
    "early-data",
    "expires",
    "location",
    "max-forwards",
    "pragma",
    "range",
    "set-cookie",
    "vary",
    "via",
    "warning",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_nothing_in_a_head_is_passed_on() {
        let section = b"X-Sum:1\r\nHost: b\r\nContent-Length: 5\r\nGrpc-Status: \t0 \r\nX_Y: z\r\n\
            Transfer-Encoding: chunked\r\nx-forwarded-for: 1\r\nAuthorization: x\r\nSet-Cookie: a\r\n\
            If-Match: x\r\nETag: \"a\"\r\nEmpty:\r\n";
        let mut out = Vec::new();
        write(section, &mut out);
        assert_eq!(out, b"X-Sum: 1\r\nGrpc-Status: 0\r\nETag: \"a\"\r\nEmpty: \r\n");
        write(b"", &mut out);
        assert!(out.ends_with(b"Empty: \r\n"));
    }
}
