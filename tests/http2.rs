//! HTTP/2 towards clients: what reaches an endpoint, what comes back, and how a connection ends.

use std::sync::mpsc::channel;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request};

use crate::harness::http2::{
    Begun, DATA, Frames, GOAWAY, HEADERS, Http2, PING, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE,
    get, head, request,
};
use crate::harness::pki::Authority;
use crate::harness::{Upstream, Weir, echo, one_pool, one_worker, until, untold};

/// A weir of one worker whose endpoint is not told of its clients.
fn plain(upstream: &Upstream) -> Weir {
    Weir::start(untold(one_pool(&[upstream])) + "[runtime]\nworkers = 1\n")
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

/// Opens windows of no bytes, and asks.
fn without_window(weir: &Weir) -> Frames<std::net::TcpStream> {
    let mut frames = Frames::connect(weir.address());
    frames.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    frames
}

#[test]
fn an_endpoint_is_read_as_fast_as_its_client_takes() {
    const SIZE: usize = 64 * 1024 * 1024;
    let (tell, told) = channel();
    let tell = parking_lot::Mutex::new(tell);
    let upstream = Upstream::scripted(move |mut peer| {
        if peer.request().is_some() {
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n"));
            let (mut sent, block) = (0, vec![b'x'; 16 * 1024]);
            peer.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            while let Ok(n) = std::io::Write::write(&mut peer.stream, &block) {
                sent += n;
                if sent >= SIZE {
                    break;
                }
            }
            tell.lock().send(sent).unwrap();
            while peer.read().is_some() {}
        }
    });
    let weir = Weir::start(one_pool(&[&upstream]) + "[listeners.web.timeouts]\nwrite = \"2s\"\n");
    let mut frames = without_window(&weir);
    frames.get(1, "/");
    let sent = told.recv().unwrap();
    assert!(sent < SIZE / 4, "{sent} bytes wait somewhere");
    // It never takes any: given up, and the endpoint with it. One after it is none the worse.
    weir.advance(3);
    let reset = frames.until(RST_STREAM).unwrap();
    assert_eq!(reset.stream, 1);
    until("the endpoint is let go", || upstream.open() == 0);
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"write_timeout\"}", 1.0);
    frames.frame(PING, 0, 0, b"12345678");
    assert_eq!(frames.until(PING).unwrap().payload, b"12345678");
}

#[test]
fn who_takes_something_is_not_given_up() {
    let upstream = Upstream::replying(&"x".repeat(100_000));
    let weir = Weir::start(one_pool(&[&upstream]) + "[listeners.web.timeouts]\nwrite = \"3s\"\n");
    let mut frames = without_window(&weir);
    frames.get(1, "/").until(HEADERS).unwrap();
    let mut taken = 0;
    while taken < 20_000 {
        weir.advance(2);
        frames.frame(WINDOW_UPDATE, 0, 1, &2000_u32.to_be_bytes());
        taken += frames.until(DATA).unwrap().payload.len();
    }
    frames.frame(WINDOW_UPDATE, 0, 1, &200_000_u32.to_be_bytes());
    frames.frame(WINDOW_UPDATE, 0, 0, &200_000_u32.to_be_bytes());
    while taken < 100_000 {
        taken += frames.until(DATA).unwrap().payload.len();
    }
}

#[test]
fn a_body_that_does_not_go_on_is_given_up() {
    let upstream = Upstream::scripted(echo);
    let weir = Weir::start(one_pool(&[&upstream]) + "[listeners.web.timeouts]\nbody = \"5s\"\n");
    let mut client = Http2::connect(weir.address());
    let (upload, pending) = client.begin(Request::post("http://a.example/"));
    upload.send("some");
    until("it has begun", || upstream.received().contains("some"));
    weir.advance(6);
    assert_eq!(pending.whole().status, 408);
    drop(upload);
    assert_eq!(client.get("/").status, 200);
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
fn a_connection_that_asks_nothing_is_told_before_it_is_closed() {
    let upstream = Upstream::scripted(echo);
    let weir =
        Weir::start(one_pool(&[&upstream]) + "[listeners.web.timeouts]\nh2_idle = \"20s\"\n");
    let mut client = Http2::connect(weir.address());
    assert_eq!(client.get("/").status, 200);
    weir.advance(10);
    assert_eq!(client.get("/").status, 200);
    weir.advance(15);
    assert_eq!(client.get("/").status, 200, "its time begins anew");
    weir.advance(25);
    client.ended().expect("in peace");
    // Who does not answer is closed all the same.
    let mut frames = Frames::connect(weir.address());
    frames.until(SETTINGS).unwrap();
    weir.advance(25);
    assert_eq!(frames.until(GOAWAY).unwrap().payload[4..8], [0; 4]);
    weir.advance(2);
    while frames.next().is_some() {}
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
    assert_eq!(
        weir.metric("weir_listener_rejected_total{listener=\"web\",reason=\"timeout\"}"),
        0.0
    );
}

#[test]
fn what_is_begun_is_to_be_ended_in_time() {
    let upstream = Upstream::scripted(echo);
    let weir = Weir::start(one_pool(&[&upstream]) + "[listeners.web.timeouts]\nheader = \"5s\"\n");
    let whole = head(&request("GET", "/"));
    type Begin<'a> = &'a dyn Fn(&mut Frames<std::net::TcpStream>);
    let beginnings: [Begin<'_>; 4] = [
        &|frames| {
            frames.send(b"PRI * HT");
        },
        &|frames| {
            frames.send(crate::harness::http2::PREFACE);
        },
        &|frames| {
            frames.send(crate::harness::http2::PREFACE).frame(SETTINGS, 0, 0, b"");
            frames.send(&crate::harness::http2::frame(HEADERS, WHOLE, 1, &whole)[..20]);
        },
        &|frames| {
            frames.send(crate::harness::http2::PREFACE).frame(SETTINGS, 0, 0, b"");
            frames.frame(HEADERS, 1, 1, &whole);
        },
    ];
    for (at, begin) in beginnings.iter().enumerate() {
        let mut frames = Frames::silent(weir.address());
        begin(&mut frames);
        weir.until_metric("weir_listener_connections{listener=\"web\"}", 1.0);
        if at > 0 {
            frames.until(SETTINGS).unwrap();
        }
        // A drip of bytes does not extend it.
        let before =
            weir.metric("weir_listener_rejected_total{listener=\"web\",reason=\"timeout\"}");
        until("it is cut off", || {
            weir.advance(1);
            weir.metric("weir_listener_rejected_total{listener=\"web\",reason=\"timeout\"}")
                > before
        });
        weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
    }
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn a_drain_lets_streams_end_and_takes_no_more() {
    let (release, held) = channel::<()>();
    let held = parking_lot::Mutex::new(held);
    let upstream = Upstream::scripted(move |mut peer| {
        while peer.request().is_some() {
            held.lock().recv().unwrap();
            peer.reply("late");
        }
    });
    let weir = one_worker(&upstream);
    let mut frames = Frames::connect(weir.address());
    frames.get(1, "/");
    upstream.until_requests(1);
    let other = one_pool(&[&upstream]).replace("listeners.web", "listeners.other");
    weir.reload(other + "[runtime]\nworkers = 1\n");
    let told = frames.until(GOAWAY).unwrap();
    assert_eq!(
        told.payload,
        [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        "no reason, and no last stream yet"
    );
    // What was on its way is answered yet.
    frames.get(3, "/");
    let mut answers = Vec::new();
    let mut last = None;
    while answers.len() < 2 {
        let came = frames.next().unwrap();
        match came.kind {
            PING => {
                frames.frame(PING, 1, 0, &came.payload);
            }
            GOAWAY => {
                last = Some(came.payload[..4].to_vec());
                release.send(()).unwrap();
            }
            DATA => answers.push((came.stream, String::from_utf8(came.payload).unwrap())),
            _ => {}
        }
    }
    answers.sort();
    assert_eq!(last.as_deref(), Some(&[0, 0, 0, 3][..]));
    assert_eq!(answers[0], (1, "late".to_owned()));
    assert!(answers[1].1.contains("not served any more"));
    assert!(frames.next().is_none(), "then it closes");
}

#[test]
fn a_drain_ends_when_its_time_is_over() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
        while peer.read().is_some() {}
    });
    let log = tempfile::TempDir::new().unwrap();
    let path = log.path().join("access.log");
    let logged = format!(
        "[access_log]\noutput = \"{}\"\n[runtime]\nworkers = 1\ndrain_timeout = \"5s\"\n",
        path.display()
    );
    let weir = Weir::start(one_pool(&[&upstream]) + &logged);
    let mut client = Http2::connect(weir.address());
    let mut begun = client.ask(get("/")).begun().unwrap();
    assert!(begun.next().unwrap().is_ok());
    let other = one_pool(&[&upstream]).replace("listeners.web", "listeners.other");
    weir.reload(other + &logged);
    weir.advance(6);
    assert!(begun.whole().is_err(), "cut, and it shows");
    until("the endpoint is let go", || upstream.open() == 0);
    until("it is logged", || std::fs::read_to_string(&path).is_ok_and(|text| text.contains('\n')));
    let line = std::fs::read_to_string(&path).unwrap();
    for said in ["\"stopped\"", "\"http.version\":\"2\"", "\"web\""] {
        assert!(line.contains(said), "{said}: {line}");
    }
}

#[test]
fn a_reload_does_not_touch_streams() {
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
fn an_answer_that_begins_late_has_its_whole_time() {
    let (release, held) = channel::<()>();
    let held = parking_lot::Mutex::new(held);
    let upstream = Upstream::scripted(move |mut peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
        held.lock().recv().unwrap();
        peer.send("data: 1\n\n");
    });
    let weir = one_worker(&upstream);
    let mut client = Http2::connect(weir.address());
    let begun = client.ask(get("/")).begun().unwrap();
    // Longer than any answer's head is waited for.
    weir.advance(300);
    release.send(()).unwrap();
    assert_eq!(begun.whole().unwrap().text(), "data: 1\n\n");
}

#[test]
fn a_drain_waits_until_the_client_has_all() {
    let upstream = Upstream::replying(&"x".repeat(60_000));
    let weir = one_worker(&upstream);
    let mut frames = Frames::connect(weir.address());
    // A window of which the last piece wants more.
    frames.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0x80, 0]).get(1, "/");
    let mut taken = 0;
    while taken < 32_768 {
        taken += frames.until(DATA).unwrap().payload.len();
    }
    let other = one_pool(&[&upstream]).replace("listeners.web", "listeners.other");
    weir.reload(other + "[runtime]\nworkers = 1\n");
    frames.until(GOAWAY).unwrap();
    weir.advance(10);
    frames.frame(WINDOW_UPDATE, 0, 1, &100_000_u32.to_be_bytes());
    while taken < 60_000 {
        taken += frames.until(DATA).expect("the rest").payload.len();
    }
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

/// A client that reads one answer may pause another, but not for ever.
#[test]
fn a_paused_answer_is_given_up_in_the_end() {
    let upstream = Upstream::replying(&"x".repeat(100_000));
    let weir = Weir::start(one_pool(&[&upstream]) + "[listeners.web.timeouts]\nwrite = \"3s\"\n");
    let mut frames = without_window(&weir);
    frames.get(1, "/").get(3, "/");
    let mut step = 0;
    let paused = loop {
        weir.advance(2);
        frames.frame(WINDOW_UPDATE, 0, 1, &100_u32.to_be_bytes());
        let came = loop {
            let came = frames.next().unwrap();
            if matches!(came.kind, DATA | RST_STREAM) {
                break came;
            }
        };
        if came.kind == RST_STREAM {
            break came.stream;
        }
        step += 1;
        assert!(step < 100, "for ever");
    };
    assert!(paused == 3 && step > 10, "{paused} after {step} steps");
}

/// While the client takes nothing of its answer, what is left of its request goes up: it may wait for that.
#[test]
fn a_request_goes_on_while_its_answer_waits() {
    const SIZE: usize = 1024 * 1024;
    const ANSWER: usize = 100_000;
    let upstream = Upstream::scripted(|mut peer| {
        while !peer.take_unread().ends_with(b"begin") {
            if peer.read().is_none() {
                return;
            }
        }
        // So much the kernel takes without asking.
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n"));
        peer.send(vec![b'x'; ANSWER]);
        while peer.read().is_some() {}
    });
    let weir = one_worker(&upstream);
    let mut frames = without_window(&weir);
    let mut fields = request("POST", "/");
    let length = (SIZE + 5).to_string();
    fields.push(("content-length", &length));
    frames.frame(HEADERS, 4, 1, &head(&fields)).frame(DATA, 0, 1, b"begin");
    frames.until(HEADERS).unwrap();
    // What holds before weir knows that its settings were heard (RFC 9113, 6.5.3).
    let (mut sent, mut window) = (0, 65_535 - 5);
    while sent < SIZE {
        if window < 8192 {
            let opened = frames.until(WINDOW_UPDATE).unwrap();
            if opened.stream == 1 {
                window += opened.reason() as usize;
            }
            continue;
        }
        sent += 8192;
        window -= 8192;
        frames.frame(DATA, u8::from(sent == SIZE), 1, &[b'y'; 8192]);
    }
    frames.frame(WINDOW_UPDATE, 0, 1, &(2 * SIZE as u32).to_be_bytes());
    frames.frame(WINDOW_UPDATE, 0, 0, &(2 * SIZE as u32).to_be_bytes());
    let mut taken = 0;
    while taken < ANSWER {
        taken += frames.until(DATA).unwrap().payload.len();
    }
}
