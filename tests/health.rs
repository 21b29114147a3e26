//! Active checks: who is down gets nothing, who is back gets its share, and the reason is told in words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use crate::harness::{Upstream, Weir, one_pool, until};

fn checked(endpoints: &[&dyn std::fmt::Display], health: &str) -> String {
    format!("{}\n[pools.app.health]\n{health}\n", one_pool(endpoints))
}

fn state(weir: &Weir, endpoint: &Upstream, state: &str) -> f64 {
    let labels = format!("pool=\"app\",endpoint=\"{endpoint}\",state=\"{state}\"");
    weir.metric(&format!("weir_endpoint_state{{{labels}}}"))
}

/// Answers checks with a status that the test sets, and everything else with 200.
fn service(status: &Arc<AtomicU16>) -> Upstream {
    let status = Arc::clone(status);
    Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            if request.starts_with("GET /healthz ") {
                let status = status.load(SeqCst);
                peer.send(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"));
            } else {
                peer.reply("sick");
            }
        }
    })
}

#[test]
fn an_unhealthy_endpoint_gets_no_requests_until_it_is_well_again() {
    let status = Arc::new(AtomicU16::new(500));
    let (sick, well) = (service(&status), Upstream::replying("well"));
    let text =
        checked(&[&sick, &well], "path = \"/healthz\"\ninterval = \"20ms\"\ntimeout = \"20ms\"");
    let weir = Weir::start(text);
    // The first check decides at once.
    until("it is unhealthy", || state(&weir, &sick, "unhealthy") == 1.0);
    assert!((0..10).all(|_| weir.get("/").text() == "well"));
    let up = format!("weir_endpoint_up{{pool=\"app\",endpoint=\"{sick}\"}}");
    assert_eq!(weir.metric(&up), 0.0);
    let reason =
        format!("weir_endpoint_reason{{pool=\"app\",endpoint=\"{sick}\",reason=\"status\"}}");
    assert_eq!(weir.metric(&reason), 1.0);
    status.store(204, SeqCst);
    until("it is healthy", || state(&weir, &sick, "healthy") == 1.0);
    until("it gets requests", || weir.get("/").text() == "sick");
    let failed =
        format!("weir_health_checks_total{{pool=\"app\",endpoint=\"{sick}\",result=\"failed\"}}");
    assert!(weir.metric(&failed) >= 1.0);
}

#[test]
fn thresholds_keep_a_hiccup_from_counting() {
    let status = Arc::new(AtomicU16::new(200));
    let service = service(&status);
    let text = checked(
        &[&service],
        "path = \"/healthz\"\ninterval = \"30s\"\nunhealthy_threshold = 2\nhealthy_threshold = 3",
    );
    let weir = Weir::start(text);
    let checks = |result: &str| {
        let labels = format!("pool=\"app\",endpoint=\"{service}\",result=\"{result}\"");
        weir.metric(&format!("weir_health_checks_total{{{labels}}}"))
    };
    // One more check, and what it came to: an interval is at most 36 s with its spread.
    let next = |result: &str| {
        let before = checks(result);
        weir.advance(37);
        until("another check", || checks(result) > before);
    };
    until("the first check", || checks("ok") == 1.0);
    status.store(503, SeqCst);
    next("failed");
    assert_eq!(state(&weir, &service, "healthy"), 1.0, "one of two");
    next("failed");
    until("two of two", || state(&weir, &service, "unhealthy") == 1.0);
    assert_eq!(weir.get("/").status, 503);
    let refused = "weir_http_refused_total{route=\"none\",reason=\"no_endpoint\"}";
    weir.until_metric(refused, 1.0);
    status.store(200, SeqCst);
    next("ok");
    next("ok");
    assert_eq!(state(&weir, &service, "unhealthy"), 1.0, "two of three");
    next("ok");
    until("three of three", || state(&weir, &service, "healthy") == 1.0);
}

#[test]
fn a_tcp_check_connects_and_notices_a_death_and_a_return() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(checked(&[&a, &b], "interval = \"20ms\"\ntimeout = \"20ms\""));
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
fn a_check_that_gets_no_answer_times_out() {
    let silent = Upstream::scripted(|mut peer| while peer.request().is_some() {});
    let weir =
        Weir::start(checked(&[&silent], "path = \"/\"\ninterval = \"20ms\"\ntimeout = \"10ms\""));
    until("it is unhealthy", || state(&weir, &silent, "unhealthy") == 1.0);
    let timeouts = "weir_health_checks_total";
    assert!(weir.metric(timeouts) >= 1.0);
}

#[test]
fn checks_that_are_switched_off_leave_nobody_down() {
    let status = Arc::new(AtomicU16::new(500));
    let service = service(&status);
    let weir = Weir::start(checked(
        &[&service],
        "path = \"/healthz\"\ninterval = \"20ms\"\ntimeout = \"20ms\"",
    ));
    until("it is unhealthy", || state(&weir, &service, "unhealthy") == 1.0);
    weir.reload(one_pool(&[&service]));
    assert_eq!(weir.get("/").text(), "sick");
}
