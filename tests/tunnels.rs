//! Connections that become tunnels: WebSocket and other upgrades.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::harness::{Client, Peer, SMUGGLED, Upstream, Weir, one_pool, one_worker, until};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Reads the head of an upgrade and switches; what came behind the head is the beginning of the tunnel.
fn switch(peer: &mut Peer) {
    let request = peer.request().expect("a request");
    assert!(request.contains("\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n"), "{request}");
    peer.send(SWITCHING);
}

/// Switches, and says again whatever is said.
fn echoing() -> Upstream {
    Upstream::scripted(|mut peer| {
        switch(&mut peer);
        let mut seen = peer.take_unread();
        let _ = peer.stream.write_all(&seen);
        seen.resize(64 * 1024, 0);
        while let Ok(n) = peer.stream.read(&mut seen)
            && n > 0
        {
            let _ = peer.stream.write_all(&seen[..n]);
        }
    })
}

fn open(weir: &Weir) -> Client {
    let mut client = weir.connect();
    client.send(UPGRADE);
    let answer = client.answer();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("connection"), Some("upgrade"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    client
}

const STREAMS: &str = "weir_http_streams{route=\"none\",kind=\"websocket\"}";

#[test]
fn a_tunnel_carries_every_byte_both_ways_as_it_comes() {
    let upstream = echoing();
    let weir = one_worker(&upstream);
    let mut client = open(&weir);
    weir.until_metric(STREAMS, 1.0);
    let mut random = fastrand::Rng::with_seed(5);
    for size in [1, 2, 125, 65_536, 1, 3_000_000] {
        let sent: Vec<u8> = (0..size).map(|_| random.u8(..)).collect();
        let mut writer = client.stream().try_clone().unwrap();
        let writing = sent.clone();
        let writing = std::thread::spawn(move || writer.write_all(&writing).unwrap());
        assert!(client.rest_of(size) == sent, "{size} bytes");
        writing.join().unwrap();
    }
    client.finish();
    assert!(client.is_closed(), "an end is passed on, and comes back");
    weir.until_metric(STREAMS, 0.0);
    weir.until_metric("weir_http_requests_total{route=\"none\",method=\"GET\",code=\"101\"}", 1.0);
    weir.until_metric("weir_pool_connections{pool=\"app\"}", 0.0);
    assert_eq!(weir.metric("weir_http_refused_total"), 0.0);
}

#[test]
fn each_direction_ends_on_its_own() {
    let upstream = Upstream::scripted(|mut peer| {
        switch(&mut peer);
        peer.send("first");
        // Its own side ends; what the client says is still read.
        peer.stream.shutdown(Shutdown::Write).unwrap();
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = open(&weir);
    assert_eq!(client.rest().unwrap(), b"first");
    client.send("and last");
    until("it arrives", || upstream.received().ends_with("and last"));
    client.finish();
    until("all is over", || upstream.open() == 0);
    weir.until_metric(STREAMS, 0.0);
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    let upstream = Upstream::scripted(|mut peer| {
        switch(&mut peer);
        peer.read();
        peer.reset();
    });
    let weir = one_worker(&upstream);
    let mut client = open(&weir);
    client.send("x");
    assert!(client.rest().is_err(), "not an end that looks whole");
    let upstream = echoing();
    let weir = one_worker(&upstream);
    let client = open(&weir);
    socket2::SockRef::from(client.stream()).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    until("the endpoint is released", || upstream.open() == 0);
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"client_gone\"}", 1.0);
}

#[test]
fn row_20_bytes_wait_for_the_switch() {
    let upstream = Upstream::scripted(|mut peer| {
        assert!(peer.request().is_some());
        assert!(peer.take_unread().is_empty(), "nothing came with the request");
        peer.send(SWITCHING);
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send(format!("{UPGRADE}early"));
    assert_eq!(client.answer().status, 101);
    until("they arrive", || upstream.received().ends_with("\r\n\r\nearly"));
}

#[test]
fn row_20_a_refusal_stays_http_and_what_follows_is_a_request() {
    let upstream = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            if request.starts_with("GET /chat") {
                peer.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
            } else {
                peer.reply("plain");
            }
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send(format!("{UPGRADE}{SMUGGLED}"));
    assert_eq!(client.answer().status, 426);
    assert_eq!(client.answer().text(), "plain", "it was a request of its own, read as one");
    assert_eq!(upstream.requests(), 2);
    weir.until_metric("weir_http_requests_total{route=\"none\",method=\"GET\"", 2.0);
}

#[test]
fn rows_21_and_22_what_is_no_upgrade_is_an_ordinary_request() {
    let get =
        |version: &str, fields: &str| format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    for request in [
        get(
            "1.1",
            "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n",
        ),
        get("1.1", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n"),
        get("1.1", "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"),
        get("1.1", "Upgrade: websocket\r\n"),
        get("1.1", "Connection: upgrade\r\n"),
        get("1.1", "Connection: upgrade\r\nUpgrade: tls/1.0\r\n"),
        get("1.0", upgrade),
        format!("POST / HTTP/1.1\r\nHost: a\r\n{upgrade}Content-Length: 0\r\n\r\n"),
        format!("HEAD / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}Content-Length: 5\r\n\r\nhello"),
    ] {
        let upstream = Upstream::replying("");
        let weir = one_worker(&upstream);
        let mut client = weir.connect();
        assert_eq!(client.send(&request).answer().status, 200, "{request}");
        let received = upstream.received().to_ascii_lowercase();
        for word in ["upgrade", "http2-settings"] {
            assert!(!received.contains(word), "{request} became {received}");
        }
    }
}

#[test]
fn a_route_says_what_its_connections_may_become() {
    let upstream = Upstream::replying("plain");
    let text = one_pool(&[&upstream]) + "[routes.all]\npool = \"app\"\nupgrade = []\n";
    let weir = Weir::start(&text);
    let mut client = weir.connect();
    assert_eq!(client.send(UPGRADE).answer().text(), "plain");
    assert!(!upstream.received().to_ascii_lowercase().contains("upgrade"));
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send("HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: chess/2\r\n\r\ne4");
        while peer.read().is_some() {}
    });
    let weir = Weir::start(
        one_pool(&[&upstream]) + "[routes.all]\npool = \"app\"\nupgrade = [\"Chess/2\"]\n",
    );
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: CHESS/2\r\n\r\n");
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.rest_of(2), b"e4");
}

#[test]
fn a_switch_to_something_else_than_asked_is_a_502() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send(SWITCHING.replace("websocket", "h2c"));
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    assert_eq!(client.send(UPGRADE).answer().status, 502);
    until("its connection is closed", || upstream.open() == 0);
}

#[test]
fn a_tunnel_ends_when_nobody_has_said_anything_for_long() {
    let upstream = echoing();
    let text = one_pool(&[&upstream])
        + "[routes.all]\npool = \"app\"\ntimeouts = { idle = \"1s\", total = \"2s\", response = \"2s\", \
           stream_idle = \"10m\" }\n";
    let weir = Weir::start(text);
    let mut client = open(&weir);
    for _ in 0..3 {
        weir.advance(590);
        assert_eq!(client.send("x").rest_of(1), b"x");
    }
    weir.advance(601);
    assert!(client.is_closed());
    until("the endpoint is released", || upstream.open() == 0);
}

#[test]
fn a_tunnel_lives_on_over_reloads_and_keeps_no_old_configuration() {
    let upstream = echoing();
    let text = |n: usize| {
        one_pool(&[&upstream]) + &format!("[routes.r{n}]\nhost = \"h\"\npool = \"app\"\n")
    };
    let weir = Weir::start(text(0));
    let first = weir.snapshot();
    let mut client = open(&weir);
    for n in 1..=20 {
        weir.reload(text(n));
        assert_eq!(client.send("x").rest_of(1), b"x", "reload {n}");
    }
    // Workers let go of the old one with the next request.
    until("the first configuration is gone", || {
        weir.connect().send("GET / HTTP/1.1\r\nHost: \r\n\r\n").answer();
        first.strong_count() == 0
    });
    assert_eq!(client.send("y").rest_of(1), b"y");
}

/// An upstream that switches and then says much.
fn talking(size: usize) -> Upstream {
    Upstream::scripted(move |mut peer| {
        switch(&mut peer);
        peer.send(vec![b'x'; size]);
        while peer.read().is_some() {}
    })
}

#[test]
fn a_slow_reader_of_a_tunnel_is_busy_and_one_that_takes_nothing_is_reset() {
    let upstream = talking(64 << 20);
    let text = one_pool(&[&upstream])
        + "[routes.all]\npool = \"app\"\ntimeouts = { stream_idle = \"20s\", idle = \"20s\" }\n";
    let weir = Weir::start(text);
    let mut client = open(&weir);
    // There is always more than any buffer holds.
    for _ in 0..10 {
        client.rest_of(1 << 20);
        weir.advance(15);
    }
    let streams = "weir_http_streams{route=\"all\",kind=\"websocket\"}";
    assert_eq!(weir.metric(streams), 1.0, "it has been busy all the time");
    let upstream = talking(64 << 20);
    let weir = one_worker(&upstream);
    let mut client = open(&weir);
    until("it is given up", || {
        weir.advance(10);
        weir.metric("weir_http_refused_total{route=\"none\",reason=\"write_timeout\"}") == 1.0
    });
    assert!(client.rest().is_err(), "by a reset");
    until("the endpoint is released", || upstream.open() == 0);
}

#[test]
fn a_tunnel_with_one_end_left_is_not_waited_for_as_long_as_a_whole_one() {
    let upstream = echoing();
    let weir = one_worker(&upstream);
    let mut client = open(&weir);
    assert_eq!(client.send("x").rest_of(1), b"x");
    let half = Upstream::scripted(|mut peer| {
        switch(&mut peer);
        peer.stream.shutdown(Shutdown::Write).unwrap();
        while peer.read().is_some() {}
    });
    let weir = one_worker(&half);
    let mut client = open(&weir);
    assert_eq!(client.rest().unwrap(), b"");
    client.send("still here");
    until("it arrives", || half.received().ends_with("still here"));
    weir.advance(61);
    until("it is over", || half.open() == 0);
}
