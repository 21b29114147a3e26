//! HTTP/2 from clients that mean harm: each is cut off within bounds, and others are none the worse.

use std::net::TcpStream;

use crate::harness::http2::{
    CONTINUATION, DATA, Frames, GOAWAY, HEADERS, Http2, PING, RST_STREAM, SETTINGS, WHOLE,
    WINDOW_UPDATE, frame, head, request,
};
use crate::harness::{Upstream, Weir, echo, one_pool, one_worker, until};

const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const PRIORITY: u8 = 2;

fn abusive(weir: &Weir) -> f64 {
    weir.metric("weir_listener_rejected_total{listener=\"web\",reason=\"http2\"}")
}

/// Sends these again and again, and reads what comes meanwhile. How many were sent before the connection was closed.
fn flood(weir: &Weir, first: &[u8], each: impl Fn(u32) -> Vec<u8> + Send + 'static) -> u32 {
    let mut frames = Frames::connect(weir.address());
    frames.send(first);
    let mut writing = Frames { io: frames.io.try_clone().unwrap() };
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        (0..100_000).find(|n| writing.io.write_all(&each(*n)).is_err()).unwrap_or(100_000)
    });
    let reason = frames.reason();
    // Said or lost on the way, but never anything else.
    assert!(matches!(reason, None | Some(ENHANCE_YOUR_CALM)), "{reason:?}");
    let _ = frames.io.shutdown(std::net::Shutdown::Both);
    writer.join().unwrap()
}

#[test]
fn each_flood_is_cut_off_and_counted() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let asking = head(&request("POST", "/"));
    let open = frame(HEADERS, 4, 1, &asking);
    type Flood = (&'static str, Vec<u8>, fn(u32) -> Vec<u8>);
    let floods: [Flood; 7] = [
        ("SETTINGS", vec![], |_| frame(SETTINGS, 0, 0, b"")),
        ("PING", vec![], |_| frame(PING, 0, 0, b"12345678")),
        ("PRIORITY", vec![], |n| frame(PRIORITY, 0, 2 * n + 3, &[0, 0, 0, 0, 1])),
        ("WINDOW_UPDATE", vec![], |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", vec![], |_| frame(200, 0, 0, b"x")),
        ("empty DATA", open.clone(), |_| frame(DATA, 0, 1, b"")),
        ("padding", open, |_| frame(DATA, 8, 1, &[3, 0, 0, 0])),
    ];
    for (at, (name, first, each)) in floods.into_iter().enumerate() {
        let sent = flood(&weir, &first, each);
        assert!(sent < 100_000, "{name}");
        until(name, || abusive(&weir) == (at + 1) as f64);
    }
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
    assert_eq!(Http2::connect(weir.address()).get("/").status, 200);
}

#[test]
fn rapid_resets_reach_hardly_anybody() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    flood(&weir, b"", |n| {
        let stream = 2 * n + 1;
        let asking = frame(HEADERS, WHOLE, stream, &head(&request("GET", "/reset")));
        [asking, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
    });
    until("it is cut off", || abusive(&weir) == 1.0);
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
    assert!(upstream.requests() <= 200, "{} requests", upstream.requests());
    assert_eq!(Http2::connect(weir.address()).get("/").status, 200);
}

#[test]
fn resets_that_weir_is_made_to_send_count_too() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    flood(&weir, b"", |n| {
        let stream = 2 * n + 1;
        let asking = frame(HEADERS, WHOLE, stream, &head(&request("GET", "/made")));
        // A window that overflows breaks the stream (RFC 9113, 6.9.1).
        let overflow = frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
        [asking, overflow].concat()
    });
    until("it is cut off", || abusive(&weir) == 1.0);
    assert!(upstream.requests() <= 400, "{} requests", upstream.requests());
}

#[test]
fn a_head_that_has_no_end_is_cut_off() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let begin = frame(HEADERS, 1, 1, &head(&request("GET", "/")));
    for (at, piece) in [vec![], head(&[("x-a", "b")])].into_iter().enumerate() {
        let sent = flood(&weir, &begin, move |_| frame(CONTINUATION, 0, 1, &piece));
        assert!(sent < 100_000);
        until("it is cut off", || abusive(&weir) == (at + 1) as f64);
    }
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn more_streams_than_there_may_be_are_refused_and_too_many_end_the_connection() {
    let upstream = Upstream::scripted(|mut peer| while peer.request().is_some() {});
    let text =
        one_pool(&[&upstream]) + "[runtime]\nworkers = 1\n[listeners.web.limits]\nstreams = 10\n";
    let weir = Weir::start(text);
    let mut frames = Frames::connect(weir.address());
    for n in 0..15 {
        frames.get(2 * n + 1, "/");
    }
    for _ in 0..5 {
        let reset = frames.until(RST_STREAM).unwrap();
        assert!(reset.stream > 20 && reset.reason() == REFUSED_STREAM, "{reset:?}");
    }
    upstream.until_requests(10);
    // One ends, and another may begin.
    frames.frame(RST_STREAM, 0, 1, &CANCEL).get(101, "/");
    upstream.until_requests(11);
    assert_eq!(abusive(&weir), 0.0);
    flood(&weir, b"", |n| frame(HEADERS, WHOLE, 2 * n + 1, &head(&request("GET", "/"))));
    until("it is cut off", || abusive(&weir) == 1.0);
    assert!(upstream.requests() <= 31, "{}", upstream.requests());
}

#[test]
fn what_is_malformed_ends_its_stream_and_reaches_nobody() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let with = |more: &[(&'static str, &'static str)]| [&request("GET", "/")[..], more].concat();
    let without = |name: &str| {
        let mut fields = request("GET", "/");
        fields.retain(|(field, _)| *field != name);
        fields
    };
    let heads = [
        with(&[("X-Upper", "y")]),
        with(&[("x-a", "b\r\nx-c: d")]),
        with(&[("x-a", "b\0c")]),
        with(&[("x-a\n", "b")]),
        with(&[("x a", "b")]),
        with(&[("x-a:", "b")]),
        with(&[("", "b")]),
        with(&[(":path", "/b")]),
        with(&[(":status", "200")]),
        with(&[(":unknown", "x")]),
        with(&[("x-a", "b"), (":method", "GET")]),
        with(&[("connection", "close")]),
        with(&[("connection", "x-a"), ("x-a", "b")]),
        with(&[("keep-alive", "5")]),
        with(&[("proxy-connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "websocket")]),
        with(&[("te", "gzip")]),
        with(&[("content-length", "5")]),
        with(&[("content-length", "+0")]),
        with(&[("content-length", "5"), ("content-length", "6")]),
        without(":method"),
        without(":path"),
        without(":scheme"),
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "a b"), (":path", "/")],
        vec![(":method", "G T"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
    ];
    for fields in &heads {
        let mut frames = Frames::connect(weir.address());
        frames.frame(HEADERS, WHOLE, 1, &head(fields));
        let reason = loop {
            let came = frames.next().expect("a word");
            match came.kind {
                RST_STREAM => break came.reason(),
                // Names that are none end the connection (RFC 9113, 5.4.2 allows it).
                GOAWAY => break u32::from_be_bytes(came.payload[4..8].try_into().unwrap()),
                _ => {}
            }
        };
        assert!([PROTOCOL_ERROR, COMPRESSION_ERROR].contains(&reason), "{reason} {fields:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

/// What the library leaves to weir is answered with 400, which is more than a reset says (RFC 9113, 8.1.1).
#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let path = |path: &'static str| request("GET", path);
    let whom =
        |name| vec![(":method", "GET"), (":scheme", "http"), (":authority", name), (":path", "/")];
    let with = |more: &[(&'static str, &'static str)]| [&request("GET", "/")[..], more].concat();
    let nobody = vec![(":method", "GET"), (":scheme", "http"), (":path", "/")];
    let heads = [
        whom("user@a.example"),
        whom("a.example:99999"),
        whom("a.example:"),
        whom("[::1"),
        nobody.clone(),
        [&nobody[..], &[("host", "a"), ("host", "b")]].concat(),
        [&nobody[..], &[("host", "a/b")]].concat(),
        with(&[("host", "b.example")]),
        with(&[("x-a", " b")]),
        with(&[("content-length", "00000000000000000000")]),
        path("/.."),
        path("/a\\b"),
        path("/%00"),
        path("*"),
        path("/%zz"),
    ];
    for fields in heads {
        let mut frames = Frames::connect(weir.address());
        frames.frame(HEADERS, WHOLE, 1, &head(&fields));
        loop {
            let came = frames.next().expect("an answer");
            match came.kind {
                // 400 is one of the few that the table of HPACK has (RFC 7541, A).
                HEADERS => {
                    assert!(came.payload.contains(&0x8c), "{fields:?}");
                    break;
                }
                RST_STREAM => {
                    assert_eq!(came.reason(), PROTOCOL_ERROR, "{fields:?}");
                    break;
                }
                GOAWAY => panic!("{fields:?}"),
                _ => {}
            }
        }
    }
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn trailers_are_no_way_around() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let post = head(&request("POST", "/"));
    let mut frames = Frames::connect(weir.address());
    let all = [
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("host", "b"),
        ("authorization", "x"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-sum", "12"),
    ];
    for (at, (name, value)) in all.into_iter().enumerate() {
        let stream = 2 * at as u32 + 1;
        frames.frame(HEADERS, 4, stream, &post).frame(DATA, 0, stream, b"body");
        frames.frame(HEADERS, WHOLE, stream, &head(&[(name, value)]));
        loop {
            let came = frames.next().expect("an answer");
            if matches!(came.kind, HEADERS | RST_STREAM) && came.stream == stream {
                break;
            }
        }
    }
    let received = upstream.received();
    assert!(received.contains("0\r\nx-sum: 12\r\n\r\n"), "{received}");
    for (name, value) in &all[..5] {
        // Weir's own framing is no trailer.
        assert!(!received.contains(&format!("\r\n0\r\n{name}: {value}")), "{name}");
    }
    // A pseudo-field has no place there, and goes nowhere.
    let end = head(&[(":path", "/pseudo"), ("x-last", "1")]);
    frames.frame(HEADERS, 4, 101, &post).frame(HEADERS, WHOLE, 101, &end);
    loop {
        let came = frames.next().expect("an answer");
        if matches!(came.kind, HEADERS | RST_STREAM) && came.stream == 101 {
            break;
        }
    }
    assert!(!upstream.received().contains("/pseudo"));
}

#[test]
fn what_is_no_http2_ends_the_connection_only() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let whole = head(&request("GET", "/"));
    let bombs: [Vec<u8>; 9] = [
        frame(HEADERS, WHOLE, 2, &whole),      // an even stream
        frame(HEADERS, WHOLE, 0, &whole),      // no stream
        frame(DATA, 0, 0, b"x"),               // DATA of no stream
        frame(DATA, 0, 5, b"x"),               // of one that is idle
        frame(CONTINUATION, 4, 1, b""),        // of no head
        frame(5, 4, 1, &[0, 0, 0, 2]),         // PUSH_PROMISE
        frame(HEADERS, WHOLE, 1, &[0xff; 64]), // no HPACK
        frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]), // a window too large
        [&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1], &[0; 1000][..]].concat(), // a frame too large
    ];
    for (at, bomb) in bombs.iter().enumerate() {
        let mut frames = Frames::connect(weir.address());
        frames.send(bomb);
        let reason = frames.reason();
        assert!(reason.is_some_and(|reason| reason != 0), "{at}: {reason:?}");
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(Http2::connect(weir.address()).get("/").status, 200);
}

#[test]
fn a_table_of_fields_does_not_grow_a_head_beyond_its_limit() {
    let upstream = Upstream::scripted(echo);
    let weir = one_worker(&upstream);
    let mut frames = Frames::connect(weir.address());
    // One field of 4000 bytes is remembered, and then named by one byte again and again (CVE-2016-6581).
    let mut block = head(&request("GET", "/"));
    block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend_from_slice(&[b'y'; 4000]);
    block.extend_from_slice(&[0xbe; 4000]);
    frames.frame(HEADERS, WHOLE, 1, &block);
    let came = loop {
        let came = frames.next().expect("an answer");
        if came.stream == 1 || came.kind == GOAWAY {
            break came;
        }
    };
    assert!(matches!(came.kind, HEADERS | RST_STREAM | GOAWAY));
    assert_eq!(upstream.requests(), 0);
    assert_eq!(Http2::connect(weir.address()).get("/").status, 200);
}

/// A client that opens windows byte by byte costs a bounded number of frames.
#[test]
fn windows_are_not_opened_byte_by_byte_for_ever() {
    let upstream = Upstream::replying(&"x".repeat(100_000));
    let weir = one_worker(&upstream);
    let mut frames = Frames::<TcpStream>::connect(weir.address());
    frames.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).get(1, "/");
    let mut sent = 0;
    loop {
        frames.frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
        match frames.until(DATA) {
            Some(data) => sent += data.payload.len(),
            None => break,
        }
    }
    assert!((900..1100).contains(&sent), "{sent}");
    until("it is counted", || abusive(&weir) == 1.0);
    until("the endpoint is let go", || upstream.open() <= 1);
}
