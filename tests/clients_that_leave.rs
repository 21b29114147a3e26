//! A client that leaves takes its request with it, however it leaves and whatever it was in the midst of.

use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

use parking_lot::Mutex;

use crate::harness::{Upstream, one_worker, until};

const GONE: &str = "weir_http_refused_total{route=\"none\",reason=\"client_gone\"}";
const ACTIVE: &str = "weir_pool_connections{pool=\"app\",state=\"active\"}";

/// An upstream that answers nobody.
fn silent() -> Upstream {
    Upstream::scripted(|mut peer| while peer.read().is_some() {})
}

#[test]
fn row_46_an_end_behind_further_requests_is_noticed() {
    let upstream = silent();
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it was asked", || !upstream.received().is_empty());
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HT");
    client.finish();
    weir.until_metric(GONE, 1.0);
    until("the endpoint is released", || upstream.open() == 0);
    assert!(client.is_closed());
    assert!(!upstream.received().contains("/2"));
}

#[test]
fn row_46_a_reset_while_the_endpoint_takes_nothing_of_the_body_is_noticed() {
    let (end, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::scripted(move |mut peer| {
        peer.read();
        let _ = wait.lock().recv();
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n");
    until("it was asked", || !upstream.received().is_empty());
    client.stream().set_nonblocking(true).unwrap();
    until("nobody takes more", || client.stream().write(&[b'x'; 64 * 1024]).is_err());
    // An end would stand behind what nobody takes.
    socket2::SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    weir.until_metric(GONE, 1.0);
    weir.until_metric(ACTIVE, 0.0);
    drop(end);
}

#[test]
fn row_46_a_client_that_leaves_its_upload_is_not_taken_for_a_whole_one() {
    let upstream = silent();
    let weir = one_worker(&upstream);
    for head in
        ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        let before = weir.metric(GONE);
        let mut client = weir.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}"));
        until("it has begun", || upstream.received().contains("hello"));
        client.finish();
        weir.until_metric(GONE, before + 1.0);
        assert!(client.is_closed());
    }
    until("the endpoint is released", || upstream.open() == 0);
    assert_eq!(upstream.requests(), 0);
    assert!(!upstream.received().contains("\r\n0\r\n"), "no end was made up");
}

#[test]
fn row_46_a_client_that_stopped_sending_long_ago_is_noticed_when_it_leaves() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.read();
        // An answer before the end of the request, that goes on for long.
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n");
        peer.send("Transfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n");
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    weir.until_metric("weir_http_streams{route=\"none\",kind=\"sse\"}", 1.0);
    // Its time to go on has passed, and nobody reads its body any more.
    weir.advance(31);
    socket2::SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    weir.until_metric(GONE, 1.0);
    until("the endpoint is released", || upstream.open() == 0);
}
