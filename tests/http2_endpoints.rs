//! HTTP/2 towards endpoints: one connection for many, what may be sent again, and how an exchange ends.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;

use http::{HeaderMap, HeaderValue, Request, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::http2::{
    Begun, DATA, Frames, GOAWAY, H2Upstream, HEADERS, Http2, RST_STREAM, accept, body, echo, get,
};
use crate::harness::pki::Authority;
use crate::harness::{Weir, one_pool, until, within};

const ONE: &str = "[runtime]\nworkers = 1\n";
/// A head that says 200 (RFC 7541, A).
const OK: &[u8] = &[0x88];

fn text(upstream: &dyn std::fmt::Display) -> String {
    one_pool(&[upstream]) + "scheme = \"h2c\"\n" + ONE
}

#[test]
fn requests_share_a_connection_whatever_their_clients_speak() {
    let upstream = H2Upstream::echo();
    let weir = Weir::start(text(&upstream));
    let mut client = Http2::connect(weir.address());
    let pending: Vec<_> = (0..50).map(|n| client.ask(get(&format!("/{n}")))).collect();
    for (n, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.whole().text(), format!("/{n}"));
    }
    assert_eq!(weir.get("/one").text(), "/one");
    let mut keeps = weir.connect();
    keeps.send("POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n");
    let answer = keeps.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "/twoabc"));
    assert_eq!(answer.trailers, ["x-sum: 3"]);
    assert_eq!(keeps.send("GET /three HTTP/1.1\r\nHost: a\r\n\r\n").answer().text(), "/three");
    assert_eq!(upstream.connections(), 1);
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"active\"}", 0.0);
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"idle\"}", 1.0);
}

#[test]
fn a_request_arrives_as_it_was_asked() {
    let upstream = H2Upstream::scripted(|request| {
        Box::pin(async move {
            let (upload, sending) = body();
            let headers = request.headers().iter();
            let fields: Vec<_> = headers
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            upload.send(format!("{} {} {}", request.method(), request.uri(), fields.join(", ")));
            Response::new(sending)
        })
    });
    let text =
        text(&upstream).replacen("pool = \"app\"\n", "pool = \"app\"\npolicies = \"untold\"\n", 1)
            + "[policies.untold]\nforwarded = \"off\"\nrequest_id = false\n";
    let weir = Weir::start(text);
    let asked = "PUT /a/../b?q HTTP/1.1\r\nHost: A.example:81\r\nX-Case: Yes\r\nConnection: x-hop, te\r\n\
                 X-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nContent-Length: 3\r\n\r\nabc";
    let answer = weir.connect().send(asked).answer();
    assert_eq!(
        answer.text(),
        "PUT http://a.example:81/b?q x-case: Yes, te: trailers, content-length: 3, via: 1.1 weir"
    );
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    let upstream = H2Upstream::echo();
    let weir = Weir::start(text(&upstream));
    let mut client = Http2::connect(weir.address());
    let (upload, pending) = client.begin(Request::post("http://a.example/"));
    upload.send("a");
    // Before the request has ended its answer comes, and what comes of it goes on.
    let mut begun = pending.begun().unwrap();
    let mut seen = String::new();
    let mut until_seen = |begun: &mut Begun, what: &str| {
        while !seen.ends_with(what) {
            let data = begun.next().unwrap().unwrap().into_data().unwrap();
            seen.push_str(std::str::from_utf8(&data).unwrap());
        }
    };
    until_seen(&mut begun, "/a");
    for n in 0..100 {
        upload.send(format!("{n};"));
        until_seen(&mut begun, &format!("{n};"));
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    upload.trailers(trailers);
    let got = begun.whole().unwrap();
    assert_eq!(got.trailers.get("grpc-status").unwrap(), "0");
    // Longer than all windows.
    let long = vec![b'x'; 8 * 1024 * 1024];
    let (upload, pending) = client.begin(Request::post("http://a.example/"));
    upload.send(long.clone());
    drop(upload);
    assert_eq!(pending.whole().body.len(), long.len() + 1);
}

#[test]
fn over_tls_an_endpoint_says_what_it_speaks() {
    let ca = Authority::new();
    let issued = ca.issue(&["127.0.0.1"]);
    let config = |alpn: &[&str]| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let chain = vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    };
    let upstream = H2Upstream::over(Some(config(&["h2"])), |request| Box::pin(echo(request)));
    let text = one_pool(&[&upstream]) + "scheme = \"https\"\ntls = { ca = \"ca.crt\" }\n" + ONE;
    let weir = Weir::prepared(text, |directory| {
        std::fs::write(directory.join("ca.crt"), ca.pem()).unwrap();
    });
    for n in 0..5 {
        assert_eq!(weir.get(&format!("/{n}")).text(), format!("/{n}"));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn what_was_surely_not_processed_is_sent_again_whatever_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = std::thread::spawn(move || {
        let mut first = accept(&listener).unwrap();
        let mut asked = || first.until(HEADERS).unwrap().stream;
        let (one, two) = (asked(), asked());
        first.frame(HEADERS, 5, one, OK);
        // Refused, then answered.
        first.frame(RST_STREAM, 0, two, &[0, 0, 0, 7]);
        let three = first.until(HEADERS).unwrap().stream;
        first.frame(HEADERS, 5, three, OK);
        // The endpoint leaves: what it has not processed is asked elsewhere.
        let four = first.until(HEADERS).unwrap().stream;
        first.frame(GOAWAY, 0, 0, &[&three.to_be_bytes()[..], &[0; 4]].concat());
        assert_eq!(four, 7);
        let mut second = accept(&listener).unwrap();
        let asked = second.until(HEADERS).unwrap().stream;
        second.frame(HEADERS, 4, asked, OK).frame(DATA, 1, asked, b"at last");
        while second.next().is_some() {}
    });
    let weir = Weir::start(text(&address));
    let asked = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let mut client = weir.connect();
    let mut other = weir.connect();
    client.send(asked);
    until("it has a connection", || {
        weir.metric("weir_pool_connections{pool=\"app\",state=\"active\"}") == 1.0
    });
    other.send(asked);
    assert_eq!((client.answer().status, other.answer().status), (200, 200));
    let answer = client.send(asked).answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "at last"));
    assert_eq!(weir.metric("weir_pool_retries_total{pool=\"app\",reason=\"refused\"}"), 2.0);
    drop((weir, client, other));
    script.join().unwrap();
}

#[test]
fn what_may_have_been_processed_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = std::thread::spawn(move || {
        let mut first = accept(&listener).unwrap();
        for reason in [2, 8, 11] {
            let asked = first.until(HEADERS).unwrap();
            first.frame(RST_STREAM, 0, asked.stream, &[0, 0, 0, reason]);
        }
        let asked = first.until(HEADERS).unwrap();
        // A GET may be asked twice.
        first.frame(RST_STREAM, 0, asked.stream, &[0, 0, 0, 2]);
        let asked = first.until(HEADERS).unwrap();
        first.frame(HEADERS, 5, asked.stream, OK);
        while first.next().is_some() {}
    });
    let weir = Weir::start(text(&address));
    let mut client = weir.connect();
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.answer().status, 502);
    }
    assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    drop((weir, client));
    script.join().unwrap();
}

/// An endpoint that does so with each connection; it ends with the last one.
fn endpoint(script: impl Fn(Frames<TcpStream>) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Some(frames) = accept(&listener) {
            script(frames);
        }
    });
    address
}

#[test]
fn an_answer_that_breaks_off_is_never_whole() {
    let resets = |mut frames: Frames<TcpStream>| {
        while let Some(asked) = frames.until(HEADERS) {
            frames.frame(HEADERS, 4, asked.stream, OK).frame(DATA, 0, asked.stream, b"some");
            frames.frame(RST_STREAM, 0, asked.stream, &[0, 0, 0, 2]);
        }
    };
    let closes = |mut frames: Frames<TcpStream>| {
        if let Some(asked) = frames.until(HEADERS) {
            frames.frame(HEADERS, 4, asked.stream, OK).frame(DATA, 0, asked.stream, b"some");
        }
    };
    let lies = |mut frames: Frames<TcpStream>| {
        while let Some(asked) = frames.until(HEADERS) {
            // content-length: 9, without indexing (RFC 7541, 6.2.2).
            let head = [OK, &[0x0f, 0x0d, 1, b'9']].concat();
            frames.frame(HEADERS, 4, asked.stream, &head).frame(DATA, 1, asked.stream, b"some");
        }
    };
    for address in [endpoint(resets), endpoint(closes), endpoint(lies)] {
        let weir = Weir::start(text(&address));
        let mut h1 = weir.connect();
        h1.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        // Nothing of it, or a part that is no whole.
        assert!(h1.try_answer().map_or(502, |answer| answer.status) == 502);
        let begun = Http2::connect(weir.address()).ask(get("/")).begun();
        let status = begun.and_then(Begun::whole).map_or(502, |got| got.status);
        assert_eq!(status, 502);
    }
    let weir = Weir::start(text(&endpoint(|mut frames| {
        frames.until(HEADERS);
        frames.send(b"HTTP/1.1 200 OK\r\n\r\n");
    })));
    assert_eq!(weir.get("/").status, 502);
}

#[test]
fn a_client_that_leaves_takes_its_stream_along_and_no_other() {
    let (release, held) = channel::<()>();
    let held = Arc::new(parking_lot::Mutex::new(held));
    let upstream = H2Upstream::scripted(move |request| {
        let held = Arc::clone(&held);
        Box::pin(async move {
            let slow = request.uri().path() == "/slow";
            let waits = request.uri().path() == "/waits";
            if slow {
                let wait = move || held.lock().recv().unwrap();
                tokio::task::spawn_blocking(wait).await.unwrap();
            }
            if waits {
                std::future::pending::<()>().await;
            }
            echo(request).await
        })
    });
    let weir = Weir::start(text(&upstream));
    let mut client = Http2::connect(weir.address());
    let slow = client.ask(get("/slow"));
    let waits = client.ask(get("/waits"));
    let mut h1 = weir.connect();
    h1.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    until("all have come", || upstream.open() == 3);
    waits.cancel();
    drop(h1);
    until("two have gone", || upstream.open() == 1);
    release.send(()).unwrap();
    assert_eq!(slow.whole().text(), "/slow");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_endpoint_that_says_nothing_is_given_up_and_so_is_its_connection() {
    let upstream = H2Upstream::scripted(|request| {
        Box::pin(async move {
            if request.uri().path() == "/hangs" {
                std::future::pending::<()>().await;
            }
            echo(request).await
        })
    });
    let weir = Weir::start(text(&upstream));
    let mut client = weir.connect();
    client.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it has come", || upstream.open() == 1);
    weir.advance(31);
    assert_eq!(client.answer().status, 504);
    until("it is cancelled", || upstream.open() == 0);
    assert_eq!(weir.get("/").text(), "/");
    assert_eq!(upstream.connections(), 2, "who knows what is wrong with the first");
}

#[test]
fn an_answer_before_the_end_of_its_request_ends_both() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    let script = std::thread::spawn(move || {
        let mut first = accept(&listener).unwrap();
        first.frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]);
        let early = first.until(HEADERS).unwrap().stream;
        first.frame(HEADERS, 5, early, OK);
        let reset = first.until(RST_STREAM).unwrap();
        assert_eq!((reset.stream, reset.reason()), (early, 8), "its place is free again");
        tell.send(()).unwrap();
        let next = first.until(HEADERS).unwrap().stream;
        first.frame(HEADERS, 5, next, OK);
        while first.next().is_some() {}
    });
    let weir = Weir::start(text(&address));
    let mut client = Http2::connect(weir.address());
    let (upload, pending) = client.begin(Request::post("http://a.example/"));
    assert_eq!(pending.whole().status, 200);
    told.recv().unwrap();
    assert_eq!(client.get("/").status, 200);
    drop((weir, client, upload));
    script.join().unwrap();
}

#[test]
fn as_many_streams_as_an_endpoint_allows_and_then_another_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = std::thread::spawn(move || {
        let mut first = accept(&listener).unwrap();
        // At most two streams.
        first.frame(4, 0, 0, &[0, 3, 0, 0, 0, 2]);
        let asked: Vec<u32> = (0..1).map(|_| first.until(HEADERS).unwrap().stream).collect();
        // The settings are known by now.
        first.frame(HEADERS, 5, asked[0], OK);
        let asked: Vec<u32> = (0..2).map(|_| first.until(HEADERS).unwrap().stream).collect();
        let mut second = accept(&listener).unwrap();
        let third = second.until(HEADERS).unwrap().stream;
        second.frame(HEADERS, 5, third, OK);
        for stream in asked {
            first.frame(HEADERS, 5, stream, OK);
        }
        while first.next().is_some() {}
    });
    let weir = Weir::start(text(&address));
    let mut client = Http2::connect(weir.address());
    assert_eq!(client.get("/").status, 200);
    let pending: Vec<_> = (0..3).map(|_| client.ask(get("/"))).collect();
    for one in pending {
        assert_eq!(one.whole().status, 200);
    }
    drop((weir, client));
    script.join().unwrap();
}

#[test]
fn idle_connections_are_closed_and_those_of_an_endpoint_that_leaves() {
    let (one, two) = (H2Upstream::echo(), H2Upstream::echo());
    let weir = Weir::start(text(&one));
    assert_eq!(weir.get("/").status, 200);
    let idle = "weir_pool_connections{pool=\"app\",state=\"idle\"}";
    weir.until_metric(idle, 1.0);
    within(20, "it is closed", || {
        weir.advance(30);
        weir.metric(idle) == 0.0
    });
    assert_eq!(weir.get("/").status, 200);
    assert_eq!(one.connections(), 2);
    weir.reload(text(&two));
    until("the old one is closed", || weir.metric(idle) == 0.0);
    assert_eq!(weir.get("/").status, 200);
    assert_eq!((one.connections(), two.connections()), (2, 1));
}

/// The library takes a reset with NO_ERROR for an end.
#[test]
fn a_reset_without_a_reason_is_no_end() {
    let address = endpoint(|mut frames: Frames<TcpStream>| {
        while let Some(asked) = frames.until(HEADERS) {
            frames.frame(HEADERS, 4, asked.stream, OK).frame(DATA, 0, asked.stream, b"some");
            frames.frame(RST_STREAM, 0, asked.stream, &[0; 4]);
        }
    });
    let weir = Weir::start(text(&address));
    let mut h1 = weir.connect();
    h1.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(h1.try_answer().map_or(502, |answer| answer.status) == 502);
    let begun = Http2::connect(weir.address()).ask(get("/")).begun();
    assert_eq!(begun.and_then(Begun::whole).map_or(502, |got| got.status), 502);
}

#[test]
fn a_client_that_waits_to_be_invited_is_invited() {
    let upstream = H2Upstream::echo();
    let weir = Weir::start(text(&upstream));
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    assert_eq!(client.send("abc").answer().text(), "/abc");
}

/// Trailers come behind a body whose length is known, too.
#[test]
fn trailers_behind_a_known_length_are_not_lost() {
    let upstream = H2Upstream::scripted(|request| {
        Box::pin(async move {
            let (upload, sending) = body();
            let mut answer = Response::new(sending);
            let long = request.uri().path() == "/long";
            let text = if long { "x" } else { "" };
            answer.headers_mut().insert("content-length", text.len().into());
            if long {
                upload.send(text);
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("1"));
            upload.trailers(trailers);
            answer
        })
    });
    let weir = Weir::start(text(&upstream));
    let mut client = Http2::connect(weir.address());
    for path in ["/long", "/none"] {
        for _ in 0..20 {
            assert_eq!(client.get(path).trailers.get("x-sum").unwrap(), "1", "{path}");
        }
    }
}

/// An endpoint that takes nothing more must not keep what was given up.
#[test]
fn what_an_endpoint_does_not_take_is_let_go() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = std::thread::spawn(move || {
        let mut first = accept(&listener).unwrap();
        // No window at all for bodies.
        first.frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
        let one = first.until(HEADERS).unwrap().stream;
        first.frame(HEADERS, 5, one, OK);
        let two = first.until(HEADERS).unwrap().stream;
        first.frame(HEADERS, 4, two, OK);
        // Weir ends the connection, though nothing was taken.
        while first.next().is_some() {}
    });
    let weir = Weir::start(text(&address));
    let mut client = Http2::connect(weir.address());
    assert_eq!(client.get("/").status, 200);
    let (upload, pending) = client.begin(Request::post("http://a.example/"));
    upload.send(vec![b'x'; 100_000]);
    let begun = pending.begun().unwrap();
    drop((begun, upload, client));
    weir.until_metric("weir_http_requests_in_flight", 0.0);
    // Long before idle connections are.
    let mut seconds = 0;
    within(20, "it is closed", || {
        if seconds < 30 {
            weir.advance(2);
            seconds += 2;
        }
        script.is_finished()
    });
    script.join().unwrap();
    weir.until_metric("weir_pool_connections{pool=\"app\"}", 0.0);
}
