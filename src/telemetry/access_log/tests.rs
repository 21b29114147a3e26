//! Lines in each form: well-formed whatever was sent, with the names and types of the table.

use std::sync::LazyLock;
use std::time::Duration;

use super::fields::{FIELDS, Kind};
use super::settings::Settings;
use super::stamp::Stamp;
use super::{Config, Record};
use crate::h1::{Limits, request};
use crate::message::head::Head;
use crate::net::stream::Secured;

/// The line of a request with this query and these fields, in this form.
fn line(format: &str, query: &[u8], fields: &[u8], record: Record<'_>) -> Vec<u8> {
    let config = format!(
        "format = \"{format}\"\nrequest_headers = [\"user-agent\", \"X-Own\", \"x-own\", \"referer\"]"
    );
    let settings = Settings::new(&toml::from_str::<Config>(&config).unwrap());
    let mut head = Head::default();
    let bytes =
        [b"GET /a/b?", query, b" HTTP/1.1\r\nHost: H.example\r\n", fields, b"\r\n"].concat();
    request::read(&bytes, &Limits::CLIENT, &mut head).unwrap().unwrap();
    let mut stamp = Stamp::new();
    stamp.set(Duration::ZERO);
    let mut out = Vec::new();
    super::line::write(
        &Record { request: Some(&head), path: head.slice(head.path), ..record },
        &settings,
        &stamp,
        &mut out,
    );
    assert!(!out[..out.len() - 1].iter().any(|byte| *byte < 0x20), "no raw control byte");
    out
}

fn full() -> Record<'static> {
    static SECURED: LazyLock<Secured> = LazyLock::new(|| Secured {
        version: "1.3",
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        server_name: "h.example".to_owned(),
        client_subject: "CN=bot".to_owned(),
    });
    Record {
        secured: Some(&SECURED),
        listener: "web",
        route: "r",
        pool: "p",
        panic: true,
        status: 200,
        grpc: Some(0),
        received: 12,
        sent: 5,
        endpoint: Some(([10, 0, 0, 4], 8080).into()),
        peer: ([203, 0, 113, 7], 51514).into(),
        client: [203, 0, 113, 7].into(),
        pattern: ("/a", "/*"),
        request_id: b"0123",
        attempts: 2,
        took: Duration::from_micros(23_710),
        connect: Some(Duration::from_micros(410)),
        answered: Some(Duration::from_micros(18_400)),
        overhead: Some(Duration::from_micros(190)),
        reason: "idle_timeout",
        ..Record::default()
    }
}

#[test]
fn names_and_types_are_those_of_the_table() {
    let fields = b"User-Agent: c/8\r\nX-Own: 1\r\nReferer: https://a/?b=1\r\n";
    let out = line("json", b"page=2&token=t", fields, full());
    let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
    for (name, value) in read.as_object().unwrap() {
        let kind = FIELDS.iter().find(|field| field.name == name).map(|field| field.kind);
        let headers = ["http.request.header.x-own", "http.request.header.referer"];
        match kind {
            Some(Kind::Number) => assert!(value.is_u64(), "{name}"),
            Some(Kind::Millis) => assert!(value.is_f64(), "{name}"),
            Some(Kind::Flag) => assert!(value.is_boolean(), "{name}"),
            Some(Kind::Text) => assert!(value.is_string(), "{name}"),
            None => assert!(headers.contains(&&**name), "{name} is not in the table"),
        }
    }
    let proxied = Record { client: [192, 0, 2, 1].into(), ..full() };
    let proxied: serde_json::Value =
        serde_json::from_slice(&line("json", b"", b"", proxied)).unwrap();
    assert_eq!(proxied["client.address"], "192.0.2.1");
    assert_eq!(proxied["network.peer.address"], "203.0.113.7");
    for field in FIELDS.iter().filter(|field| field.name != "network.peer.address") {
        assert!(read.get(field.name).is_some(), "{} is never written", field.name);
    }
    for (name, value) in [
        ("url.query", "page=2&token=…"),
        ("url.domain", "h.example"),
        ("http.route", "/a/*"),
        ("client.address", "203.0.113.7"),
        ("server.address", "10.0.0.4"),
        ("user_agent.original", "c/8"),
        ("http.request.header.referer", "https://a/?b=1"),
    ] {
        assert_eq!(read[name], value);
    }
    assert_eq!(read["weir.overhead_ms"], 0.19);
    assert_eq!(read["event.duration"], 23_710_000);
}

#[test]
fn what_is_empty_is_left_out() {
    let out = line("json", b"", b"", Record { attempts: 0, result: "ok", ..Record::default() });
    let text = String::from_utf8(out).unwrap();
    for name in ["reason", "attempts", "query", "header", "size", "pool", "overhead", "server"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
}

#[test]
fn a_header_that_is_named_twice_is_one_field() {
    let out = String::from_utf8(line("json", b"", b"X-Own: 1\r\n", full())).unwrap();
    assert_eq!(out.matches("\"http.request.header.x-own\":").count(), 1, "{out}");
}

/// The values of clients are any bytes that a head may have.
#[test]
fn a_line_is_well_formed_whatever_was_sent() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..500 {
        let any = |random: &mut fastrand::Rng| match random.u8(..) {
            byte @ (b' '..=b'~' | 0x80..) => byte,
            _ => b'"',
        };
        let value: Vec<u8> = (0..random.usize(..30)).map(|_| any(&mut random)).collect();
        let fields = [b"X-Own: ", &*value, b"\r\nUser-Agent: ", &value, b"\r\n"].concat();
        let json = line("json", b"a=1", &fields, full());
        serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        let logfmt = String::from_utf8(line("logfmt", b"a=1", &fields, full())).unwrap();
        let quotes = logfmt.replace("\\\\", "").replace("\\\"", "");
        assert!(quotes.matches('"').count().is_multiple_of(2), "{logfmt}");
        let combined = line("combined", b"a=1", &fields, full());
        assert_eq!(combined.iter().filter(|byte| **byte == b'"').count(), 6);
        assert!(combined[..combined.len() - 1].iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
}

#[test]
fn combined_is_what_nginx_writes() {
    let fields = b"User-Agent: curl \"8\"\r\nReferer: https://a/?token=1\r\n";
    let out = line("combined", b"code=1&b=2", fields, full());
    let text = String::from_utf8(out).unwrap();
    let (front, rest) = text.split_once(" [").unwrap();
    assert_eq!(front, "203.0.113.7 - -");
    let (_, rest) = rest.split_once("] ").unwrap();
    let redacted = r"\xE2\x80\xA6";
    let expected = format!(
        "\"GET /a/b?code={redacted}&b=2 HTTP/1.1\" 200 5 \"https://a/?token={redacted}\" \
         \"curl \\x228\\x22\"\n"
    );
    assert_eq!(rest, expected);
    let gone = Record { status: 0, result: "client_gone", ..Record::default() };
    let text = String::from_utf8(line("combined", b"", b"", gone)).unwrap();
    assert!(text.ends_with("\"GET /a/b? HTTP/1.1\" 499 0 \"-\" \"-\"\n"), "{text}");
}

#[test]
fn logfmt_quotes_what_needs_it() {
    let out = line("logfmt", b"a", b"User-Agent: a b\r\n", full());
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("@timestamp=20"), "{text}");
    assert!(text.contains(" url.query=a http.route=/a/* "), "{text}");
    assert!(text.contains(" user_agent.original=\"a b\" "), "{text}");
    assert!(text.ends_with(" weir.overhead_ms=0.190\n"), "{text}");
}
