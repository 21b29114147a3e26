//! Active checks: who is down gets nothing, who is back gets its share, and the reason is told in words.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use crate::harness::{Peer, Upstream, Weir, one_pool, refusing, until};

pub fn checked(endpoints: &[&dyn std::fmt::Display], health: &str) -> String {
    format!("{}\n[pools.app.health]\n{health}\n", one_pool(endpoints))
}

/// Checks that come every moment.
pub const OFTEN: &str = "interval = \"20ms\"\ntimeout = \"2s\"";

/// The same, and health always counts.
pub fn never_ignored(endpoints: &[&dyn std::fmt::Display], health: &str) -> String {
    format!("{}\n[pools.app.limits]\npanic_below = \"0%\"\n", checked(endpoints, health))
}

pub fn state(weir: &Weir, endpoint: &dyn std::fmt::Display, state: &str) -> f64 {
    let labels = format!("pool=\"app\",endpoint=\"{endpoint}\",state=\"{state}\"");
    weir.metric(&format!("weir_endpoint_state{{{labels}}}"))
}

pub fn until_state(weir: &Weir, endpoint: &dyn std::fmt::Display, word: &str) {
    until(&format!("{endpoint} is {word}"), || state(weir, endpoint, word) == 1.0);
}

pub fn until_reason(weir: &Weir, endpoint: &dyn std::fmt::Display, reason: &str) {
    let labels = format!("pool=\"app\",endpoint=\"{endpoint}\",reason=\"{reason}\"");
    weir.until_metric(&format!("weir_endpoint_reason{{{labels}}}"), 1.0);
}

/// Checks of an endpoint that came to this.
pub fn checks(weir: &Weir, endpoint: &dyn std::fmt::Display, result: &str) -> f64 {
    let labels = format!("pool=\"app\",endpoint=\"{endpoint}\",result=\"{result}\"");
    weir.metric(&format!("weir_health_checks_total{{{labels}}}"))
}

fn weight(weir: &Weir, endpoint: &dyn std::fmt::Display) -> f64 {
    weir.metric(&format!("weir_endpoint_weight{{pool=\"app\",endpoint=\"{endpoint}\"}}"))
}

/// Answers checks with a status that the test sets, and everything else with 200.
pub fn service(status: &Arc<AtomicU16>) -> Upstream {
    saying("sick", status)
}

pub fn saying(text: &'static str, status: &Arc<AtomicU16>) -> Upstream {
    let status = Arc::clone(status);
    Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            if request.starts_with("GET /healthz ") {
                let status = status.load(SeqCst);
                peer.send(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"));
            } else {
                peer.reply(text);
            }
        }
    })
}

/// Answers checks as the script does, and everything else with 200 and "app".
pub fn probed(answer: impl Fn(&mut Peer) + Send + Sync + 'static) -> Upstream {
    Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            if request.starts_with("GET /healthz ") { answer(&mut peer) } else { peer.reply("app") }
        }
    })
}

pub fn status(code: u16) -> Arc<AtomicU16> {
    Arc::new(AtomicU16::new(code))
}

#[test]
fn an_unhealthy_endpoint_gets_no_requests_until_it_is_well_again() {
    let code = status(500);
    let (sick, well) = (service(&code), Upstream::replying("well"));
    let weir = Weir::start(checked(&[&sick, &well], &format!("path = \"/healthz\"\n{OFTEN}")));
    // The first check decides at once.
    until_state(&weir, &sick, "unhealthy");
    assert!((0..10).all(|_| weir.get("/").text() == "well"));
    let up = format!("weir_endpoint_up{{pool=\"app\",endpoint=\"{sick}\"}}");
    assert_eq!(weir.metric(&up), 0.0);
    until_reason(&weir, &sick, "status");
    code.store(204, SeqCst);
    until("it is up", || weir.metric(&up) == 1.0);
    until("it gets requests", || weir.get("/").text() == "sick");
    assert!(checks(&weir, &sick, "failed") >= 1.0);
    let took = "weir_health_check_duration_seconds_count{pool=\"app\"}";
    assert!(weir.metric(took) >= checks(&weir, &sick, "ok"));
}

#[test]
fn thresholds_keep_a_hiccup_from_counting() {
    let code = status(200);
    let service = service(&code);
    let weir = Weir::start(never_ignored(
        &[&service],
        "path = \"/healthz\"\ninterval = \"30s\"\nfast_interval = \"30s\"\n\
         unhealthy_threshold = 2\nhealthy_threshold = 3",
    ));
    // One more check, and what it came to: an interval is at most 36 s with its spread.
    let next = |result: &str| {
        let before = checks(&weir, &service, result);
        weir.advance(37);
        until("another check", || checks(&weir, &service, result) > before);
    };
    until("the first check", || checks(&weir, &service, "ok") == 1.0);
    // One that flaps is never counted together.
    for _ in 0..3 {
        code.store(503, SeqCst);
        next("failed");
        assert_eq!(state(&weir, &service, "healthy"), 1.0, "one of two");
        code.store(200, SeqCst);
        next("ok");
    }
    code.store(503, SeqCst);
    next("failed");
    next("failed");
    until_state(&weir, &service, "unhealthy");
    assert_eq!(weir.get("/").status, 503);
    let refused = "weir_http_refused_total{route=\"none\",reason=\"no_endpoint\"}";
    weir.until_metric(refused, 1.0);
    code.store(200, SeqCst);
    next("ok");
    next("ok");
    code.store(503, SeqCst);
    next("failed");
    code.store(200, SeqCst);
    next("ok");
    next("ok");
    assert_eq!(state(&weir, &service, "unhealthy"), 1.0, "two of three, again");
    next("ok");
    until("three of three", || state(&weir, &service, "unhealthy") == 0.0);
    assert_eq!(weir.get("/").status, 200);
}

#[test]
fn a_tcp_check_connects_and_notices_a_death_and_a_return() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(checked(&[&a, &b], OFTEN));
    until("both are well", || {
        let ok = "weir_health_checks_total{pool=\"app\"";
        state(&weir, &a, "healthy") + state(&weir, &b, "healthy") == 2.0 && weir.metric(ok) >= 2.0
    });
    let address = a.kill();
    let down = format!("weir_endpoint_up{{pool=\"app\",endpoint=\"{address}\"}}");
    weir.until_metric(&down, 0.0);
    assert!((0..10).all(|_| weir.get("/").text() == "b"));
    let back = Upstream::replying_at(address, "a again");
    weir.until_metric(&down, 1.0);
    until("it gets requests", || weir.get("/").text() == "a again");
    drop(back);
}

#[test]
fn checks_that_are_switched_off_leave_nobody_down() {
    let service = service(&status(500));
    let text = never_ignored(&[&service], &format!("path = \"/healthz\"\n{OFTEN}"));
    let weir = Weir::start(text);
    until_state(&weir, &service, "unhealthy");
    assert_eq!(weir.get("/").status, 503);
    weir.reload(one_pool(&[&service]));
    assert_eq!(weir.get("/").text(), "sick");
}

#[test]
fn another_port_and_another_host_are_asked() {
    let (app, probe) = (Upstream::replying("app"), Upstream::replying("probe"));
    let (port, other) = (probe.address().port(), refusing());
    let weir = Weir::start(checked(
        &[&app, &other],
        &format!("path = \"/healthz\"\nport = {port}\nhost = \"orders.internal\"\n{OFTEN}"),
    ));
    until("both are checked", || checks(&weir, &other, "ok") > 0.0);
    assert_eq!(app.connections(), 0);
    let asked = probe.received();
    assert!(asked.starts_with("GET /healthz HTTP/1.1\r\nhost: orders.internal\r\n"), "{asked}");
    assert!(asked.contains("\r\nuser-agent: weir/") && asked.contains("connection: close"));
    probe.kill();
    until_state(&weir, &app, "unhealthy");
}

#[test]
fn an_answer_must_have_one_of_the_statuses() {
    let code = status(200);
    let service = service(&code);
    let health = format!("path = \"/healthz\"\nstatus = [204, \"300-302\"]\n{OFTEN}");
    let weir = Weir::start(checked(&[&service], &health));
    until_reason(&weir, &service, "status");
    for good in [204, 300, 302] {
        code.store(good, SeqCst);
        until_reason(&weir, &service, "passed");
        code.store(303, SeqCst);
        until_reason(&weir, &service, "status");
    }
}

#[test]
fn an_answer_must_contain_the_text_in_its_first_4_kib_however_it_is_cut() {
    let bodies = [
        ("content-length: 2\r\n\r\nok", "passed"),
        ("content-length: 2\r\n\r\nno", "body"),
        ("transfer-encoding: chunked\r\n\r\n3\r\n..o\r\n3\r\nk..\r\n0\r\n\r\n", "passed"),
        ("\r\nall that comes: o", "body"),
        ("\r\nall that comes: ok", "passed"),
    ];
    let long = |before: usize| format!("content-length: 9000\r\n\r\n{}ok", ".".repeat(before));
    let (inside, outside) = (long(4094), long(4095) + &".".repeat(9000));
    let bodies = bodies.into_iter().map(|(body, reason)| (body.to_owned(), reason));
    for (body, reason) in bodies.chain([(inside, "passed"), (outside, "body")]) {
        // It stays open, and tells nothing more: what was asked for is known before.
        let head = format!("HTTP/1.1 200 OK\r\n{body}");
        let closes = head.contains("all that comes");
        let service = probed(move |peer| {
            peer.send(&head);
            if closes {
                let _ = peer.stream.shutdown(std::net::Shutdown::Write);
            }
        });
        let health = "path = \"/healthz\"\nbody = \"ok\"\ninterval = \"50ms\"\ntimeout = \"5s\"";
        let weir = Weir::start(checked(&[&service], health));
        until_reason(&weir, &service, reason);
    }
}

#[test]
fn an_answer_must_have_the_headers() {
    for (header, reason) in [
        ("x-service = \"orders\"", "passed"),
        ("x-service = \"bills\"", "header"),
        ("x-service = { regex = \"^ord\" }", "passed"),
        ("x-other = { present = true }", "header"),
        ("x-other = { absent = true }", "passed"),
    ] {
        let service = probed(|peer| {
            peer.send("HTTP/1.1 200 OK\r\nx-service: orders\r\ncontent-length: 0\r\n\r\n");
        });
        let health = format!("path = \"/healthz\"\nheader = {{ {header} }}\n{OFTEN}");
        let weir = Weir::start(checked(&[&service], &health));
        until_reason(&weir, &service, reason);
    }
}

#[test]
fn a_kept_connection_carries_the_next_check_and_a_stale_one_is_no_failure() {
    let closes = status(0);
    let asked = Arc::clone(&closes);
    let service = probed(move |peer| {
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        if asked.load(SeqCst) == 1 {
            let _ = peer.stream.shutdown(std::net::Shutdown::Both);
        }
    });
    let weir =
        Weir::start(checked(&[&service], &format!("path = \"/healthz\"\nreuse = true\n{OFTEN}")));
    service.until_requests(10);
    assert_eq!(service.connections(), 1);
    assert!(!service.received().contains("connection: close"));
    closes.store(1, SeqCst);
    let before = service.connections();
    until("each takes a new one", || service.connections() > before + 5);
    assert_eq!(checks(&weir, &service, "failed"), 0.0);
}

#[test]
fn an_endpoint_that_hangs_or_lies_is_unhealthy_and_costs_little() {
    let endless = |head: &'static str, more: &'static str| {
        Upstream::scripted(move |mut peer| {
            if peer.request().is_some() {
                peer.send(head);
                let block = more.repeat(1000);
                while peer.stream.write_all(block.as_bytes()).is_ok() {}
            }
        })
    };
    let answers = |text: &'static str| {
        Upstream::scripted(move |mut peer| {
            if peer.request().is_some() {
                peer.send(text);
            }
        })
    };
    let lies = [
        (Upstream::scripted(|mut peer| while peer.request().is_some() {}), "timeout"),
        (answers("HTTP/1.1 200 OK\r\ncontent-le"), "protocol"),
        (answers("SSH-2.0-OpenSSH_9.6\r\n"), "protocol"),
        (answers(""), "protocol"),
        (answers("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nno"), "protocol"),
        (answers("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno"), "protocol"),
        (answers("HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"), "protocol"),
        (endless("HTTP/1.1 200 OK\r\n", "x-more: and more\r\n"), "protocol"),
        (endless("HTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyy"), "protocol"),
        (endless("", "HTTP/1.1 103 Early Hints\r\n\r\n"), "protocol"),
        (endless("HTTP/1.1 200 OK\r\n\r\n", "no, no, no, no"), "body"),
        (endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nn\r\n"), "body"),
        (endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1;x\r\nn\r\n"), "body"),
    ];
    let names: Vec<&dyn std::fmt::Display> =
        lies.iter().map(|(lie, _)| lie as &dyn std::fmt::Display).collect();
    let health = "path = \"/\"\nbody = \"ok\"\nreuse = true\ninterval = \"1s\"\ntimeout = \"1s\"";
    let weir = Weir::start(never_ignored(&names, health));
    for (lie, reason) in &lies {
        until_state(&weir, lie, "unhealthy");
        until_reason(&weir, lie, reason);
    }
    assert_eq!(weir.get("/").status, 503);
    // Nothing is left open but what has just been asked.
    until("no connection is left", || lies.iter().map(|(lie, _)| lie.open()).sum::<usize>() <= 1);
}

#[test]
fn too_few_that_are_well_are_a_panic_that_ends_when_it_has_been_calm() {
    let code = status(500);
    let sick = [saying("one", &code), saying("two", &code)];
    let well = saying("three", &status(200));
    let health = format!("path = \"/healthz\"\n{OFTEN}");
    let weir = Weir::start(checked(&[&sick[0], &sick[1], &well], &health));
    let panic = "weir_pool_panic{pool=\"app\"}";
    weir.until_metric(panic, 1.0);
    for text in ["one", "two", "three"] {
        until("all are asked", || weir.get("/").text() == text);
    }
    let up = |endpoint| format!("weir_endpoint_up{{pool=\"app\",endpoint=\"{endpoint}\"}}");
    assert_eq!(weir.metric(&up(&sick[0])), 0.0, "it is still told as it is");
    code.store(200, SeqCst);
    weir.until_metric(&up(&sick[0]), 1.0);
    weir.until_metric(&up(&sick[1]), 1.0);
    assert_eq!(weir.metric(panic), 1.0, "not at once");
    weir.advance(6);
    weir.until_metric(panic, 0.0);
}

#[test]
fn a_pool_whose_only_endpoint_is_down_is_tried_and_fails_with_the_true_reason() {
    let dead = refusing();
    let weir = Weir::start(checked(&[&dead], OFTEN));
    until_state(&weir, &dead, "unhealthy");
    assert_eq!(weir.get("/").status, 502);
    let refused = "weir_http_refused_total{route=\"none\",reason=\"connect_failure\"}";
    weir.until_metric(refused, 1.0);
    assert_eq!(weir.metric("weir_pool_panic{pool=\"app\"}"), 1.0);
}

#[test]
fn a_reload_keeps_what_is_known_of_who_stays_and_forgets_who_is_replaced() {
    let code = status(500);
    let (sick, well) = (service(&code), saying("well", &status(200)));
    let text = |weight: u32, well: &Upstream| {
        let endpoints = format!("{{ address = \"{sick}\", weight = {weight} }}, \"{well}\"");
        let one = one_pool(&[&sick]).replace(&format!("\"{sick}\""), &endpoints);
        format!(
            "{one}slow_start = \"600s\"\n[pools.app.health]\npath = \"/healthz\"\n\
             interval = \"3600s\"\nfast_interval = \"3600s\"\ntimeout = \"900s\"\n\
             healthy_threshold = {}\n",
            weight.min(2)
        )
    };
    let weir = Weir::start(text(1, &well));
    until_state(&weir, &sick, "unhealthy");
    until("the other, too", || checks(&weir, &well, "ok") == 1.0);
    weir.reload(text(5, &well));
    assert_eq!(state(&weir, &sick, "unhealthy"), 1.0, "before any new check");
    assert_eq!(checks(&weir, &sick, "failed"), 1.0);
    assert!((0..10).all(|_| weir.get("/").text() == "well"));
    // It comes back, and is on its way to its full share when the next reload comes.
    weir.reload(text(1, &well));
    code.store(200, SeqCst);
    weir.advance(4400);
    until_state(&weir, &sick, "warming");
    let begun = weight(&weir, &sick);
    assert!((0.1..0.2).contains(&begun), "{begun}");
    weir.advance(300);
    until("half of it", || weight(&weir, &sick) >= 0.5);
    weir.reload(text(10, &well));
    let (half, total) = (weight(&weir, &sick), checks(&weir, &sick, "ok"));
    assert!((5.0..6.0).contains(&half), "of ten now: {half}");
    assert!(total >= 1.0);
    weir.advance(300);
    until_state(&weir, &sick, "healthy");
    assert_eq!(weight(&weir, &sick), 10.0);
    // Another endpoint in its place starts anew, and so does its count.
    let other = saying("other", &status(200));
    weir.reload(text(10, &other));
    until("its own first check", || checks(&weir, &other, "ok") == 1.0);
    assert_eq!(checks(&weir, &well, "ok"), 0.0);
    until_state(&weir, &other, "warming");
}
