//! HTTP/2 towards clients: what reaches an endpoint, what comes back, and how a connection ends.

use std::sync::mpsc::{Sender, channel};

use http::{HeaderMap, HeaderValue, Request};

use crate::harness::http2::{Begun, DATA, Frames, HEADERS, Http2, RST_STREAM, get, head, request};
use crate::harness::pki::Authority;
use crate::harness::{Upstream, Weir, echo, one_pool, one_worker, until, untold};

/// A weir of one worker whose endpoint is not told of its clients.
fn plain(upstream: &Upstream) -> Weir {
    Weir::start(untold(one_pool(&[upstream])) + "[runtime]\nworkers = 1\n")
}

/// Answers with the path; `/slow` only when it is released.
fn holding() -> (Sender<()>, Upstream) {
    let (release, held) = channel::<()>();
    let held = parking_lot::Mutex::new(held);
    let upstream = Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            if request.contains("/slow") {
                held.lock().recv().unwrap();
            }
            peer.reply(request.split(' ').nth(1).unwrap());
        }
    });
    (release, upstream)
}

#[test]
fn a_request_goes_to_http1_as_one_of_its_own() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send("HTTP/1.1 201 Made\r\nX-Case: Yes\r\nContent-Length: 2\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nok");
        }
    });
    let weir = plain(&upstream);
    let mut client = Http2::connect(weir.address());
    let asked = get("/a/../b?q=1")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("x-under", "kept")
        .header("x_under", "dropped")
        .header("expect", "100-continue");
    let got = client.ask(asked).whole();
    assert_eq!((got.status, got.text().as_str()), (201, "ok"));
    assert_eq!(got.field("x-case"), Some("Yes"));
    assert_eq!((got.field("x-hop"), got.field("connection")), (None, None));
    assert!(got.field("date").is_some());
    assert_eq!(
        upstream.received(),
        "GET /b?q=1 HTTP/1.1\r\nhost: a.example\r\nx-under: kept\r\ncookie: a=1; b=2\r\n\
         te: trailers\r\nconnection: te\r\nvia: 2 weir\r\n\r\n"
    );
    assert_eq!(client.get("/").status, 201);
    assert_eq!(upstream.connections(), 1, "endpoints' connections are used again");
}

#[test]
fn over_tls_it_is_agreed_on() {
    let (ca, upstream) = (Authority::new(), Upstream::scripted(echo));
    let issued = ca.issue(&["a.example"]);
    let text = |versions: &str| {
        format!(
            "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocol = \"https\"\npool = \"app\"\n{versions}\n\
             [pools.app]\nendpoints = [\"{upstream}\"]\n\
             [certificates.main]\ncert = \"main.crt\"\nkey = {{ file = \"main.key\" }}\n"
        )
    };
    let weir = Weir::prepared(text(""), |directory| issued.write(directory, "main"));
    let mut client = Http2::over_tls(weir.address(), "a.example", ca.believed(None));
    assert_eq!(client.get("/secret").text(), "/secret");
    let big = client.ask(get("/").header("x-big", "b".repeat(10_000))).whole();
    assert_eq!(big.status, 200);
    drop(client);
    // A listener that does not speak it does not offer it.
    weir.reload(text("http_versions = \"1.1\""));
    let mut config = ca.believed(None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut tls = crate::harness::pki::dial(weir.address(), "a.example", &config.into());
    std::io::Write::write_all(&mut tls, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::io::Read::read_exact(&mut tls, &mut [0; 12]).unwrap();
    assert_eq!(tls.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn a_version_that_is_not_spoken_is_refused_in_words() {
    let upstream = Upstream::scripted(echo);
    let with = |versions: &str| {
        let at = "pool = \"app\"\n";
        one_pool(&[&upstream]).replacen(at, &format!("{at}http_versions = {versions}\n"), 1)
    };
    let weir = Weir::start(with("\"1.1\""));
    let answer = weir.connect().send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").answer();
    assert_eq!(answer.status, 505);
    assert!(answer.text().contains("this version of HTTP"), "{}", answer.text());
    assert_eq!(weir.get("/a").text(), "/a");
    weir.reload(with("[\"2\"]"));
    assert_eq!(Http2::connect(weir.address()).get("/a").text(), "/a");
    assert_eq!(weir.get("/a").status, 505);
    // What only looks like it is HTTP/1.
    weir.reload(with("[\"1.1\", \"2\"]"));
    let asked = "P / HTTP/1.1\r\nHost: a\r\n\r\nPRI / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = weir.connect();
    assert_eq!(client.send(asked).answer().status, 200);
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").answer().status, 505, "too late");
}

#[test]
fn bodies_go_both_ways_whatever_their_length() {
    let upstream = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            let chunked = request.contains("transfer-encoding: chunked");
            let body = request.split_once("\r\n\r\n").unwrap().1;
            if chunked {
                peer.send(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
            } else {
                peer.reply(body);
            }
        }
    });
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    let long = "0123456789".repeat(100_000);
    let (upload, pending) =
        client.begin(Request::post("http://a.example/").header("content-length", long.len()));
    upload.send(long.clone());
    drop(upload);
    let got = pending.whole();
    assert_eq!(got.field("content-length"), Some(long.len().to_string().as_str()));
    assert!(got.text() == long);
    // Of unknown length: chunks, and trailers both ways.
    let (upload, pending) = client.begin(Request::put("http://a.example/"));
    upload.send("first ");
    upload.send("second");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("12"));
    trailers.insert("content-length", HeaderValue::from_static("3"));
    upload.trailers(trailers);
    let got = pending.whole();
    assert_eq!((got.text().as_str(), got.field("content-length")), ("first second", None));
    assert_eq!(got.trailers.get("x-sum").unwrap(), "12");
    assert_eq!(got.trailers.len(), 1, "what frames is left out");
    assert!(!upstream.received().contains("content-length: 3"));
}

#[test]
fn an_answer_without_a_body_has_none() {
    let upstream = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            if request.starts_with("HEAD") {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
            } else if request.contains("/304") {
                peer.send("HTTP/1.1 304 Not\r\netag: \"a\"\r\n\r\n");
            } else if request.contains("/204") {
                peer.send("HTTP/1.1 204 No\r\n\r\n");
            } else {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    let got = client.ask(Request::head("http://a.example/")).whole();
    assert_eq!((got.status, got.field("content-length"), got.body.len()), (200, Some("5"), 0));
    for (path, status, length) in [("/304", 304, None), ("/204", 204, None), ("/", 200, Some("0"))]
    {
        let got = client.get(path);
        assert_eq!((got.status, got.field("content-length"), got.body.len()), (status, length, 0));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn streams_do_not_wait_for_one_another() {
    let (release, upstream) = holding();
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    let slow = client.ask(get("/slow"));
    upstream.until_requests(1);
    for n in 0..20 {
        assert_eq!(client.get(&format!("/{n}")).text(), format!("/{n}"));
    }
    release.send(()).unwrap();
    assert_eq!(slow.whole().text(), "/slow");
    weir.until_metric("weir_http_requests_total{route=\"none\",method=\"GET\",code=\"200\"}", 21.0);
    assert_eq!(weir.metric("weir_listener_connections{listener=\"web\"}"), 1.0);
}

#[test]
fn weirs_own_answers_are_answers_and_the_connection_goes_on() {
    let upstream = Upstream::scripted(echo);
    let text = format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\n[routes.app]\npath_prefix = \"/app\"\npool = \"app\"\nmax_body = \"10B\"\n\
         [pools.app]\nendpoints = [\"{upstream}\"]\n"
    );
    let weir = Weir::start(text);
    let mut client = Http2::connect(weir.address());
    assert_eq!(client.get("/else").status, 404);
    let (upload, pending) =
        client.begin(Request::post("http://a.example/app").header("content-length", 11));
    assert_eq!(pending.whole().status, 413);
    drop(upload);
    assert_eq!(client.ask(get("/app").header("x", "y".repeat(17_000))).whole().status, 431);
    assert_eq!(client.get(&format!("/app/{}", "x".repeat(9000))).status, 414);
    assert_eq!(client.ask(get("/app").header("host", "b.example")).whole().status, 400);
    assert_eq!(client.get("/app/%00").status, 400);
    let mut many = get("/app");
    for n in 0..120 {
        many = many.header(format!("x-{n}"), "y");
    }
    assert_eq!(client.ask(many).whole().status, 431);
    let connect = client.ask(Request::connect("a.example:443"));
    assert_eq!(connect.whole().status, 501);
    assert_eq!(client.get("/app/x").text(), "/app/x");
    assert_eq!(
        weir.metric("weir_listener_rejected_total{listener=\"web\",reason=\"malformed\"}"),
        5.0
    );
}

#[test]
fn what_an_endpoint_breaks_off_is_never_whole() {
    let upstream = Upstream::scripted(|mut peer| {
        let request = peer.request().unwrap_or_default();
        if request.contains("/length") {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
        } else {
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n");
        }
    });
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    for path in ["/length", "/chunked"] {
        // What had not left yet goes with it, the head too.
        let begun = client.ask(get(path)).begun();
        let error = begun.and_then(Begun::whole).expect_err("it is broken off");
        let error = std::error::Error::source(&error).unwrap().downcast_ref::<h2::Error>();
        assert_eq!(error.unwrap().reason(), Some(h2::Reason::INTERNAL_ERROR), "{path}");
    }
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"truncated\"}", 2.0);
    assert!(client.is_open());
}

#[test]
fn a_stream_that_is_cancelled_is_cancelled_behind() {
    let upstream = Upstream::scripted(|mut peer| {
        let request = peer.request().unwrap_or_default();
        if request.contains("/begun") {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
        }
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    let waiting = client.ask(get("/waiting"));
    let mut begun = client.ask(get("/begun")).begun().unwrap();
    assert!(begun.next().unwrap().is_ok());
    upstream.until_requests(2);
    waiting.cancel();
    until("one is left", || upstream.open() == 1);
    drop(begun);
    until("none is left", || upstream.open() == 0);
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"client_gone\"}", 2.0);
    assert!(client.is_open());
}

#[test]
fn a_body_that_is_broken_off_is_no_whole_request() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.reply("whole");
        }
    });
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    let (upload, pending) = client.begin(Request::post("http://a.example/"));
    upload.send("some");
    until("it has begun", || upstream.received().contains("some"));
    upload.cut();
    assert!(pending.begun().is_err());
    until("it is given up", || upstream.open() == 0);
    assert!(!upstream.received().contains("\r\n0\r\n"), "it has no end");
    // Content-Length that is not true.
    let mut frames = Frames::connect(weir.address());
    let mut fields = request("POST", "/");
    fields.push(("content-length", "5"));
    frames.frame(HEADERS, 4, 1, &head(&fields)).frame(DATA, 1, 1, b"123");
    let reset = frames.until(RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.reason()), (1, 1));
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn a_request_and_its_answer_may_both_be_longer_than_all_windows() {
    const SIZE: usize = 4 * 1024 * 1024;
    // It answers before it has read the request, and reads only as it is read.
    let upstream = Upstream::scripted(|mut peer| {
        peer.stream.set_read_timeout(None).unwrap();
        let mut read = peer.stream.try_clone().unwrap();
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n"));
        let _ = std::io::copy(&mut std::io::Read::take(&mut read, SIZE as u64), &mut peer.stream);
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    let (upload, pending) =
        client.begin(Request::post("http://a.example/").header("content-length", SIZE));
    let begun: Begun = pending.begun().unwrap();
    for _ in 0..SIZE / 65_536 {
        upload.send(vec![b'x'; 65_536]);
    }
    drop(upload);
    assert_eq!(begun.whole().unwrap().body.len(), SIZE);
}

#[test]
fn a_reload_does_not_touch_streams() {
    let (release, upstream) = holding();
    let text = one_pool(&[&upstream]) + "[runtime]\nworkers = 1\n";
    let weir = Weir::start(&text);
    let mut client = Http2::connect(weir.address());
    let slow = client.ask(get("/slow"));
    upstream.until_requests(1);
    for n in 1..4 {
        weir.reload(format!("{text}[listeners.web.limits]\nheaders = {}\n", 100 - n));
        assert_eq!(client.get("/").text(), "/");
    }
    release.send(()).unwrap();
    assert_eq!(slow.whole().text(), "/slow");
}

/// The library takes a reset with NO_ERROR for an end.
#[test]
fn a_reset_without_a_reason_is_no_end_of_a_body() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.reply("whole");
        }
    });
    let weir = one_worker(&upstream);
    for length in [None, Some("10")] {
        let mut frames = Frames::connect(weir.address());
        let mut fields = request("POST", "/");
        fields.extend(length.map(|length| ("content-length", length)));
        frames.frame(HEADERS, 4, 1, &head(&fields)).frame(DATA, 0, 1, b"some");
        until("it has begun", || upstream.received().contains("some"));
        frames.frame(RST_STREAM, 0, 1, &[0; 4]);
        until("it is given up", || upstream.open() == 0);
    }
    assert_eq!(upstream.requests(), 0);
    assert!(!upstream.received().contains("\r\n0\r\n"), "it has no end");
}

#[test]
fn what_looks_like_a_call_is_none_in_http1() {
    let weir = Weir::start("[listeners.web]\naddress = \"127.0.0.1:0\"\n");
    let asked = "GET / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\r\n";
    assert_eq!(weir.connect().send(asked).answer().status, 404);
    let mut client = Http2::connect(weir.address());
    let kind = ("content-type", "application/grpc");
    assert_eq!(client.ask(get("/").header(kind.0, kind.1)).whole().status, 404);
    let connect = Request::connect("a.example:443").header(kind.0, kind.1);
    assert_eq!(client.ask(connect).whole().status, 501);
}
