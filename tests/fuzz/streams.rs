//! A request of HTTP/2 that is written as one of HTTP/1: weir's own reader, which refuses whatever could be understood in
//! two ways, reads the same request.

use fastrand::Rng;
use http::Request;
use weir::h1::framing::Framing;
use weir::h1::{self, Limits, write};
use weir::h2::request;
use weir::message::head::{Head, Known};

use super::mutate::damage;

#[test]
fn a_request_means_the_same_in_both_versions() {
    super::run("streams", 200_000, make, check);
}

const NAMES: [&str; 10] = [
    "x-a",
    "accept",
    "cookie",
    "cookie",
    "te",
    "expect",
    "x_b",
    "x-forwarded-for",
    "content-length",
    "host",
];
const VALUES: [&str; 10] =
    ["a.example", "b", "5", "0", "trailers", "100-continue", "chunked", "", "x y", "a=b; c"];
const TARGETS: [&str; 8] = ["/", "/a/../b", "/%2e%2E/x", "/a?b=%zz", "*", "/%00", "/a//b;c", "/.."];

/// Lines: the method, the target, the authority, then names and values.
fn make(random: &mut Rng, input: &mut Vec<u8>) {
    let pick = |random: &mut Rng, from: &[&'static str]| from[random.usize(..from.len())];
    let method = pick(random, &["GET", "POST", "OPTIONS", "PUT", "X"]);
    let authority = pick(random, &["a.example", "a.example:1", "A.example:80", "", "u@a", "[::1]"]);
    let target = pick(random, &TARGETS);
    input.extend_from_slice(format!("{method}\n{target}\n{authority}").as_bytes());
    for _ in 0..random.usize(..5) {
        let (name, value) = (pick(random, &NAMES), pick(random, &VALUES));
        input.extend_from_slice(format!("\n{name}\t{value}").as_bytes());
    }
    damage(random, &[b"\n", b"\t", b"cookie\ta"], input);
}

/// As the library would hand it over, if it would. `None`: it would not.
fn parts(bytes: &[u8]) -> Option<http::request::Parts> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let (method, target, authority) = (lines.next()?, lines.next()?, lines.next()?);
    let mut uri = http::Uri::builder();
    if !authority.is_empty() {
        uri = uri.scheme("http").authority(authority);
    }
    let mut request =
        Request::builder().method(method).uri(uri.path_and_query(target).build().ok()?);
    for line in lines {
        let at = line.iter().position(|byte| *byte == b'\t')?;
        // What concerns one connection the library resets (RFC 9113, 8.2.2).
        if matches!(
            Known::from_name(&line[..at]),
            Known::Connection
                | Known::TransferEncoding
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::Upgrade
        ) {
            return None;
        }
        request =
            request.header(http::HeaderName::from_lowercase(&line[..at]).ok()?, &line[at + 1..]);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn check(random: &mut Rng, bytes: &[u8]) -> bool {
    let Some(parts) = parts(bytes) else { return false };
    let mut head = Head::default();
    let Ok(framing) = request::read(&parts, random.bool(), &Limits::CLIENT, &mut head) else {
        return false;
    };
    if head.method_text() == "CONNECT" {
        return false;
    }
    let mut wire = Vec::new();
    write::request(&head, framing, "10.0.0.1:80", &mut wire);
    let shown = wire.escape_ascii().to_string();
    wire.extend_from_slice(b"GET /behind HTTP/1.1\r\n");
    let mut seen = Head::default();
    let message = h1::request::read(&wire, &Limits::ENDPOINT, &mut seen);
    let message =
        message.unwrap_or_else(|fault| panic!("{fault:?}: {shown}")).expect("it is whole");
    assert_eq!(message.framing, framing, "{shown}");
    assert!(wire[message.length..].starts_with(b"GET /behind"), "{shown}");
    let line = |head: &Head| {
        let parts = [head.authority, head.host, head.path, head.query];
        (head.method_text().to_owned(), parts.map(|part| head.text(part).to_owned()))
    };
    assert_eq!(line(&seen), line(&head), "{shown}");
    assert_eq!(seen.takes_trailers, head.takes_trailers, "{shown}");
    let cookies = seen.fields.iter().filter(|field| field.known == Known::Cookie).count();
    assert!(cookies <= 1 && seen.get(Known::Expect).is_none(), "{shown}");
    assert!(framing != Framing::UntilClose);
    true
}
