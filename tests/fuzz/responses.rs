//! Heads of answers: read as the plain reading has it, however they are cut, and written so that they mean
//! the same.

use fastrand::Rng;
use weir::h1::framing::Framing;
use weir::h1::write::{self, Connection};
use weir::h1::{Limits, response};
use weir::message::head::{Head, Method};

use super::mutate::{damage, pick, stretch};
use super::plain::Answer;
use super::requests::{Verdict, check_cuts, check_form, fits};
use super::{passed, plain, run};

#[test]
fn an_answer_is_read_in_one_way_and_written_in_one_form() {
    let (mut head, mut again, mut written) = (Head::default(), Head::default(), Vec::new());
    run("responses", 400_000, make, |random, bytes| {
        let asked = pick(random, &[Method::Get, Method::Get, Method::Get, Method::Head]);
        let (verdict, expected) = agreed(bytes, asked, &mut head);
        let read = |end: usize| response::read(&bytes[..end], asked, &Limits::ENDPOINT, &mut again);
        check_cuts(random, bytes, verdict, &Limits::ENDPOINT, read);
        let Some(expected) = expected else { return false };
        // These are never passed on.
        if expected.status >= 200 && fits(&expected.fields, expected.length, &Limits::ENDPOINT) {
            let how = form(random, &expected, asked);
            written.clear();
            write::answer(&head, how, &mut written);
            check_written(&written, &expected, asked, how, &mut again);
        }
        true
    });
}

/// What weir says of the bytes; and the plain reading, which agrees.
pub fn agreed<'a>(
    bytes: &'a [u8],
    asked: Method,
    head: &mut Head,
) -> (Verdict, Option<Answer<'a>>) {
    let verdict = response::read(bytes, asked, &Limits::ENDPOINT, head);
    let expected = plain::answer(bytes, asked == Method::Head);
    match (verdict, &expected) {
        (Ok(Some(message)), Some(expected)) => {
            assert_eq!(message.length, expected.length);
            assert_eq!(message.framing, expected.framing);
            assert_eq!(message.persistent, expected.persistent);
            assert_eq!(head.status, expected.status);
            assert_eq!(head.slice(head.reason), expected.reason);
        }
        (Ok(None), None) => {
            // More bytes could make nothing of a head that has ended.
            assert!(!bytes.windows(4).any(|four| four == b"\r\n\r\n"), "it was whole");
        }
        (Err(_), None) => {}
        (verdict, expected) => panic!("{verdict:?}, but plainly {expected:?}"),
    }
    (verdict, expected)
}

/// How it may be written to one client or another.
pub fn form(random: &mut Rng, answer: &Answer<'_>, asked: Method) -> write::Answer<'static> {
    let until_close = pick(random, &[Framing::Chunked, Framing::UntilClose]);
    let is_open = matches!(answer.framing, Framing::UntilClose | Framing::Chunked);
    let framing = if is_open { until_close } else { answer.framing };
    let bodiless = asked == Method::Head || matches!(answer.status, 204 | 304);
    let connections = [Connection::Silent, Connection::KeepAlive, Connection::Close];
    let ends = framing == Framing::UntilClose && !bodiless;
    let connection = if ends { Connection::Close } else { pick(random, &connections) };
    write::Answer { date: b"Sun, 06 Nov 1994 08:49:37 GMT", framing, bodiless, connection }
}

/// What was written is the same head, with the fields that it must have, in the one form that weir writes.
fn check_written(
    written: &[u8],
    from: &Answer<'_>,
    asked: Method,
    how: write::Answer<'_>,
    again: &mut Head,
) {
    let (_, Some(read)) = agreed(written, asked, again) else {
        panic!("{}", written.escape_ascii())
    };
    assert_eq!((read.status, read.reason), (from.status, from.reason));
    let framing = if how.bodiless { Framing::None } else { how.framing };
    assert_eq!((read.framing, read.length), (framing, written.len()));
    assert_eq!(read.persistent, how.connection != Connection::Close);
    assert_eq!(passed::seen(&read.fields), passed::to_client(from, how));
    let line = format!("HTTP/1.1 {} ", from.status);
    check_form(written, &[line.as_bytes(), from.reason].concat(), &read.fields);
}

pub fn make(random: &mut Rng, into: &mut Vec<u8>) {
    into.extend_from_slice(if random.u8(0..8) == 0 { b"HTTP/1.0" } else { b"HTTP/1.1" });
    into.extend_from_slice(pick(random, &STATUSES));
    into.extend_from_slice(b"\r\n");
    for _ in 0..random.usize(0..6) {
        into.extend_from_slice(pick(random, &FIELDS));
        into.extend_from_slice(b"\r\n");
    }
    if random.u16(..) < 64 {
        stretch(random, &Limits::ENDPOINT, into);
    }
    into.extend_from_slice(b"\r\n");
    if random.bool() {
        into.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\n");
    }
    damage(random, &PARTS, into);
}

const STATUSES: [&[u8]; 20] = [
    b" 200 OK",
    b" 200 OK",
    b" 200",
    b" 200 ",
    b" 201 Created",
    b" 204 No Content",
    b" 206 Partial Content",
    b" 301 Moved",
    b" 304 Not Modified",
    b" 404 Not  Found\t",
    b" 404 \xc3\xa9",
    b" 500 0\r\nX: y",
    b" 599 X",
    b" 100 Continue",
    b" 101 Switching Protocols",
    b" 103 Early Hints",
    b" 099 X",
    b" 600 X",
    b" 2000 X",
    b"  200 X",
];

/// What an endpoint may say, soundly or not.
const FIELDS: [&[u8]; 34] = [
    b"Server: x",
    b"server:x",
    b"X:  y \t",
    b"X:",
    b"X: \x80\xff",
    b"Set-Cookie: a=b",
    b"Set-Cookie: c=d",
    b"ETag: \"x\"",
    b"Date: x",
    b"Host: A",
    b"Expect: 100-continue",
    b"X_Y: z",
    b"Content-Length: 5",
    b"Content-Length: 5",
    b"content-length:0",
    b"Content-Length: 007",
    b"Content-Length: 00",
    b"Content-Length: 9999999999999999999",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:\tCHUNKED ",
    b"Transfer-Encoding: chunked",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: x, close",
    b"Connection: X,Content-Length, transfer-encoding",
    b"Connection: set-cookie, server, date, retry-after, etag",
    b"Keep-Alive: 5",
    b"Proxy-Connection: close",
    b"TE: trailers",
    b"Trailer: X",
    b"Upgrade: h2c",
    b"Retry-After: 1",
    b"Content-Type: text/plain",
    b"!#$%&'*+-.^`|~: token",
];

/// What damages it.
const PARTS: [&[u8]; 36] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n ",
    b"\r\n\t",
    b"\0",
    b" ",
    b"\t",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/2.0 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200\n\r\n",
    b"HTTP/0.9",
    b"ICY 200 OK\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: 5 0\r\n",
    b"Content-Length:\r\n",
    b"Content-Length: 10000000000000000000\r\n",
    b"Content-Length : 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"X: y\rZ: b\r\n",
    b"X: y\n",
    b"X: y\0\r\n",
    b"X\r\n",
    b"Connection: x\r\n",
    b"Connection: close\r\n",
];
