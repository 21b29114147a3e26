//! What endpoints say of themselves in a header: that they want no more, or that they are not well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use crate::harness::{Upstream, Weir, until};
use crate::health::{
    OFTEN, checked, checks, never_ignored, probed, state, until_reason, until_state,
};

#[test]
fn an_endpoint_that_asks_to_be_drained_gets_no_more_and_is_no_reason_to_panic() {
    for (code, header, more) in
        [(503, "x-weir-drain: 1\r\n", ""), (404, "", "drain_on_404 = true\n")]
    {
        let drains = Arc::new(AtomicU16::new(0));
        let asked = Arc::clone(&drains);
        let leaving = probed(move |peer| {
            let (code, header) = if asked.load(SeqCst) == 1 { (code, header) } else { (200, "") };
            peer.send(format!("HTTP/1.1 {code} X\r\n{header}content-length: 0\r\n\r\n"));
        });
        let stays = [(); 2].map(|()| probed(|peer| peer.reply("")));
        let health = format!("path = \"/healthz\"\n{more}{OFTEN}");
        let weir = Weir::start(checked(&[&leaving, &stays[0], &stays[1]], &health));
        until_state(&weir, &leaving, "healthy");
        drains.store(1, SeqCst);
        until_state(&weir, &leaving, "draining");
        until_reason(&weir, &leaving, "drain");
        let labels = format!("pool=\"app\",endpoint=\"{leaving}\",result=\"ok\"");
        let sent = || weir.metric(&format!("weir_endpoint_requests_total{{{labels}}}"));
        let before = sent();
        assert!((0..10).all(|_| weir.get("/").text() == "app"));
        assert_eq!(sent(), before);
        // One of the other two is enough: who drains is on neither side.
        let [first, second] = stays;
        let dead = first.kill();
        until_state(&weir, &dead, "unhealthy");
        assert_eq!(weir.metric("weir_pool_panic{pool=\"app\"}"), 0.0);
        drains.store(0, SeqCst);
        until("it takes requests again", || state(&weir, &leaving, "draining") == 0.0);
        until("and gets them", || {
            weir.get("/");
            sent() > before
        });
        drop(second);
    }
}

#[test]
fn a_503_without_the_word_drains_nobody() {
    let service = probed(|peer| {
        peer.send("HTTP/1.1 503 X\r\nx-weir-drain: 0\r\ncontent-length: 0\r\n\r\n");
    });
    let weir = Weir::start(checked(&[&service], &format!("path = \"/healthz\"\n{OFTEN}")));
    until_state(&weir, &service, "unhealthy");
    until_reason(&weir, &service, "status");
}

/// A service whose checks pass, and whose answers to requests have this header.
fn telling(header: &'static str, tells: &Arc<AtomicU16>) -> Upstream {
    let tells = Arc::clone(tells);
    Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            let tells = tells.load(SeqCst) == 1 && !request.starts_with("GET /healthz ");
            let header = if tells { header } else { "" };
            peer.send(format!("HTTP/1.1 200 OK\r\n{header}content-length: 0\r\n\r\n"));
        }
    })
}

const FAIL: &str = "X-Weir-Health: fail\r\n";
/// Checks that come when the test moves the clock.
const SELDOM: &str = "interval = \"1000s\"\nfast_interval = \"1000s\"\ntimeout = \"900s\"\n\
                      path = \"/healthz\"\n";

#[test]
fn an_endpoint_that_says_it_is_not_well_is_believed_if_asked_for_until_checks_pass() {
    let tells = Arc::new(AtomicU16::new(0));
    let (sick, well) = (telling(FAIL, &tells), Upstream::replying("well"));
    let health = format!("{SELDOM}trust_health_header = true\n");
    let weir = Weir::start(checked(&[&sick, &well], &health));
    for endpoint in [&sick, &well] {
        until("its first check", || checks(&weir, endpoint, "ok") == 1.0);
    }
    tells.store(1, SeqCst);
    until("it is not well", || {
        assert_eq!(weir.get("/").status, 200, "what it answered is passed on");
        state(&weir, &sick, "unhealthy") == 1.0
    });
    until_reason(&weir, &sick, "says_fail");
    assert!((0..10).all(|_| weir.get("/").text() == "well"));
    assert_eq!(checks(&weir, &sick, "failed"), 0.0, "that was no check");
    tells.store(0, SeqCst);
    weir.advance(1201);
    until("a check", || checks(&weir, &sick, "ok") == 2.0);
    assert_eq!(state(&weir, &sick, "unhealthy"), 1.0, "one is not enough");
    weir.advance(1201);
    until("it is well again", || state(&weir, &sick, "unhealthy") == 0.0);
}

#[test]
fn a_check_may_be_answered_so_too_whatever_its_status() {
    let service = probed(|peer| {
        peer.send(format!("HTTP/1.1 200 OK\r\n{FAIL}content-length: 0\r\n\r\n"));
    });
    let health = format!("path = \"/healthz\"\nunhealthy_threshold = 1000\n{OFTEN}");
    let trusts = format!("{health}\ntrust_health_header = true\n");
    let weir = Weir::start(never_ignored(&[&service], &trusts));
    until_state(&weir, &service, "unhealthy");
    until_reason(&weir, &service, "says_fail");
    assert_eq!(weir.get("/").status, 503);
    weir.reload(never_ignored(&[&service], &health));
    until("nobody listens to it", || weir.get("/").status == 200);
}

#[test]
fn whoever_is_not_asked_to_believe_it_does_not() {
    let tells = Arc::new(AtomicU16::new(1));
    let service = telling(FAIL, &tells);
    let weir = Weir::start(never_ignored(&[&service], SELDOM));
    until("its first check", || checks(&weir, &service, "ok") == 1.0);
    assert!((0..20).all(|_| weir.get("/").status == 200));
    let other = telling("X-Weir-Health: ok\r\n", &tells);
    let trusts = format!("{SELDOM}trust_health_header = true\n");
    weir.reload(never_ignored(&[&other], &trusts));
    assert!((0..20).all(|_| weir.get("/").status == 200));
}
