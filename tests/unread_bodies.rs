//! Bodies that are not read to their end, on either side: what is left of them is never a request.
//!
//! Rows 18 and 19 of the threat table, and requests that break off.

use parking_lot::Mutex;

use crate::harness::{SMUGGLED, Upstream, Weir, echo, one_pool, one_worker, until};

#[test]
fn row_18_a_body_is_never_left_to_be_the_next_request() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for method in ["GET", "DELETE", "OPTIONS", "TRACE", "PUT", "X"] {
        let length = SMUGGLED.len();
        let by_length =
            format!("{method} /l HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let chunked = format!(
            "{method} /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             {length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"
        );
        client.send(
            [&by_length, SMUGGLED, &chunked, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat(),
        );
        for path in ["/l", "/c", "/next"] {
            assert_eq!(client.answer().text(), path, "{method}");
        }
    }
    assert_eq!(upstream.requests(), 18);
}

#[test]
fn row_19_a_short_rest_of_a_body_is_read_past() {
    // Answers as soon as it has the head.
    let upstream = Upstream::scripted(|mut peer| {
        while peer.read().is_some() {
            peer.reply("early");
        }
    });
    let weir = one_worker(&upstream);
    let length = SMUGGLED.len();
    for framed in [
        format!("Content-Length: {length}\r\n\r\n|{SMUGGLED}"),
        format!("Transfer-Encoding: chunked\r\n\r\n|{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"),
    ] {
        let (field, rest) = framed.split_once('|').unwrap();
        let mut client = weir.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{field}"));
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("early", None));
        client.send([rest, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert_eq!(client.answer().text(), "early");
        client.finish();
        assert!(client.is_closed(), "nothing else was answered");
    }
    weir.until_metric("weir_http_requests_in_flight{route=\"none\"}", 0.0);
    assert_eq!(weir.metric("weir_http_requests_total{route=\"none\"}"), 4.0);
    // The first, the one after it, which then carries the third, and the last.
    assert_eq!(upstream.connections(), 3, "a request that was not sent whole ends its connection");
    assert!(!upstream.received().contains("/smuggled"));
}

#[test]
fn row_19_a_long_rest_of_a_body_ends_the_connection() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.read();
        peer.reply("early");
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let rest = SMUGGLED.repeat(20_000);
    let length = rest.len();
    for (field, closes, rest) in [
        (format!("Content-Length: {length}"), Some("close"), rest.clone()),
        ("Transfer-Encoding: chunked".into(), None, format!("{length:x}\r\n{rest}\r\n0\r\n\r\n")),
    ] {
        let mut client = weir.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("early", closes));
        client.send(rest + SMUGGLED);
        assert!(client.is_closed());
    }
    assert_eq!(weir.metric("weir_http_requests_total{route=\"none\"}"), 2.0);
    assert!(!upstream.received().contains("GET"));
}

#[test]
fn row_19_a_malformed_rest_behind_a_running_answer_is_never_a_request() {
    let (go, gone) = std::sync::mpsc::channel();
    let gone = Mutex::new(gone);
    let upstream = Upstream::scripted(move |mut peer| {
        peer.read();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly");
        let _ = gone.lock().recv();
        peer.send("early");
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    until("the answer has begun", || client.stream().peek(&mut [0; 64]).is_ok_and(|n| n > 40));
    // A chunk whose data looks like the end of a body and another request, then what is no chunk. It was
    // decoded in place, and must not be decoded again.
    let data = ["0\r\n\r\n", SMUGGLED].concat();
    client.send(format!("{:x}\r\n{data}\r\nno chunk\r\n", data.len()));
    go.send(()).unwrap();
    assert_eq!(client.answer().text(), "earlyearly");
    assert!(client.is_closed());
    assert_eq!(weir.metric("weir_http_requests_total{route=\"none\"}"), 1.0);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_body_that_breaks_off_never_looks_whole_to_the_endpoint() {
    let upstream = Upstream::scripted(|mut peer| while peer.request().is_some() {});
    let weir = one_worker(&upstream);
    for (framed, seen) in [
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "3\r\nhel\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", "5\r\nhello\r\n"),
        ("Content-Length: 10\r\n\r\nhello", "hello"),
    ] {
        let mut client = weir.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framed}"));
        until("the begin arrives", || upstream.received().ends_with(seen));
        client.finish();
        assert!(client.is_closed(), "{framed:?}");
        assert!(upstream.received().ends_with(seen), "{framed:?}: {}", upstream.received());
        weir.until_metric("weir_pool_connections{pool=\"app\"}", 0.0);
    }
    assert_eq!(weir.metric("weir_http_refused_total{route=\"none\",reason=\"client_gone\"}"), 5.0);
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn a_client_that_was_not_told_to_send_its_body_gets_no_second_request() {
    let dead = crate::harness::refusing();
    let weir = Weir::start(one_pool(&[&dead]));
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    // Whether it sends the body now or the next request: nobody could tell.
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (502, Some("close")));
    client.send(SMUGGLED);
    assert!(client.is_closed());
    assert_eq!(weir.metric("weir_http_requests_total{route=\"none\"}"), 1.0);
}

#[test]
fn many_requests_at_once_are_all_answered_though_none_of_them_waits() {
    let upstream = Upstream::replying("hello");
    let weir = Weir::start(format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\n[pools.app]\nendpoints = [\"{upstream}\"]\n\
         [routes.app]\nhost = \"app\"\npool = \"app\"\n"
    ));
    // So large that a few of them fill the block that is read into.
    const COUNT: usize = 200;
    let mut client = weir.connect();
    let mut sender = client.stream().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let field = format!("X: {}\r\n", "y".repeat(10_001));
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}{field}\r\n");
        std::io::Write::write_all(&mut sender, request.repeat(COUNT).as_bytes())
    });
    for _ in 0..COUNT {
        assert_eq!(client.answer().status, 404);
    }
    sending.join().unwrap().unwrap();
}
