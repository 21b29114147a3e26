//! Answers before the answer, and what a client expects: 1xx and 100-continue.

use crate::harness::{SMUGGLED, Upstream, Weir, one_pool, one_worker, until};

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

/// An upstream that invites the body, and answers when it has come.
fn inviting() -> Upstream {
    Upstream::scripted(|mut peer| {
        while peer.read().is_some() {
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            if peer.request().is_some() {
                peer.reply("thanks");
            }
        }
    })
}

#[test]
fn row_47_early_answers_are_passed_on_as_they_come() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send(
                "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-a\r\nX-A: y\r\n\
                 Keep-Alive: z\r\nContent-Length: 5\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
            );
            peer.reply("hello");
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().head, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>");
        assert_eq!(client.answer().head, "HTTP/1.1 102 Processing");
        assert_eq!(client.answer().text(), "hello");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn row_47_an_http_1_0_client_hears_of_none() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send("HTTP/1.1 103 Early Hints\r\n\r\n");
        peer.reply("hello");
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn row_47_a_switch_that_nobody_asked_for_is_a_502() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n");
        peer.send("Upgrade: websocket\r\n\r\nhello");
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 502);
    assert!(!answer.text().contains("hello"));
    until("its connection is closed", || upstream.open() == 0);
}

#[test]
fn a_client_is_invited_by_the_endpoint_and_sends_its_body_then() {
    let upstream = inviting();
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for _ in 0..2 {
        client.send(EXPECTING);
        assert_eq!(client.answer().status, 100);
        client.send("hello");
        assert_eq!(client.answer().text(), "thanks");
    }
    assert!(upstream.received().contains("\r\nExpect: 100-continue\r\n"));
    assert_eq!(upstream.connections(), 1, "the connection was kept");
}

#[test]
fn a_client_that_does_not_wait_for_its_invitation_is_served_too() {
    let upstream = inviting();
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send(format!("{EXPECTING}hello"));
    assert_eq!(client.last_answer().text(), "thanks");
}

#[test]
fn an_endpoint_that_declines_the_body_ends_the_conversation() {
    let upstream = Upstream::scripted(|mut peer| {
        if peer.read().is_some() {
            peer.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
            while peer.read().is_some() {}
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    client.send(EXPECTING);
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (417, Some("close")));
    // What comes now may be the body, or a request: nobody could tell.
    client.send(SMUGGLED);
    assert!(client.is_closed());
    until("the endpoint's connection ends, too", || upstream.open() == 0);
    assert!(!upstream.received().contains("smuggled"));
}

#[test]
fn an_invitation_is_asked_for_again_where_the_first_endpoint_died() {
    let dying = Upstream::scripted(|mut peer| {
        peer.read();
        peer.reset();
    });
    let upstream = inviting();
    let weir = Weir::start(one_pool(&[&dying, &upstream]));
    let put = EXPECTING.replace("POST", "PUT");
    for _ in 0..4 {
        let mut client = weir.connect();
        client.send(&put);
        assert_eq!(client.answer().status, 100);
        assert_eq!(client.send("hello").answer().text(), "thanks");
    }
    assert!(dying.connections() > 0);
}

#[test]
fn what_nobody_can_expect_is_not_passed_on() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: miracles\r\n\r\nhello",
    ] {
        let upstream = Upstream::replying("hello");
        let weir = one_worker(&upstream);
        let mut client = weir.connect();
        assert_eq!(client.send(request).answer().status, 200, "{request}");
        assert!(!upstream.received().contains("Expect"), "{request}");
    }
}

#[test]
fn early_answers_wait_for_a_client_that_does_not_take_them() {
    let padding = "x".repeat(60_000);
    let upstream = Upstream::scripted(move |mut peer| {
        while peer.request().is_some() {
            for _ in 0..32 {
                peer.send(format!("HTTP/1.1 103 Early Hints\r\nX-Padding: {padding}\r\n\r\n"));
            }
            peer.reply("hello");
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    // Nothing is read until the last byte of the request is gone.
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.until_requests(1);
    for _ in 0..32 {
        assert_eq!(client.answer().status, 103);
    }
    assert_eq!(client.answer().text(), "hello");
}
