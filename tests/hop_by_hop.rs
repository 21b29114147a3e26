//! Fields that concern one connection stay on it, and nobody can make others stay behind.

use crate::harness::{Upstream, Weir, echo, one_pool, one_worker, untold};

/// The fields of a head as it was received, in lower case, without its first line.
fn fields(head: &str) -> Vec<String> {
    let lines = head.lines().skip(1).take_while(|line| !line.is_empty());
    lines.map(str::to_ascii_lowercase).collect()
}

#[test]
fn rows_23_and_24_of_a_request_only_what_concerns_the_endpoint_reaches_it() {
    let upstream = Upstream::replying("hello");
    let weir = Weir::start(untold(one_pool(&[&upstream])));
    let mut client = weir.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAuthorization: x\r\nCookie: y\r\n\
         X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: deflate\r\nUpgrade: x\r\n\
         HTTP2-Settings: AAA\r\nX-Named: z\r\nX-Other: w\r\n\
         Connection: content-length, host, authorization, cookie, x-forwarded-for\r\n\
         Connection: x-real-ip, forwarded, transfer-encoding, x-named,, keep-alive\r\n\r\nhello",
    );
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(
        fields(&upstream.received()),
        [
            "host: a",
            "content-length: 5",
            "authorization: x",
            "cookie: y",
            "x-forwarded-for: 1.2.3.4",
            "x-real-ip: 1.2.3.4",
            "forwarded: for=1.2.3.4",
            "x-other: w",
            "via: 1.1 weir",
        ]
    );
}

#[test]
fn rows_23_and_24_of_an_answer_only_what_concerns_the_client_reaches_it() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send(
                "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\
                 Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
                 X-Named: z\r\nX-Other: w\r\nServer: s\r\n\
                 Connection: set-cookie, content-length, x-named, upgrade\r\n\r\nhello",
            );
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for _ in 0..2 {
        let answer = client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer();
        assert_eq!(answer.text(), "hello");
        assert_eq!(
            fields(&answer.head),
            ["date: now", "content-length: 5", "x-other: w", "server: s"],
            "what weir has no meaning for may be named"
        );
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn answers_without_a_date_get_one_and_others_keep_theirs() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        peer.reply("hello");
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\ndATE: x\r\nContent-Length: 0\r\n\r\n");
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    let date = |answer: &crate::harness::Answer| {
        let date = answer.field("date").expect("there is one").to_owned();
        assert_eq!(answer.head.to_ascii_lowercase().matches("\r\ndate:").count(), 1);
        date
    };
    let made = date(&client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer());
    assert_eq!((made.len(), &made[25..]), (29, " GMT"), "{made}");
    assert_eq!(date(&client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer()), "x");
    let refused = client.send("GET / HTTP/1.1\r\n\r\n").answer();
    assert_eq!(date(&refused).len(), 29, "weir's own, too");
}

/// RFC 9110, 7.6.2.
#[test]
fn max_forwards_counts_hops_of_options_and_trace() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let ask = |method: &str, left: &str| {
        weir.connect()
            .send(format!("{method} /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: {left}\r\n\r\n"))
            .answer()
    };
    assert_eq!(ask("OPTIONS", "0").status, 204);
    let answer = ask("TRACE", "0");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("OPTIONS")));
    assert_eq!(upstream.requests(), 0);
    for (method, left, passed) in [
        ("OPTIONS", "5", "max-forwards: 4"),
        ("TRACE", "1", "max-forwards: 0"),
        ("TRACE", "x", "Max-Forwards: x"),
        ("GET", "0", "Max-Forwards: 0"),
    ] {
        assert_eq!(ask(method, left).status, 200, "{method} {left}");
        let received = upstream.received();
        let last = received.rsplit("\r\n\r\n").nth(1).unwrap_or_default();
        assert!(last.contains(passed), "{method} {left}: {last}");
        assert_eq!(last.to_ascii_lowercase().matches("max-forwards").count(), 1, "{last}");
    }
}
