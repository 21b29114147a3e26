//! Row 49: a header of the PROXY protocol tells who has connected; of those who may tell it, and in time.

use std::io::Write;
use std::sync::Arc;

use crate::harness::pki::{Authority, dial};
use crate::harness::{Client, Upstream, Weir, read_answer};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const TEXT: &str = "PROXY TCP4 192.0.2.7 192.0.2.2 5000 80\r\n";

/// The same in version 2, with a vector behind it.
fn frame() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 192, 0, 2, 2, 0x13, 0x88, 0, 80];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11"[..], &addresses, &[4, 0, 2, 1, 2]].concat()
}

/// Answers with what it is told of the client.
fn telling() -> Upstream {
    Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            let told = request.lines().find_map(|line| line.strip_prefix("x-forwarded-for: "));
            peer.reply(told.unwrap_or("nobody"));
        }
    })
}

fn text(upstream: &Upstream, how: &str, trusted: &str) -> String {
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\npool = \"app\"\nproxy_protocol = \"{how}\"\n\
         trusted_proxies = \"{trusted}\"\n[pools.app]\nendpoints = [\"{upstream}\"]\n"
    )
}

const REJECTED: &str = "weir_listener_rejected_total{listener=\"web\",reason=\"proxy_protocol\"}";

#[test]
fn the_header_tells_who_has_connected() {
    let a = telling();
    let weir = Weir::start(text(&a, "require", "127.0.0.0/8"));
    for header in [TEXT.as_bytes(), &frame()] {
        let mut client = weir.connect();
        client.send([header, GET.as_bytes()].concat());
        assert_eq!(client.answer().text(), "192.0.2.7");
        // What the client says itself is not believed: it is none of the proxies.
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n");
        assert_eq!(client.answer().text(), "192.0.2.7");
        // Byte by byte.
        let mut client = weir.connect();
        for byte in header {
            client.send([*byte]);
        }
        assert_eq!(client.send(GET).answer().text(), "192.0.2.7");
    }
    // A proxy that speaks for itself.
    for header in ["PROXY UNKNOWN\r\n".as_bytes(), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = weir.connect();
        client.send(header);
        assert_eq!(client.send(GET).answer().text(), "127.0.0.1");
    }
}

#[test]
fn what_is_no_header_ends_the_connection_and_reaches_nobody() {
    let a = telling();
    let weir = Weir::start(text(&a, "require", "127.0.0.0/8"));
    let wrong =
        [GET, "PROXY TCP4 nobody 192.0.2.2 5000 80\r\n", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x01a"];
    for bytes in wrong {
        let mut client = weir.connect();
        client.send(bytes).send(GET);
        assert!(client.is_closed(), "{bytes:?}");
    }
    weir.until_metric(REJECTED, 3.0);
    // One that never comes to its end.
    let mut slow = weir.connect();
    slow.send(&TEXT[..20]);
    let mut silent = weir.connect();
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 2.0);
    weir.advance(4);
    assert!(slow.is_closed() && silent.is_closed());
    weir.until_metric("weir_listener_rejected_total{listener=\"web\",reason=\"timeout\"}", 2.0);
    assert_eq!(a.requests(), 0);
}

#[test]
fn it_is_believed_of_proxies_only() {
    let a = telling();
    let weir = Weir::start(text(&a, "require", "192.0.2.0/24"));
    assert!(weir.connect().send(TEXT).send(GET).is_closed(), "who is no proxy may not connect");
    weir.until_metric(REJECTED, 1.0);
    weir.reload(text(&a, "accept", "192.0.2.0/24"));
    let mut client = weir.connect();
    assert_eq!(client.send(GET).answer().text(), "127.0.0.1");
    assert_eq!(weir.connect().send(TEXT).send(GET).answer().status, 400, "that is no request");
    weir.reload(text(&a, "accept", "127.0.0.0/8"));
    assert_eq!(weir.connect().send(GET).answer().text(), "127.0.0.1", "a proxy need not tell");
    drop(client);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().text(), "127.0.0.1", "nor is every P the beginning of a header");
    assert_eq!(weir.connect().send(TEXT).send(GET).answer().text(), "192.0.2.7");
    // Who says nothing need not either, and who leaves within a header is not waited for.
    drop(client);
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
    let mut late = weir.connect();
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 1.0);
    weir.advance(4);
    assert_eq!(late.send(GET).answer().text(), "127.0.0.1");
    drop(late);
    weir.connect().send(&TEXT[..20]).finish();
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
}

#[test]
fn an_ipv4_client_is_one_however_it_is_written() {
    let a = telling();
    let denied = "policies = \"inside\"\n[policies.inside.access]\ndeny = \"10.0.0.0/8\"\n";
    let text = text(&a, "require", "127.0.0.0/8").replace("pool = \"app\"\n", "pool = \"app\"\n@");
    let (before, after) = text.split_once('@').unwrap();
    let (listener, pool) = after.split_once("[pools").unwrap();
    let (named, rules) = denied.split_once('\n').unwrap();
    let weir = Weir::start(format!("{before}{named}\n{listener}[pools{pool}{rules}"));
    for (address, status) in
        [("10.1.2.3", 403), ("::ffff:10.1.2.3", 403), ("::ffff:192.0.2.7", 200)]
    {
        let family = if address.contains(':') { "TCP6" } else { "TCP4" };
        let to = if family == "TCP6" { "::1" } else { "192.0.2.2" };
        let mut client = weir.connect();
        client.send(format!("PROXY {family} {address} {to} 5000 80\r\n"));
        let answer = client.send(GET).answer();
        assert_eq!(answer.status, status, "{address}");
        assert!(status == 403 || answer.text() == "192.0.2.7");
    }
}

#[test]
fn clients_are_counted_by_whom_the_header_tells() {
    let a = telling();
    let limits = "[listeners.web.limits]\nconnections_per_client = 1\n";
    let weir = Weir::start(text(&a, "require", "127.0.0.0/8") + limits);
    let client = |last: u8| {
        let mut client = weir.connect();
        client.send(format!("PROXY TCP4 192.0.2.{last} 192.0.2.2 5000 80\r\n")).send(GET);
        client
    };
    let mut first = client(7);
    assert_eq!(first.answer().text(), "192.0.2.7");
    assert!(client(7).is_closed());
    assert_eq!(client(8).answer().text(), "192.0.2.8");
    drop(first);
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
    assert_eq!(client(7).answer().text(), "192.0.2.7");
}

#[test]
fn it_comes_before_tls() {
    let (ca, a) = (Authority::new(), telling());
    let secure = text(&a, "require", "127.0.0.0/8")
        .replace("pool =", "protocol = \"https\"\npool =")
        + "[certificates.main]\ncert = \"main.crt\"\nkey = { file = \"main.key\" }\n";
    let weir = Weir::prepared(secure, |directory| {
        ca.issue(&["a.example"]).write(directory, "main");
    });
    let mut client = dial(weir.address(), "a.example", &Arc::new(ca.believed(None)));
    client.sock.write_all(&frame()).unwrap();
    client.write_all(GET.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut client, &mut Vec::new(), false).unwrap().text(), "192.0.2.7");
    let mut plain = Client::connect(weir.address());
    plain.send(frame());
    assert_eq!(plain.send(GET).answer().status, 400, "behind it, the same holds as without");
}
