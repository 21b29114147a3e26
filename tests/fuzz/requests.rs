//! Heads of requests: read as the plain reading has it, however they are cut, and written so that they mean
//! the same.

use fastrand::Rng;
use weir::h1::{Fault, Limits, Message, Partial, request, write};
use weir::message::head::Head;

use super::mutate::{damage, mostly, pick, stretch};
use super::plain::{Field, Request};
use super::{authorities, passed, paths, plain, run};

/// The endpoint that requests are written for.
pub const ENDPOINT: &str = "127.0.0.1:1";

#[test]
fn a_request_is_read_in_one_way_and_written_in_one_form() {
    let (mut head, mut part, mut written) = (Head::default(), Head::default(), Vec::new());
    run("requests", 400_000, make, |random, bytes| {
        let (verdict, expected) = agreed(bytes, &mut head);
        let read = |end: usize| request::read(&bytes[..end], &Limits::CLIENT, &mut part);
        check_cuts(random, bytes, verdict, &Limits::CLIENT, read);
        let Some(expected) = expected else { return false };
        if expected.method != b"CONNECT" && fits(&expected.fields, expected.length, &Limits::CLIENT)
        {
            written.clear();
            write::request(&head, expected.framing, ENDPOINT, &mut written);
            check_written(&written, &expected, &mut part);
        }
        true
    });
}

/// What weir says of the bytes; and the plain reading, which agrees.
pub fn agreed<'a>(bytes: &'a [u8], head: &mut Head) -> (Verdict, Option<Request<'a>>) {
    let verdict = request::read(bytes, &Limits::CLIENT, head);
    let expected = plain::request(bytes);
    match (verdict, &expected) {
        (Ok(Some(message)), Some(expected)) => {
            assert_eq!(message.length, expected.length);
            assert_eq!(message.framing, expected.framing);
            assert_eq!(message.persistent, expected.persistent);
            assert_eq!(head.method_text().as_bytes(), expected.method);
            assert_eq!(head.slice(head.authority), expected.authority);
            assert_eq!(head.slice(head.path), expected.path);
            assert_eq!(head.slice(head.query), expected.query);
            assert!(expected.authority.starts_with(head.host().as_bytes()));
        }
        (Ok(None), None) => {
            // More bytes could make nothing of a head that has ended.
            let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
            assert!(!bytes.windows(4).any(|four| four == b"\r\n\r\n"), "it was whole");
        }
        (Err(_), None) => {}
        (verdict, expected) => panic!("{verdict:?}, but plainly {expected:?}"),
    }
    (verdict, expected)
}

pub type Verdict = Result<Option<Message>, Fault>;

/// Cut somewhere, or read piece by piece as a connection does, the verdict is the same.
pub fn check_cuts(
    random: &mut Rng,
    bytes: &[u8],
    verdict: Verdict,
    limits: &Limits,
    mut read: impl FnMut(usize) -> Verdict,
) {
    let cut = random.usize(0..=bytes.len());
    check_cut(read(cut), cut, verdict);
    let (mut partial, mut end) = (Partial::default(), 0);
    let longest = pick(random, &[1, 8, 64, 1024]).max(bytes.len() / 64);
    while end < bytes.len() {
        end = (end + random.usize(1..=longest)).min(bytes.len());
        if partial.may_be_whole(&bytes[..end], limits) {
            let found = read(end);
            check_cut(found, end, verdict);
            if found != Ok(None) {
                return;
            }
        }
    }
    assert!(!matches!(verdict, Ok(Some(_))), "a whole head was never read");
    assert!(bytes.len() <= limits.head + 2, "there is no end to what may come");
}

/// What the front of a head may be said to be, if that is what is said of all of it.
fn check_cut(found: Verdict, end: usize, verdict: Verdict) {
    let is_size = |fault| matches!(fault, Fault::LineTooLong | Fault::HeadTooLarge);
    match (found, verdict) {
        (Ok(found), Ok(whole)) => assert_eq!(found, whole.filter(|m| m.length <= end), "at {end}"),
        (Ok(None), Err(_)) => {}
        // Its length may show before what else is wrong with it, or the other way round.
        (Err(found), Err(whole)) => {
            assert!(found == whole || is_size(found) || is_size(whole), "at {end}: {found:?}");
        }
        (found, _) => panic!("{found:?} at {end}, but {verdict:?}"),
    }
}

/// What was written is the same head, with the fields that it must have, in the one form that weir writes.
fn check_written(written: &[u8], from: &Request<'_>, again: &mut Head) {
    let (_, Some(read)) = agreed(written, again) else { panic!("{}", written.escape_ascii()) };
    let authority = if from.authority.is_empty() { ENDPOINT.as_bytes() } else { &from.authority };
    assert_eq!((read.method, &read.authority[..]), (from.method, authority));
    assert_eq!((&read.path, read.query), (&from.path, from.query));
    assert_eq!((read.framing, read.length), (from.framing, written.len()));
    assert!(read.persistent);
    assert_eq!(passed::seen(&read.fields), passed::to_endpoint(from, ENDPOINT));
    let target = [&from.path, from.query].concat();
    check_form(written, &[from.method, b" ", &target, b" HTTP/1.1"].concat(), &read.fields);
}

/// Whether weir would read again what it writes: what it adds may be too much.
pub fn fits(fields: &[Field<'_>], length: usize, limits: &Limits) -> bool {
    fields.len() + 6 <= usize::from(limits.fields) && length + 300 <= limits.head
}

/// Single spaces, CRLF, nothing else.
pub fn check_form(written: &[u8], line: &[u8], fields: &[Field<'_>]) {
    let mut form = [line, b"\r\n"].concat();
    for (name, value) in fields {
        form.extend_from_slice(&[name, &b": "[..], value, b"\r\n"].concat());
    }
    form.extend_from_slice(b"\r\n");
    assert_eq!(written.escape_ascii().to_string(), form.escape_ascii().to_string());
}

pub fn make(random: &mut Rng, into: &mut Vec<u8>) {
    if random.u8(0..8) == 0 {
        into.extend_from_slice(b"\r\n");
    }
    into.extend_from_slice(pick(random, &METHODS));
    into.push(b' ');
    make_target(random, into);
    into.extend_from_slice(if random.u8(0..8) == 0 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
    let fields = random.usize(0..6);
    let host = random.usize(0..=fields + fields / 4);
    for at in 0..=fields {
        if at == host {
            into.extend_from_slice(b"Host:");
            into.extend_from_slice(pick(random, &[b" ", b"", b"\t"]));
            if random.u8(0..4) > 0 {
                into.extend_from_slice(b"a.example");
            } else {
                authorities::make(random, into);
            }
        } else {
            into.extend_from_slice(mostly(random, 31, &FIELDS));
        }
        into.extend_from_slice(b"\r\n");
    }
    if random.u16(..) < 16 {
        // A line that does not end.
        return into.resize(Limits::CLIENT.head + random.usize(0..64), b'x');
    }
    if random.u16(..) < 64 {
        stretch(random, &Limits::CLIENT, into);
    }
    into.extend_from_slice(b"\r\n");
    if random.bool() {
        into.extend_from_slice(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    damage(random, &PARTS, into);
}

fn make_target(random: &mut Rng, into: &mut Vec<u8>) {
    match random.u8(0..8) {
        0 => return into.extend_from_slice(pick(random, &[&b"*"[..], b"a:1", b"*?x", b""])),
        1 => {
            into.extend_from_slice(pick(random, &[&b"http://"[..], b"HTTPS://", b"ftp://", b"//"]));
            authorities::make(random, into);
        }
        2 => into.extend_from_slice(b"http://b.example"),
        _ => {}
    }
    match random.u8(0..4) {
        0 => paths::make(random, into),
        1 => into.extend_from_slice(b"/a/../b"),
        2 if !into.ends_with(b" ") => {}
        _ => into.push(b'/'),
    }
    if random.u8(0..4) == 0 {
        into.extend_from_slice(pick(
            random,
            &[&b"?"[..], b"?a=b", b"?%zz/../?", b"?a#b", b"?\xe9"],
        ));
    }
}

const METHODS: [&[u8]; 14] = [
    b"GET",
    b"GET",
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
    b"get",
    b"BREW",
    b"M-SEARCH",
];

/// What a client may say: framing last, which is sound once only.
const FIELDS: [&[u8]; 45] = [
    b"Accept: */*",
    b"accept:x",
    b"X:  y \t",
    b"X:",
    b"X: \x80\xff",
    b"Cookie: a=b; c=d",
    b"Authorization: x",
    b"X-Forwarded-For: 10.0.0.1",
    b"X-Real-IP: 10.0.0.1",
    b"X-A: b",
    b"X-A: c",
    b"Via: 1.0 x",
    b"Date: x",
    b"User-Agent: x",
    b"Referer: x",
    b"Content-Type: text/plain",
    b"Forwarded: for=x",
    b"!#$%&'*+-.^`|~: token",
    b"X_Forwarded_For: 1",
    b"Content_Length: 5",
    b"Transfer_Encoding: chunked",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: x-a, close",
    b"Connection: X-A,x,Content-Length, transfer-encoding",
    b"Connection: host, authorization, cookie, x-forwarded-for, x-real-ip, connection, date",
    b"Connection: ,, accept\t,Expect",
    b"Expect: 100-continue",
    b"Keep-Alive: 5",
    b"Proxy-Connection: close",
    b"TE: trailers",
    b"Trailer: X",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"TE: x, Trailers",
    b"HTTP2-Settings: x",
    b"Content-Length: 5",
    b"Content-Length: 5",
    b"content-length:0",
    b"Content-Length: 007",
    b"Content-Length: 9999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:\tCHUNKED ",
];

/// What damages it.
const PARTS: [&[u8]; 52] = [
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
    b"  ",
    b"\t",
    b" HTTP/1.1",
    b" HTTP/1.0",
    b" HTTP/2.0",
    b" HTTP/1.2",
    b" HTTP/0.9",
    b"HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"Host: b\r\n",
    b"host:\r\n",
    b"Host : a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Length: 0x5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: 5 0\r\n",
    b"Content-Length:\r\n",
    b"Content-Length: 10000000000000000000\r\n",
    b"Content-Length : 5\r\n",
    b"Content-Length: 5\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: chunked\rX: y\r\n",
    b" chunked",
    b"X: y\rZ: b\r\n",
    b"X: y\n",
    b"X: y\0\r\n",
    b": y\r\n",
    b"X\r\n",
    b"X Y: z\r\n",
    b"\xc3\xa9: y\r\n",
    b"Connection: x-a\r\n",
    b"Connection: close\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];
