//! Heads written anew: the only place where weir makes HTTP/1 heads.
//!
//! Fields that nobody touched and that stand in canonical form are copied in runs; what concerned one
//! connection is left out; framing, Host and Connection are weir's own. So a peer reads from weir exactly
//! what weir has understood, and nothing else.

use super::framing::Framing;
use crate::message::head::{Head, Known, Method, Span};

/// Writes a request head. `endpoint` becomes the Host of a request that names none (HTTP/1.0).
pub fn request(head: &Head, framing: Framing, endpoint: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method_text().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.slice(head.path));
    out.extend_from_slice(head.slice(head.query));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let names_host = head.fields.iter().any(|f| f.known == Known::Host && !f.removed);
    if !names_host {
        let authority = head.text(head.authority);
        let host = if authority.is_empty() { endpoint } else { authority };
        field("host", host.as_bytes(), out);
    }
    fields(head, Kept::of(framing), out);
    if !head.upgrade.is_empty() {
        upgrade(head, out);
    } else if head.takes_trailers {
        out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
    }
    match framing {
        // A method that usually has a body says that it has none (RFC 9110, 8.6).
        Framing::None if matches!(head.method, Method::Post | Method::Put | Method::Patch) => {
            length(head, 0, out);
        }
        Framing::Length(n) => length(head, n, out),
        Framing::Chunked | Framing::UntilClose => field("transfer-encoding", b"chunked", out),
        Framing::None => {}
    }
    // A gateway says which version it was asked in (RFC 9110, 7.6.3).
    out.extend_from_slice(b"via: ");
    out.extend_from_slice(head.version.as_str().as_bytes());
    out.extend_from_slice(b" weir\r\n\r\n");
}

/// Writes the head of a request of weir's own: a GET. `last`: the connection is to close after it.
pub fn get(path: &str, host: &str, last: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    field("host", host.as_bytes(), out);
    field("user-agent", concat!("weir/", env!("CARGO_PKG_VERSION")).as_bytes(), out);
    if last {
        field("connection", b"close", out);
    }
    out.extend_from_slice(b"\r\n");
}

/// How an answer is written to a client.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The time, for an answer without a Date (RFC 9110, 6.6.1).
    pub date: &'a [u8],
    /// How its body is delimited.
    pub framing: Framing,
    /// The request was HEAD, or the status allows no body: Content-Length, if any, speaks of another.
    pub bodiless: bool,
    /// What `Connection` says.
    pub connection: Connection,
}

/// What an answer says about the connection after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: it stays open, as HTTP/1.1 has it.
    Silent,
    /// `keep-alive`, to an HTTP/1.0 client that asked for it.
    KeepAlive,
    /// `close`.
    Close,
}

/// Writes the head of an answer that comes before the answer, or ends the conversation in HTTP: 1xx.
pub fn interim(head: &Head, out: &mut Vec<u8>) {
    status_line(head, out);
    fields(head, Kept { length: false, trailer: false }, out);
    if !head.upgrade.is_empty() {
        upgrade(head, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of an answer.
pub fn answer(head: &Head, how: Answer<'_>, out: &mut Vec<u8>) {
    status_line(head, out);
    if head.get(Known::Date).is_none() {
        field("date", how.date, out);
    }
    if how.bodiless {
        // 204 must not have a length (RFC 9110, 8.6); of HEAD and 304 it is passed on.
        fields(head, Kept { length: head.status != 204, trailer: false }, out);
    } else {
        fields(head, Kept::of(how.framing), out);
        match how.framing {
            Framing::None => length(head, 0, out),
            Framing::Length(n) => length(head, n, out),
            Framing::Chunked => field("transfer-encoding", b"chunked", out),
            Framing::UntilClose => {}
        }
    }
    match how.connection {
        Connection::Silent => {}
        Connection::KeepAlive => field("connection", b"keep-alive", out),
        Connection::Close => field("connection", b"close", out),
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(head: &Head, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.slice(head.reason));
    out.extend_from_slice(b"\r\n");
}

/// Writes what the connection is to become, or becomes.
fn upgrade(head: &Head, out: &mut Vec<u8>) {
    out.extend_from_slice(b"connection: upgrade\r\n");
    field("upgrade", head.slice(head.upgrade), out);
}

/// Writes one field.
pub fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Which fields about the body may be passed on.
#[derive(Clone, Copy)]
struct Kept {
    length: bool,
    trailer: bool,
}

impl Kept {
    /// Those that fit how the body is framed now.
    const fn of(framing: Framing) -> Self {
        Self {
            length: matches!(framing, Framing::None | Framing::Length(_)),
            trailer: matches!(framing, Framing::Chunked),
        }
    }
}

/// Writes the fields that are passed on; those that stand side by side in canonical form in one copy.
fn fields(head: &Head, kept: Kept, out: &mut Vec<u8>) {
    let mut run = Span::default();
    for field in &head.fields {
        let passed = match field.known {
            _ if field.removed => false,
            Known::ContentLength => kept.length && is_canonical(head.slice(field.value)),
            Known::Trailer => kept.trailer,
            _ => true,
        };
        if !passed {
            continue;
        }
        let canonical = field.value.start == field.name.end + 2
            && head.bytes[field.name.end as usize..].starts_with(b": ")
            && head.bytes[field.value.end as usize..].starts_with(b"\r\n");
        if !canonical {
            flush(head, &mut run, out);
            out.extend_from_slice(head.slice(field.name));
            out.extend_from_slice(b": ");
            out.extend_from_slice(head.slice(field.value));
            out.extend_from_slice(b"\r\n");
        } else if run.end == field.name.start {
            run.end = field.value.end + 2;
        } else {
            flush(head, &mut run, out);
            run = Span { start: field.name.start, end: field.value.end + 2 };
        }
    }
    flush(head, &mut run, out);
}

fn flush(head: &Head, run: &mut Span, out: &mut Vec<u8>) {
    out.extend_from_slice(head.slice(*run));
    *run = Span::default();
}

/// Writes Content-Length, unless the message's own stands there in canonical form.
fn length(head: &Head, n: u64, out: &mut Vec<u8>) {
    if !head.get(Known::ContentLength).is_some_and(is_canonical) {
        field("content-length", itoa::Buffer::new().format(n).as_bytes(), out);
    }
}

/// Digits as weir would write them.
fn is_canonical(digits: &[u8]) -> bool {
    digits == b"0" || digits.first().is_some_and(|first| *first != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{Limits, request as read_request, response as read_response};

    // That each head means the same to its reader is for `tests/fuzz/`; these are the forms.

    #[test]
    fn a_request_is_written_in_one_form() {
        for (bytes, expected) in [
            (
                "GET /a?b HTTP/1.1\r\nHost: a:80\r\nX:\t y \r\nCookie: a=b\r\n\r\n",
                "GET /a?b HTTP/1.1\r\nHost: a:80\r\nX: y\r\nCookie: a=b\r\nvia: 1.1 weir\r\n\r\n",
            ),
            (
                "\r\nPUT /./%7e HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\nHost:a\r\nTE: x\r\nA:\r\n\r\n",
                "PUT /~ HTTP/1.1\r\nHost: a\r\nA: \r\ntransfer-encoding: chunked\r\nvia: 1.1 weir\r\n\r\n",
            ),
            (
                "POST http://B/ HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nExpect: x\r\n\r\n",
                "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 7\r\nvia: 1.1 weir\r\n\r\n",
            ),
            (
                "PATCH / HTTP/1.0\r\n\r\n",
                "PATCH / HTTP/1.1\r\nhost: e:1\r\ncontent-length: 0\r\nvia: 1.0 weir\r\n\r\n",
            ),
        ] {
            let mut head = Head::default();
            let message = read_request::read(bytes.as_bytes(), &Limits::CLIENT, &mut head);
            let mut out = Vec::new();
            request(&head, message.unwrap().unwrap().framing, "e:1", &mut out);
            assert_eq!(out.escape_ascii().to_string(), expected.escape_default().to_string());
        }
    }

    #[test]
    fn an_answer_is_written_in_one_form() {
        let bytes = b"HTTP/1.0 404 N o\r\nContent-Length: 5\r\nX:y\r\nConnection: close\r\n\r\n";
        let mut head = Head::default();
        read_response::read(bytes, Method::Get, &Limits::ENDPOINT, &mut head).unwrap().unwrap();
        let written = |framing, bodiless, connection| {
            let mut out = Vec::new();
            answer(&head, Answer { date: b"now", framing, bodiless, connection }, &mut out);
            let fields = String::from_utf8(out).unwrap();
            let fields = fields.strip_prefix("HTTP/1.1 404 N o\r\ndate: now\r\n").unwrap();
            fields.strip_suffix("\r\n\r\n").unwrap().replace("\r\n", ", ")
        };
        let length = Framing::Length(5);
        assert_eq!(written(length, false, Connection::Silent), "Content-Length: 5, X: y");
        let closed = "Content-Length: 5, X: y, connection: close";
        assert_eq!(written(Framing::None, true, Connection::Close), closed);
        let kept = "X: y, transfer-encoding: chunked, connection: keep-alive";
        assert_eq!(written(Framing::Chunked, false, Connection::KeepAlive), kept);
        assert_eq!(written(Framing::UntilClose, false, Connection::Silent), "X: y");
    }
}
