//! How long HTTP/2 waits: for clients that are slow or silent, and at the end of a connection.

use std::sync::mpsc::channel;
use std::time::Duration;

use http::Request;

use crate::harness::http2::{
    DATA, Frames, GOAWAY, HEADERS, Http2, PING, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, get,
    head, request,
};
use crate::harness::{Upstream, Weir, echo, one_pool, one_worker, until};

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
