//! Endpoints that lie or break off: their answers are refused, or visibly break; never a wrong whole one.
//!
//! Rows 41 to 43 of the threat table. A connection that said more than its answer is never used again.

use std::io;

use parking_lot::Mutex;

use crate::harness::{Client, Peer, Upstream, Weir, one_worker, until};

fn refused(weir: &Weir, reason: &str) -> f64 {
    weir.metric(&format!("weir_http_refused_total{{route=\"none\",reason=\"{reason}\"}}"))
}

/// The number in the path of a request, which chooses what an endpoint does.
fn number(request: &str) -> Option<usize> {
    request.split(' ').nth(1)?.strip_prefix('/')?.parse().ok()
}

/// Answers `/N` with the bytes of that number, then waits; any other path by itself.
fn saying(answers: Vec<Vec<u8>>) -> Upstream {
    Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            match number(&request) {
                Some(n) => peer.send(&answers[n]),
                None => peer.reply(request.split(' ').nth(1).unwrap_or_default()),
            }
        }
    })
}

fn ask(client: &mut Client, path: impl std::fmt::Display) -> &mut Client {
    client.send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

#[test]
fn row_41_an_answer_that_is_not_sound_is_a_502_and_its_connection_ends() {
    let ok = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello").into_bytes();
    let line = |line: &str| format!("{line}\r\nContent-Length: 5\r\n\r\nhello").into_bytes();
    let mut answers = vec![
        // Not HTTP/1 at all.
        b"hello world".to_vec(),
        b"<html>hello</html>\r\n".to_vec(),
        b"\0".to_vec(),
        b"\x15\x03\x01\x00\x02\x02\x46".to_vec(),
        b"\0\0\x06\x04\0\0\0\0\0".to_vec(),
        // Status lines.
        line("\r\nHTTP/1.1 200 OK"),
        line("\nHTTP/1.1 200 OK"),
        line(" HTTP/1.1 200 OK"),
        line("HTTP/2.0 200 OK"),
        line("HTTP/1.2 200 OK"),
        line("HTTP/0.9 200 OK"),
        line("http/1.1 200 OK"),
        line("HTTP/1.1 20 OK"),
        line("HTTP/1.1 2000 OK"),
        line("HTTP/1.1 000 OK"),
        line("HTTP/1.1 099 OK"),
        line("HTTP/1.1 600 OK"),
        line("HTTP/1.1 999 OK"),
        line("HTTP/1.1 2x0 OK"),
        line("HTTP/1.1 -20 OK"),
        line("HTTP/1.1  200 OK"),
        line("HTTP/1.1\t200 OK"),
        line("HTTP/1.1 200OK"),
        line("HTTP/1.1 200 O\0K"),
        line("HTTP/1.1 200 O\rK"),
        line("HTTP/1.1 200 O\x7fK"),
        line("HTTP/1.1"),
        b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello".to_vec(),
        b"HTTP/1.1 200\nContent-Length: 5\r\n\r\nhello".to_vec(),
        // Fields.
        ok("Content-Length: 5\nX: y"),
        ok("Content-Length: 5\r\n\nX: y"),
        ok("Content-Length: 5\r\nX: y\rz"),
        ok("Content-Length: 5\r\nX: y\0z"),
        ok("Content-Length: 5\r\nX: y\x7fz"),
        ok("Content-Length: 5\r\nX: y\r\n z"),
        ok(" X: y\r\nContent-Length: 5"),
        ok("Content-Length : 5"),
        ok("Content-Length: 5\r\nX"),
        ok("Content-Length: 5\r\n: y"),
        ok("Content-Length: 5\r\nX\0: y"),
        ok(&format!("Content-Length: 5{}", "\r\nX: y".repeat(100))),
        ok(&format!("Content-Length: 5\r\n{}", format!("X: {}\r\n", "y".repeat(8000)).repeat(9))),
        ok(&format!("Content-Length: 5\r\nX: {}", "y".repeat(70_000))),
        // Framing.
        ok("Content-Length: 5\r\nContent-Length: 6"),
        ok("Content-Length: 5\r\ncontent-length: 5"),
        ok("Content-Length: 5, 5"),
        ok("Content-Length: +5"),
        ok("Content-Length: 0x5"),
        ok("Content-Length: 5 5"),
        ok("Content-Length:"),
        ok("Content-Length: 99999999999999999999"),
        ok("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ok("Transfer-Encoding: chunked\r\nContent-Length: 5"),
        ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ok("Transfer-Encoding: chunked, chunked"),
        ok("Transfer-Encoding: chunked, identity"),
        ok("Transfer-Encoding: identity\r\nContent-Length: 5"),
        ok("Transfer-Encoding: gzip, chunked"),
        ok("Transfer-Encoding: x"),
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
        // Interim answers: too many, a broken one, one that nobody asked for.
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33).into_bytes(),
        b"HTTP/1.1 100 Continue\r\nContent-Length: 5, 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"
            .to_vec(),
        b"HTTP/1.1 100 Continue\r\n\r\nhello".to_vec(),
    ];
    // Whether it has a body or not, framing that is ambiguous is refused.
    let bodiless = answers.len();
    answers.push(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5, 5\r\n\r\n".to_vec());
    answers.push(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec(),
    );
    assert!(bodiless > 60);
    let count = answers.len();
    let shown: Vec<_> =
        answers.iter().map(|a| a[..a.len().min(80)].escape_ascii().to_string()).collect();
    let upstream = saying(answers);
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for (n, shown) in shown.iter().enumerate() {
        let answer = ask(&mut client, n).last_answer();
        assert_eq!(answer.status, 502, "{shown}");
        assert!(!answer.text().contains("hello"), "{shown}");
        weir.until_metric("weir_pool_connections{pool=\"app\"}", 0.0);
        assert_eq!(upstream.connections(), n + 1, "{shown}");
        until("it is counted", || refused(&weir, "protocol") == (n + 1) as f64);
    }
    assert_eq!(
        ask(&mut client, "next").answer().text(),
        "/next",
        "the client's own connection goes on"
    );
    assert_eq!(upstream.connections(), count + 1);
}

#[test]
fn an_answer_that_breaks_off_within_its_head_is_a_502() {
    let heads = [
        "H",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ];
    let upstream = Upstream::scripted(move |mut peer| {
        if let Some(n) = peer.request().as_deref().and_then(number) {
            peer.send(heads[n]);
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for (n, head) in heads.iter().enumerate() {
        assert_eq!(ask(&mut client, n).last_answer().status, 502, "{head:?}");
        until("it is counted", || refused(&weir, "aborted") == (n + 1) as f64);
    }
    assert_eq!(upstream.connections(), heads.len(), "none of them was asked for again");
}

#[test]
fn up_to_32_interim_answers_are_borne() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(32);
    let answer = interim + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let upstream = saying(vec![answer.into_bytes()]);
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    ask(&mut client, 0);
    for _ in 0..32 {
        let early = client.answer();
        assert_eq!((early.status, early.field("link")), (103, Some("x")));
    }
    assert_eq!(client.answer().text(), "hello");
}

/// Bodies that end too early or cannot be understood, each with the reason that is counted.
const BROKEN: [(&str, &str); 12] = [
    ("truncated", "Content-Length: 10\r\n\r\nhello"),
    ("truncated", "Content-Length: 10\r\n\r\n"),
    ("truncated", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("truncated", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello"),
    ("truncated", "Transfer-Encoding: chunked\r\n\r\na\r\nhello"),
    ("truncated", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
    ("truncated", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n"),
    ("truncated", "Transfer-Encoding: chunked\r\n\r\n"),
    ("bad_answer_body", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"),
    ("bad_answer_body", "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n"),
    ("bad_answer_body", "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
    ("bad_answer_body", "Transfer-Encoding: chunked\r\n\r\nhello"),
];

/// Says one of the broken bodies in two pieces, if there are two, and closes.
fn breaking(mut peer: Peer) {
    let Some(n) = peer.request().as_deref().and_then(number) else { return };
    peer.send(format!("HTTP/1.1 200 OK\r\n{}", BROKEN[n].1));
}

#[test]
fn row_42_a_broken_body_never_ends_cleanly_for_a_client() {
    let upstream = Upstream::scripted(breaking);
    let weir = one_worker(&upstream);
    for (n, (reason, shown)) in BROKEN.iter().enumerate() {
        let before = refused(&weir, reason);
        let mut client = weir.connect();
        ask(&mut client, n);
        // The head may be lost, too; a whole answer must not come.
        let came = client.rest().unwrap_or_default();
        let came = String::from_utf8_lossy(&came);
        let (head, body) = came.split_once("\r\n\r\n").unwrap_or_default();
        if shown.starts_with("Content-Length") {
            assert!(head.is_empty() || head.contains("Content-Length: 10"), "{shown:?}: {came}");
            assert!(body.len() < 10, "{shown:?}: {came}");
        } else {
            assert!(head.is_empty() || head.contains("transfer-encoding: chunked"), "{shown:?}");
            assert!(!came.ends_with("0\r\n\r\n"), "{shown:?}: {came}");
        }
        until("it is counted", || refused(&weir, reason) == before + 1.0);
        weir.until_metric("weir_pool_connections{pool=\"app\"}", 0.0);
    }
}

#[test]
fn row_56_a_broken_body_is_a_reset_where_the_close_would_end_it() {
    let upstream = Upstream::scripted(breaking);
    let weir = one_worker(&upstream);
    for (n, (_, shown)) in BROKEN.iter().enumerate() {
        let mut client = weir.connect();
        let came = client.send(format!("GET /{n} HTTP/1.0\r\n\r\n")).rest();
        if shown.starts_with("Content-Length") {
            let came = came.unwrap_or_default();
            assert!(!came.ends_with(b"hello     "), "{shown:?}");
        } else {
            let error = came.expect_err(shown);
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{shown:?}");
        }
    }
}

#[test]
fn row_42_a_body_until_close_that_is_reset_does_not_look_whole() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::scripted(move |mut peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\n\r\nhello");
            let _ = gone.lock().recv();
            peer.reset();
        }
    });
    let weir = one_worker(&upstream);
    for version in ["1.1", "1.0"] {
        let mut client = weir.connect();
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
        until("the answer has begun", || {
            let mut block = [0; 256];
            let n = client.stream().peek(&mut block).unwrap();
            block[..n].trim_ascii_end().ends_with(b"hello")
        });
        go.send(()).unwrap();
        match client.rest() {
            Ok(came) if version == "1.1" => assert!(came.ends_with(b"5\r\nhello\r\n")),
            Ok(came) => panic!("looks whole: {}", came.escape_ascii()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
    until("both are counted", || refused(&weir, "truncated") == 2.0);
}

/// Answers that are followed by what nobody asked for.
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
const FOLLOWED: [(&str, &str); 8] = [
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 50\r\n\r\n"),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n"),
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"),
    ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
];

/// Reads the answer to one of `FOLLOWED`, and checks it.
fn first_answer(client: &mut Client, method: &str, shown: &str) {
    let answer = if method == "HEAD" { client.answer_to_head() } else { client.answer() };
    assert!(matches!(answer.status, 200 | 204 | 304), "{shown:?}");
    assert!(matches!(&*answer.body, b"hello" | b""), "{shown:?}");
}

#[test]
fn row_43_what_follows_an_answer_never_answers_another_request() {
    for extra in [POISON, "x", "\r\n", "0\r\n\r\n", "hello"] {
        let upstream = Upstream::scripted(move |mut peer| {
            while let Some(request) = peer.request() {
                match number(&request) {
                    Some(n) => peer.send([FOLLOWED[n].1, extra].concat()),
                    None => peer.reply("right"),
                }
            }
        });
        let weir = one_worker(&upstream);
        let mut client = weir.connect();
        for (n, (method, shown)) in FOLLOWED.iter().enumerate() {
            let connections = upstream.connections();
            client.send(format!("{method} /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
            first_answer(&mut client, method, shown);
            assert_eq!(ask(&mut client, "next").answer().text(), "right", "{shown:?} {extra:?}");
            // The first may have gone out on the connection that answered `next` before.
            assert_eq!(upstream.connections() - connections, usize::from(n == 0) + 1);
        }
    }
}

#[test]
fn row_43_what_an_idle_connection_says_never_answers_another_request() {
    let (go, gone) = std::sync::mpsc::channel();
    let (said, saying) = std::sync::mpsc::channel();
    let gone = Mutex::new(gone);
    let upstream = Upstream::scripted(move |mut peer| {
        peer.stream.set_nodelay(true).unwrap();
        while let Some(request) = peer.request() {
            match number(&request) {
                Some(n) => {
                    peer.send(FOLLOWED[n].1);
                    let _ = gone.lock().recv();
                    peer.send(POISON);
                    let _ = said.send(());
                }
                None => peer.reply("right"),
            }
        }
    });
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    for swept in [false, true] {
        for (n, (method, shown)) in FOLLOWED.iter().enumerate() {
            let connections = upstream.connections();
            client.send(format!("{method} /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
            first_answer(&mut client, method, shown);
            weir.until_metric("weir_pool_connections{pool=\"app\",state=\"idle\"}", 1.0);
            go.send(()).unwrap();
            saying.recv().unwrap();
            if swept {
                weir.until_metric("weir_pool_connections{pool=\"app\"}", 0.0);
            }
            assert_eq!(ask(&mut client, "next").answer().text(), "right", "{shown:?}");
            let first = usize::from(n == 0 && !swept);
            assert_eq!(upstream.connections() - connections, first + 1, "{shown:?}");
        }
    }
}

/// What was answered before must reach a client that is still sending (RFC 9112, 9.6): a reset might overtake it.
#[test]
fn a_broken_answer_ends_the_connection_without_a_reset() {
    let broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz".to_vec();
    let upstream = saying(vec![broken]);
    let weir = one_worker(&upstream);
    let mut client = weir.connect();
    ask(ask(&mut client, "sound"), 0);
    for n in 0..8_000 {
        ask(&mut client, format!("further/{n}"));
    }
    assert_eq!(client.answer().text(), "/sound");
    let rest = client.rest().expect("it ends in peace");
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.ends_with("chunked\r\n\r\n"), "{rest}");
}
