//! What follows a chunked body: passed on both ways, but for what would mean something in a head.

use crate::harness::{Upstream, one_worker};

const HOSTILE: &str = "X-Sum: 1\r\nContent-Length: 50\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\
    Authorization: x\r\nX-Forwarded-For: 1.2.3.4\r\nX_Y: z\r\nConnection: close\r\ngrpc-status: 0\r\n";

#[test]
fn row_12_trailers_of_a_request_reach_the_endpoint() {
    let upstream = Upstream::replying("hello");
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5\r\nhello\r\n0\r\n{HOSTILE}\r\n"
    ));
    assert_eq!(client.answer().text(), "hello");
    let received = upstream.received();
    assert!(received.contains("\r\nTrailer: X-Sum\r\n"), "{received}");
    assert!(received.ends_with("\r\n0\r\nX-Sum: 1\r\ngrpc-status: 0\r\n\r\n"), "{received}");
}

#[test]
fn row_12_trailers_of_an_answer_reach_the_client() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                 5\r\nhello\r\n0\r\n{HOSTILE}\r\n"
            ));
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers, deflate\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.trailers, ["X-Sum: 1", "grpc-status: 0"]);
        assert_eq!(answer.field("trailer"), Some("X-Sum"));
    }
    assert_eq!(upstream.connections(), 1);
    // Row 24: of what the client said of codings, only this concerns the endpoint.
    let received = upstream.received();
    assert!(received.contains("\r\nte: trailers\r\nconnection: te\r\n"), "{received}");
    assert!(!received.contains("deflate"), "{received}");
    // Who is told a length, or nothing, has no place for them.
    client.send("GET / HTTP/1.0\r\n\r\n");
    let rest = String::from_utf8(client.rest().unwrap()).unwrap();
    assert!(rest.ends_with("\r\n\r\nhello"), "{rest}");
    assert!(!rest.contains("railer"), "{rest}");
}

#[test]
fn row_11_too_many_trailers_are_refused_and_limits_can_be_moved() {
    let trailers = "x-a: y\r\n".repeat(33);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n"
    );
    let upstream = Upstream::replying("hello");
    for (limits, status) in [("", 400), ("[listeners.web.limits]\ntrailers = 33\n", 200)] {
        let weir = crate::harness::Weir::start(crate::harness::one_pool(&[&upstream]) + limits);
        let mut client = weir.connect();
        assert_eq!(client.send(&request).answer().status, status, "{limits}");
    }
}
