//! HTTP/1 through weir: bodies both ways, keep-alive, pipelining, what has no body, and back-pressure.

use std::io::Write;

use crate::harness::{Upstream, Weir, one_pool, one_worker, until, untold};

#[test]
fn a_request_is_answered_by_an_endpoint() {
    let upstream = Upstream::replying("hello");
    let weir = Weir::start(untold(one_pool(&[&upstream])));
    let answer = weir.get("/a?b=c");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(
        upstream.received(),
        "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nvia: 1.1 weir\r\n\r\n"
    );
}

#[test]
fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::replying("hello");
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    for _ in 0..10 {
        let answer = client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer();
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.field("connection"), None);
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(weir.metric("weir_listener_connections_total{listener=\"web\"}"), 1.0);
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"idle\"}", 1.0);
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"active\"}", 0.0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            peer.reply(&path);
        }
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    let all: String = (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(all);
    for n in 0..20 {
        assert_eq!(client.answer().text(), format!("/{n}"));
    }
}

#[test]
fn a_body_goes_up_whole_by_length_and_in_chunks() {
    let upstream = Upstream::replying("ok");
    let weir = Weir::start(untold(one_pool(&[&upstream])));
    let mut client = weir.connect();
    let body = "x".repeat(300_000);
    let head = format!("POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    assert_eq!(client.send(head + &body).answer().status, 200);
    let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n\
                   6\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n";
    assert_eq!(client.send(chunked).answer().status, 200);
    let received = upstream.received();
    assert!(received.contains(&body));
    let chunks = received.split_once("POST /c").unwrap().1;
    assert_eq!(
        chunks,
        " HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\nvia: 1.1 weir\r\n\r\n\
         b\r\nhello world\r\n0\r\nx-trailer: 1\r\n\r\n"
    );
}

#[test]
fn an_answer_comes_down_whole_however_it_is_framed() {
    let long = "y".repeat(700_000);
    let bodies = [String::new(), String::from("short"), long];
    let for_script = bodies.clone();
    let upstream = Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            let body = &for_script[usize::from(request.as_bytes()[6] - b'0')];
            match &request[5..6] {
                "l" => peer.reply(body),
                "c" => {
                    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    for chunk in body.as_bytes().chunks(10_000) {
                        peer.send(format!("{:X}\r\n", chunk.len()));
                        peer.send(chunk);
                        peer.send("\r\n");
                    }
                    peer.send("0\r\n\r\n");
                }
                _ => {
                    peer.send("HTTP/1.0 200 OK\r\n\r\n");
                    peer.send(body);
                    return;
                }
            }
        }
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    for (number, body) in bodies.iter().enumerate() {
        for form in ["l", "c", "u"] {
            let request = format!("GET /{form}{number} HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = client.send(request).answer();
            assert_eq!(answer.status, 200, "{form}{number}");
            assert!(answer.text() == *body, "{form}{number}: {} bytes", answer.body.len());
            let chunked = answer.field("transfer-encoding").is_some();
            assert_eq!(chunked, form != "l", "{form}{number}");
        }
    }
}

#[test]
fn head_204_and_304_have_no_body() {
    let upstream = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            peer.send(match &request[..request.find(' ').unwrap_or(0)] {
                "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
                "GET" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n",
                _ => "HTTP/1.1 204 No Content\r\n\r\n",
            });
        }
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    for _ in 0..2 {
        let head = client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").answer_to_head();
        assert_eq!(head.field("content-length"), Some("1000"));
        let unmodified = client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer();
        assert_eq!((unmodified.status, unmodified.field("etag")), (304, Some("\"x\"")));
        let empty = client.send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").answer();
        assert_eq!((empty.status, empty.field("content-length")), (204, None));
    }
    assert_eq!(upstream.connections(), 1, "the upstream connection was kept");
}

#[test]
fn an_http_1_0_client_is_served_in_its_own_way() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send(
                "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
            );
        }
    });
    let weir = Weir::start(untold(one_pool(&[&upstream])));
    let mut client = weir.connect();
    let rest = client.send("GET / HTTP/1.0\r\n\r\n").rest().unwrap();
    assert_eq!(
        String::from_utf8(rest).unwrap(),
        "HTTP/1.1 200 OK\r\nDate: x\r\nconnection: close\r\n\r\nhello"
    );
    let host = upstream.to_string();
    assert_eq!(
        upstream.received(),
        format!("GET / HTTP/1.1\r\nhost: {host}\r\nvia: 1.0 weir\r\n\r\n")
    );
    let upstream = Upstream::replying("hello");
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    for _ in 0..2 {
        let answer = client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
        assert_eq!(answer.field("connection"), Some("keep-alive"));
    }
}

#[test]
fn a_slow_client_slows_the_endpoint_and_still_gets_it_all() {
    let size = 64 * 1024 * 1024;
    let upstream = Upstream::scripted(move |mut peer| {
        while peer.request().is_some() {
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
            let block = vec![b'z'; 1024 * 1024];
            for _ in 0..64 {
                peer.send(&block);
            }
        }
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    let before = weir.metric("process_resident_memory_bytes");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // The head has come, and all buffers between are full: nothing moves until the client reads.
    weir.until_metric("weir_http_requests_in_flight{route=\"none\"}", 1.0);
    let grown = weir.metric("process_resident_memory_bytes") - before;
    assert!(grown < 16e6, "weir holds {grown} bytes of an answer that nobody reads");
    let answer = client.answer();
    assert_eq!(answer.body.len(), size);
}

#[test]
fn an_endpoint_that_answers_while_the_body_still_comes_gets_the_rest_of_it() {
    let size = 8 * 1024 * 1024;
    // Both directions are full at once, and must not wait for each other.
    let upstream = Upstream::scripted(move |mut peer| {
        peer.read();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", size + 1));
        let mut writer = peer.stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&vec![b'd'; size]));
        assert!(peer.request().is_some());
        writing.join().unwrap().unwrap();
        peer.send("d");
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"));
    // Reads nothing until all is written.
    client.send(vec![b'u'; size]);
    let answer = client.answer();
    assert_eq!(answer.body.len(), size + 1);
    assert_eq!(upstream.requests(), 1, "the whole body has arrived");
}

#[test]
fn a_client_that_leaves_takes_its_request_with_it() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        // Never answers; sees the connection end.
        assert!(peer.request().is_none());
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.until_requests(1);
    drop(client);
    let gone = "weir_http_refused_total{route=\"none\",reason=\"client_gone\"}";
    weir.until_metric(gone, 1.0);
    assert_eq!(weir.metric("weir_pool_attempts_total{pool=\"app\",result=\"client_gone\"}"), 1.0);
    assert_eq!(weir.metric("weir_http_requests_in_flight{route=\"none\"}"), 0.0);
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"active\"}", 0.0);
}

#[test]
fn silence_is_answered_in_time() {
    let upstream = Upstream::scripted(|mut peer| while peer.request().is_some() {});
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.until_requests(1);
    weir.advance(31);
    assert_eq!(client.answer().status, 504);
    let reason = "weir_http_refused_total{route=\"none\",reason=\"response_timeout\"}";
    weir.until_metric(reason, 1.0);
}

#[test]
fn a_head_must_come_within_its_time_and_an_idle_connection_ends() {
    let upstream = Upstream::replying("ok");
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut slow = weir.connect();
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let mut idle = weir.connect();
    assert_eq!(idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    weir.advance(11);
    assert_eq!(slow.answer().status, 408);
    assert!(slow.is_closed());
    weir.advance(76);
    assert!(idle.is_closed());
}

/// Begins an answer of 10 bytes, and then says nothing until the connection ends.
fn begins() -> Upstream {
    Upstream::scripted(|mut peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        peer.request();
    })
}

#[test]
fn a_client_that_leaves_in_the_midst_of_its_answer_takes_it_along() {
    let upstream = begins();
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut head = [0; 10];
    std::io::Read::read_exact(&mut client.stream(), &mut head).unwrap();
    drop(client);
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"client_gone\"}", 1.0);
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"active\"}", 0.0);
}

#[test]
fn an_answer_that_ends_with_weir_does_not_look_whole() {
    let upstream = begins();
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let mut head = [0; 10];
    std::io::Read::read_exact(&mut client.stream(), &mut head).unwrap();
    drop(weir);
    assert!(client.rest().is_err(), "a reset");
}

#[test]
fn weir_closes_its_connections_to_endpoints_when_it_ends() {
    let upstream = Upstream::replying("ok");
    let weir = Weir::start(one_pool(&[&upstream]));
    weir.get("/");
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"idle\"}", 1.0);
    assert_eq!(upstream.open(), 1);
    drop(weir);
    until("they are closed", || upstream.open() == 0);
}

#[test]
fn a_silent_answer_is_waited_for_though_its_client_was_slow_before() {
    let size = 16 * 1024 * 1024;
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = parking_lot::Mutex::new(wait);
    let upstream = Upstream::scripted(move |mut peer| {
        peer.request();
        peer.send(format!("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: {}\r\n\r\n", size + 1));
        peer.send(vec![b'x'; size]);
        let _ = wait.lock().recv();
        peer.send("y");
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.until_requests(1);
    let mut slow = weir.connect();
    slow.send("GET / HTTP/1.1\r\n");
    // All but the last byte: the client has caught up.
    let mut rest = vec![0; size];
    std::io::Read::read_exact(&mut client.stream(), &mut rest).unwrap();
    weir.advance(45);
    // Its sweep has seen the new time before the answer goes on.
    assert_eq!(slow.answer().status, 408);
    go_on.send(()).unwrap();
    let end =
        client.rest_of(1 + "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 16777217\r\n\r\n".len());
    assert_eq!(end.last(), Some(&b'y'));
}
