//! When active checks come: spread, sooner where something changes, slower for what is long down, and the first of
//! all before anybody is asked.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::harness::{Upstream, Weir, one_pool, until};
use crate::health::{
    checked, checks, never_ignored, saying, service, state, status, until_reason, until_state,
};

#[test]
fn checks_come_within_a_fifth_of_their_interval() {
    let service = service(&status(200));
    let weir = Weir::start(checked(&[&service], "path = \"/healthz\"\ninterval = \"1000s\""));
    until("the first check", || checks(&weir, &service, "ok") == 1.0);
    for round in 1..=3 {
        let before = f64::from(round);
        weir.advance(790);
        // A scrape is answered where checks run, after what was due.
        assert_eq!(checks(&weir, &service, "ok"), before, "not before 800 s");
        weir.advance(411);
        until("not after 1200 s", || checks(&weir, &service, "ok") == before + 1.0);
    }
}

#[test]
fn after_a_failure_and_after_a_success_of_who_was_down_the_next_check_comes_soon() {
    let code = status(200);
    let service = service(&code);
    let health = "path = \"/healthz\"\ninterval = \"1000s\"\nfast_interval = \"10s\"\n\
                  unhealthy_threshold = 2\nhealthy_threshold = 2\ntimeout = \"900s\"";
    let weir = Weir::start(checked(&[&service], health));
    until("the first check", || checks(&weir, &service, "ok") == 1.0);
    code.store(500, SeqCst);
    weir.advance(1201);
    until("a failure", || checks(&weir, &service, "failed") == 1.0);
    weir.advance(7);
    assert_eq!(checks(&weir, &service, "failed"), 1.0, "not before 8 s");
    weir.advance(6);
    until_state(&weir, &service, "unhealthy");
    code.store(200, SeqCst);
    weir.advance(13);
    assert_eq!(checks(&weir, &service, "ok"), 1.0, "it is down: the usual interval");
    weir.advance(1201);
    until("a success", || checks(&weir, &service, "ok") == 2.0);
    weir.advance(13);
    until("and another", || checks(&weir, &service, "ok") == 3.0);
    assert_eq!(state(&weir, &service, "unhealthy"), 0.0);
}

/// Lets a second go by, and the checks end that are due in it.
fn step(weir: &Weir, service: &Upstream) {
    weir.advance(1);
    let at_work = || {
        // A scrape is answered where checks run, after what was due.
        weir.scrape();
        service.open() > 0
    };
    until("no check is under way", || !at_work() && !at_work());
}

#[test]
fn who_is_long_down_is_asked_ever_more_slowly() {
    let service = service(&status(500));
    // A clock that is moved is no reason to give up on an answer that is under way.
    let health = "path = \"/healthz\"\ninterval = \"1s\"\ntimeout = \"900s\"";
    let weir = Weir::start(checked(&[&service], health));
    let after = |seconds: u64| {
        let before = checks(&weir, &service, "failed");
        for _ in 0..seconds {
            step(&weir, &service);
        }
        checks(&weir, &service, "failed") - before
    };
    until("the first check", || checks(&weir, &service, "failed") == 1.0);
    let first = after(60);
    assert!(first >= 25.0, "about every second: {first}");
    after(40);
    let later = after(60);
    assert!((4.0..=9.0).contains(&later), "about every ten: {later}");
}

#[test]
fn a_pool_without_traffic_is_checked_slowly_until_there_is_some() {
    let (app, probe) = (Upstream::replying("app"), service(&status(200)));
    let port = probe.address().port();
    let health =
        format!("path = \"/healthz\"\nport = {port}\ninterval = \"1s\"\ntimeout = \"900s\"");
    let weir = Weir::start(checked(&[&app], &health));
    until("the first check", || checks(&weir, &app, "ok") == 1.0);
    let after = |seconds: u64, traffic: bool| {
        let before = checks(&weir, &app, "ok");
        for _ in 0..seconds {
            if traffic {
                assert_eq!(weir.get("/").text(), "app");
            }
            step(&weir, &probe);
        }
        checks(&weir, &app, "ok") - before
    };
    after(61, false);
    let quiet = after(60, false);
    assert!((4.0..=9.0).contains(&quiet), "about every ten: {quiet}");
    after(12, true);
    let busy = after(60, true);
    assert!(busy >= 25.0, "about every second: {busy}");
}

#[test]
fn who_joins_a_running_pool_waits_for_its_first_check_unless_it_is_taken_for_healthy() {
    let (old, silent) = (Upstream::replying("old"), saying("new", &status(200)));
    let hangs = Upstream::scripted(|mut peer| while peer.request().is_some() {});
    // Its checks never end, but it answers requests.
    let port = hangs.address().port();
    let health = |more: &str| {
        format!("path = \"/\"\nport = {port}\ninterval = \"900s\"\ntimeout = \"900s\"\n{more}")
    };
    let weir = Weir::start(one_pool(&[&old]));
    weir.reload(checked(&[&old, &silent], &health("")));
    hangs.until_requests(1);
    assert_eq!(state(&weir, &silent, "unhealthy"), 1.0);
    until_reason(&weir, &silent, "not_checked");
    assert!((0..10).all(|_| weir.get("/").text() == "old"));
    assert_eq!(weir.metric("weir_pool_panic{pool=\"app\"}"), 0.0, "that is no reason to panic");
    // Alone it serves, checked or not.
    weir.reload(checked(&[&silent], &health("")));
    assert_eq!(weir.get("/").text(), "new");
    let weir = Weir::start(one_pool(&[&old]) + "slow_start = \"0s\"\n");
    let at_once = checked(&[&old, &silent], &health("initial = \"healthy\""));
    weir.reload(at_once.replace("[pools.app.health]", "slow_start = \"0s\"\n[pools.app.health]"));
    let new = (0..10).filter(|_| weir.get("/").text() == "new").count();
    assert_eq!(new, 5);
}

#[test]
fn checks_of_thousands_are_spread_and_only_so_many_run_at_once() {
    // One socket, thousands of addresses of the loopback.
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (opened, highest) = (Arc::clone(&open), Arc::clone(&most));
    let (accepted, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            highest.fetch_max(opened.fetch_add(1, SeqCst) + 1, SeqCst);
            let _ = accepted.send(stream);
        }
    });
    std::thread::spawn(move || {
        for mut stream in asked {
            let mut block = [0; 512];
            let _ = std::io::Read::read(&mut stream, &mut block);
            open.fetch_sub(1, SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 204 X\r\n\r\n");
        }
    });
    let endpoints: Vec<String> =
        (0..3000).map(|at| format!("127.9.{}.{}:{port}", at / 200, 1 + at % 200)).collect();
    let endpoints: Vec<&dyn std::fmt::Display> =
        endpoints.iter().map(|one| one as &dyn std::fmt::Display).collect();
    let weir =
        Weir::start(checked(&endpoints, "path = \"/\"\ninterval = \"5s\"\ntimeout = \"5s\""));
    let all = "weir_health_checks_total{pool=\"app\"";
    until("all are checked once", || weir.metric(all) >= 3000.0);
    assert!(most.load(SeqCst) <= 256, "{most:?} at once");
    assert_eq!(weir.get("/").status, 204);
}

/// Nobody is asked before it is known whether it is well, at most for two seconds.
#[test]
fn a_start_waits_for_the_first_checks() {
    let (sick, well) = (status(500), status(200));
    let all: Vec<Upstream> = (0..8)
        .map(|n| if n % 2 == 0 { saying("sick", &sick) } else { saying("well", &well) })
        .collect();
    let endpoints: Vec<&dyn std::fmt::Display> = all.iter().map(|one| one as _).collect();
    let weir = Weir::start(never_ignored(&endpoints, "path = \"/healthz\""));
    for _ in 0..16 {
        assert_eq!(weir.get("/").text(), "well");
    }
    drop(weir);
    // Who never answers is not waited for, and asked all the same.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let weir = Weir::start(never_ignored(
        &[&address],
        "path = \"/healthz\"\ninterval = \"10s\"\ntimeout = \"9s\"",
    ));
    assert_eq!(state(&weir, &address, "unhealthy"), 0.0);
}

/// Checks have places in common; those that wait for answers which never come must not keep others from being made.
#[test]
fn pools_that_hang_do_not_keep_others_from_being_checked() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hanging: Vec<String> = (1..=250).map(|n| format!("\"127.0.3.{n}:{port}\"")).collect();
    let health = status(200);
    let good = service(&health);
    let text = format!(
        "{}\n[pools.hanging]\nendpoints = [{}]\nhealth = {{ path = \"/\", interval = \"20ms\", timeout = \"30s\" }}\n\
         [routes.hanging]\nhost = \"h\"\npool = \"hanging\"\n",
        never_ignored(&[&good], "path = \"/healthz\"\ninterval = \"20ms\""),
        hanging.join(", ")
    );
    let weir = Weir::start(text);
    until("it was checked often", || checks(&weir, &good, "ok") > 5.0);
    health.store(500, SeqCst);
    until_state(&weir, &good, "unhealthy");
}
