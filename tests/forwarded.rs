//! What an endpoint is told of the client behind weir, and what clients cannot say of themselves.

use crate::harness::{Upstream, Weir, one_pool};

const CLAIMS: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.2.3.4\r\n\
    x-forwarded-for: 5.6.7.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
    X-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /admin\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\
    Connection: x-forwarded-for, forwarded\r\nX-Other: y\r\n\r\n";

/// The fields that the endpoint reads, but for Host and Via.
fn told(listener: &str, route: &str, request: &str) -> Vec<String> {
    let upstream = Upstream::replying("hello");
    let text = one_pool(&[&upstream]).replacen("\n\n", &format!("\n{listener}\n\n"), 1);
    let weir =
        Weir::start(text + &format!("[routes.all]\npool = \"app\"\nrequest_id = false\n{route}\n"));
    assert_eq!(weir.connect().send(request).answer().text(), "hello");
    let received = upstream.received();
    let lines = received.lines().skip(1).take_while(|line| !line.is_empty());
    let ours =
        |line: &&str| !line.to_ascii_lowercase().starts_with("host") && !line.starts_with("via");
    lines.filter(ours).map(str::to_owned).collect()
}

#[test]
fn row_25_what_clients_claim_is_replaced() {
    let told = |route| told("", route, CLAIMS);
    assert_eq!(
        told(""),
        [
            "X-Other: y",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-proto: http",
            "x-forwarded-host: a.example"
        ]
    );
    let rfc7239 = "forwarded: for=127.0.0.1;proto=http;host=\"a.example\"";
    assert_eq!(told("forwarded = \"rfc7239\""), ["X-Other: y", rfc7239]);
    assert_eq!(told("forwarded = \"both\"").len(), 5);
    // Whoever switches it off lets clients say what they like.
    assert_eq!(told("forwarded = \"off\"").len(), 9);
}

#[test]
fn row_25_a_trusted_proxy_is_believed_and_weir_is_added() {
    let trusted = "trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]";
    assert_eq!(
        told(trusted, "", CLAIMS),
        [
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil",
            "X-Forwarded-Port: 1",
            "X-Forwarded-Prefix: /admin",
            "X-Real-IP: 1.2.3.4",
            "Forwarded: for=1.2.3.4",
            "X-Other: y",
            "x-forwarded-for: 1.2.3.4, 5.6.7.8, 127.0.0.1",
        ]
    );
    let told_both = told(trusted, "forwarded = \"both\"", CLAIMS);
    let rfc7239 = "forwarded: for=1.2.3.4, for=127.0.0.1;proto=http;host=\"a.example\"";
    assert_eq!(told_both.last().map(String::as_str), Some(rfc7239));
    let others = told("trusted_proxies = \"10.0.0.0/8\"", "", CLAIMS);
    assert!(!others.iter().any(|line| line.contains("1.2.3.4")), "{others:?}");
}

#[test]
fn a_request_without_a_host_tells_of_none() {
    assert_eq!(
        told("", "forwarded = \"both\"", "GET / HTTP/1.0\r\nX-Forwarded-Host: evil\r\n\r\n"),
        [
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-proto: http",
            "forwarded: for=127.0.0.1;proto=http"
        ]
    );
}

#[test]
fn row_26_names_with_underscores_are_dropped_or_the_request_is_refused() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n";
    let fields = told("", "forwarded = \"off\"", request);
    assert!(fields.is_empty(), "{fields:?}");
    let upstream = Upstream::replying("hello");
    let text = one_pool(&[&upstream]).replacen("\n\n", "\nunderscore_headers = \"reject\"\n\n", 1);
    let weir = Weir::start(text);
    let answer = weir.connect().send(request).answer();
    assert_eq!((answer.status, answer.field("connection")), (400, Some("close")));
    assert_eq!(upstream.connections(), 0);
    assert_eq!(weir.get("/").text(), "hello");
}
