//! Heads written anew: the only place where weir makes HTTP/1 heads.
//!
//! Fields that nobody touched and that stand in canonical form are copied in runs; what concerned one
//! connection is left out; framing, Host and Connection are weir's own. So a peer reads from weir exactly
//! what weir has understood, and nothing else.

use super::framing::Framing;
use crate::message::head::{Head, Known, Method, Span, Version};

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
    fields(head, framing, out);
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
    out.extend_from_slice(match head.version {
        Version::Http11 => b"via: 1.1 weir\r\n\r\n",
        Version::Http10 => b"via: 1.0 weir\r\n\r\n",
    });
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
    fields(head, Framing::Chunked, out);
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
        // 1xx and 204 must not have one (RFC 9110, 8.6); of HEAD and 304 it is passed on.
        let kept = if head.status == 204 { Framing::Chunked } else { Framing::None };
        fields(head, kept, out);
    } else {
        fields(head, how.framing, out);
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

/// Writes the fields that are passed on; those that stand side by side in canonical form in one copy.
fn fields(head: &Head, framing: Framing, out: &mut Vec<u8>) {
    let keeps_length = matches!(framing, Framing::None | Framing::Length(_));
    let mut run = Span::default();
    for field in &head.fields {
        let dropped = field.removed
            || field.known == Known::Trailer && framing != Framing::Chunked
            || field.known == Known::ContentLength
                && !(keeps_length && is_canonical(head.slice(field.value)));
        if dropped {
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
    use crate::h1::{Limits, Message, request as read_request, response as read_response};

    const REQUESTS: [&str; 9] = [
        "GET /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
        "POST /./%7e/%2e%2E/x HTTP/1.1\r\nhost:a\r\nContent-Length: 10\r\nX:\t y \r\n\r\n",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\nTE: trailers\r\nX-A: y\r\n\r\n",
        "GET http://B.example/x?y HTTP/1.1\r\nHost: a\r\nConnection: close, x-a\r\nX-A: b\r\n\r\n",
        "GET https://b?y HTTP/1.1\r\nX: y\r\nHost: b\r\nExpect: 100-continue\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 007\r\n\r\n",
        "POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "\r\nDELETE //a;b/%2F HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nKeep-Alive: y\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\nA:\r\nB: \r\nA: c\r\nContent-Length: 0\r\n\r\n",
    ];
    const ANSWERS: [&str; 6] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nServer: x\r\nSet-Cookie: a=b\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nX:y\r\nTrailer: x\r\n\r\n",
        "HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 007\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nDate: x\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 304 \r\nETag: \"x\"\r\nContent-Length: 5\r\nKeep-Alive: y\r\n\r\n",
        "HTTP/1.1 500 O k\r\nX: y \r\nConnection: x\r\n\r\n",
    ];
    /// Bytes that mean something to one parser or another.
    const BYTES: &[u8] = b"\r\n\t :,;/?#%@[]\\*.-_\0\x01\x0b\x7f\x80\xff0159aAfxzZ";

    /// Changes a head in one to three places, by bytes that matter or by parts of other heads.
    fn mutate(random: &mut fastrand::Rng, seeds: &[&str], into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(random.choice(seeds).unwrap().as_bytes());
        for _ in 0..random.usize(1..=3) {
            let at = random.usize(0..into.len());
            let byte = *random.choice(BYTES).unwrap();
            match random.u8(0..6) {
                0 | 1 => into[at] = byte,
                2 => into.insert(at, byte),
                3 if into.len() > 1 => drop(into.remove(at)),
                4 => {
                    let end = (at + random.usize(1..20)).min(into.len());
                    into.drain(at..end);
                    into.push(byte);
                }
                _ => {
                    let other = random.choice(seeds).unwrap().as_bytes();
                    let start = random.usize(0..other.len());
                    let end = (start + random.usize(1..40)).min(other.len());
                    into.splice(at..at, other[start..end].iter().copied());
                }
            }
        }
    }

    /// Fields that must arrive as they came, in order.
    fn kept(head: &Head) -> Vec<(&[u8], &[u8])> {
        let weirs = [Known::Host, Known::ContentLength, Known::Expect, Known::Trailer];
        head.fields
            .iter()
            .filter(|field| !field.removed && !weirs.contains(&field.known))
            .filter(|field| head.slice(field.name) != b"via")
            .filter(|field| head.slice(field.value) != b"now")
            .map(|field| (head.slice(field.name), head.slice(field.value)))
            .collect()
    }

    /// What was written is one head in one form, and another parser reads the same fields from it.
    fn check_form(written: &[u8], head: &Head, from: &[u8]) {
        let shown = from.escape_ascii();
        let text = &written[..written.len() - 2];
        assert!(written.ends_with(b"\r\n\r\n"), "{shown}");
        let lines = text.split(|b| *b == b'\n').count();
        assert_eq!(lines, head.fields.len() + 2, "{shown}");
        let clean = text.split_inclusive(|b| *b == b'\n').all(|line| {
            line.strip_suffix(b"\r\n").is_some_and(|l| !l.iter().any(|b| b"\r\n\0".contains(b)))
        });
        assert!(clean, "{shown}");
        let mut found = [httparse::EMPTY_HEADER; 100];
        let at = text.iter().position(|b| *b == b'\n').unwrap() + 1;
        let Ok(httparse::Status::Complete((length, found))) =
            httparse::parse_headers(&written[at..], &mut found)
        else {
            panic!("another parser does not understand {shown}")
        };
        assert_eq!(at + length, written.len(), "{shown}");
        let ours = head.fields.iter().map(|f| (head.slice(f.name), head.slice(f.value)));
        assert!(ours.eq(found.iter().map(|f| (f.name.as_bytes(), f.value))), "{shown}");
        let count = |name| head.fields.iter().filter(|f| f.known == name).count();
        assert!(count(Known::ContentLength) + count(Known::TransferEncoding) <= 1, "{shown}");
    }

    #[test]
    fn whatever_is_accepted_of_a_client_is_written_so_that_it_means_the_same() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut head, mut again) = (Head::default(), Head::default());
        let (mut bytes, mut written) = (Vec::new(), Vec::new());
        let mut accepted = 0;
        for _ in 0..200_000 {
            mutate(&mut random, &REQUESTS, &mut bytes);
            let read = read_request::read(&bytes, &Limits::CLIENT, &mut head);
            let Ok(Some(Message { framing, .. })) = read else { continue };
            if head.method == Method::Connect {
                continue;
            }
            accepted += 1;
            written.clear();
            request(&head, framing, "127.0.0.1:1", &mut written);
            let shown = bytes.escape_ascii();
            let message = read_request::read(&written, &Limits::CLIENT, &mut again);
            let message = message.unwrap_or_else(|e| panic!("{e:?}: {shown}")).expect("whole");
            check_form(&written, &again, &bytes);
            assert_eq!((message.length, message.framing), (written.len(), framing), "{shown}");
            assert!(message.persistent, "{shown}");
            assert_eq!(again.method_text(), head.method_text(), "{shown}");
            assert_eq!(again.text(again.path), head.text(head.path), "{shown}");
            assert_eq!(again.text(again.query), head.text(head.query), "{shown}");
            let authority = head.text(head.authority);
            let authority = if authority.is_empty() { "127.0.0.1:1" } else { authority };
            assert_eq!(again.text(again.authority), authority, "{shown}");
            assert_eq!(kept(&again), kept(&head), "{shown}");
        }
        assert!(accepted > 20_000, "{accepted}");
    }

    #[test]
    fn whatever_is_accepted_of_an_endpoint_is_written_so_that_it_means_the_same() {
        let mut random = fastrand::Rng::with_seed(2);
        let (mut head, mut again) = (Head::default(), Head::default());
        let (mut bytes, mut written) = (Vec::new(), Vec::new());
        let mut accepted = 0;
        for _ in 0..150_000 {
            mutate(&mut random, &ANSWERS, &mut bytes);
            let asked = if random.bool() { Method::Get } else { Method::Head };
            let read = read_response::read(&bytes, asked, &Limits::ENDPOINT, &mut head);
            let Ok(Some(Message { framing, .. })) = read else { continue };
            if head.status < 200 {
                continue;
            }
            accepted += 1;
            let framing = if framing == Framing::UntilClose { Framing::Chunked } else { framing };
            let bodiless = asked == Method::Head || matches!(head.status, 204 | 304);
            let connection = random.choice([Connection::Silent, Connection::Close]).unwrap();
            written.clear();
            answer(&head, Answer { date: b"now", framing, bodiless, connection }, &mut written);
            let shown = bytes.escape_ascii();
            let message = read_response::read(&written, asked, &Limits::ENDPOINT, &mut again);
            let message = message.unwrap_or_else(|e| panic!("{e:?}: {shown}")).expect("whole");
            check_form(&written, &again, &bytes);
            assert_eq!((message.length, message.framing), (written.len(), framing), "{shown}");
            assert_eq!(message.persistent, connection == Connection::Silent, "{shown}");
            assert_eq!(again.status, head.status, "{shown}");
            assert_eq!(again.text(again.reason), head.text(head.reason), "{shown}");
            assert_eq!(kept(&again), kept(&head), "{shown}");
            // Of HEAD and 304 it is passed on; 204 must not have one.
            let kept_length = head.get(Known::ContentLength).filter(|l| is_canonical(l));
            let expected = if head.status == 204 { None } else { kept_length };
            if bodiless {
                assert_eq!(again.get(Known::ContentLength), expected, "{shown}");
            }
        }
        assert!(accepted > 15_000, "{accepted}");
    }
}
