//! gRPC through weir: all kinds of calls with a real library, deadlines, cancellation, and errors it understands.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use tonic::{Code, Request};

use crate::harness::grpc::{Caller, Echo, HIDDEN, NOT_SERVING, SERVING, UNKNOWN};
use crate::harness::http2::H2Upstream;
use crate::harness::{Upstream, Weir, one_pool, refusing, until};

fn text(address: &dyn std::fmt::Display) -> String {
    one_pool(&[address]) + "scheme = \"h2c\"\n[runtime]\nworkers = 1\n"
}

fn message(text: &str) -> Request<Bytes> {
    Request::new(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn calls_of_all_kinds_go_through() {
    let echo = Echo::start();
    let weir = Weir::start(text(&echo.address));
    let mut caller = Caller::new(weir.address());
    assert_eq!(caller.unary("Each", message("one")).unwrap(), "one");
    let many = (0..1000).map(|n| Bytes::from(format!("{n};"))).collect::<Vec<_>>();
    let sum = caller.collect("Sum", many.clone()).unwrap();
    assert_eq!(sum, many.concat());
    let (messages, status) = caller.list("Many", "1000");
    assert_eq!((messages.len(), status.code()), (1000, Code::DataLoss));
    assert_eq!(status.message(), "that was all");
    // Nothing is held back in either direction.
    let (sender, mut talk) = caller.talk("Each");
    for n in 0..100 {
        sender.send(Bytes::from(n.to_string())).unwrap();
        assert_eq!(talk.next().unwrap().unwrap(), n.to_string());
    }
    weir.until_metric("weir_http_streams{route=\"none\",kind=\"grpc\"}", 1.0);
    drop(sender);
    assert!(talk.next().unwrap().is_none());
    weir.until_metric("weir_http_streams{route=\"none\",kind=\"grpc\"}", 0.0);
    // Messages that are longer than windows.
    let long = Bytes::from(vec![b'x'; 3_000_000]);
    assert_eq!(
        caller.unary("Each", Request::new(long.clone())).unwrap_or_default().len(),
        long.len()
    );
}

#[test]
fn an_answer_without_a_body_is_a_status_and_is_counted() {
    let echo = Echo::start();
    let log = tempfile::TempDir::new().unwrap();
    let path = log.path().join("access.log");
    let weir = Weir::start(
        text(&echo.address) + &format!("[access_log]\noutput = \"{}\"\n", path.display()),
    );
    let mut caller = Caller::new(weir.address());
    let status = caller.unary("Fail", message("")).unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::AlreadyExists, "50% \u{fc}"));
    assert_eq!(caller.list("Many", "0").1.code(), Code::DataLoss);
    assert_eq!(caller.unary("Each", message("x")).unwrap(), "x");
    let count = |outcome: &str| {
        weir.metric(&format!("weir_pool_attempts_total{{pool=\"app\",result=\"{outcome}\"}}"))
    };
    assert_eq!((count("ok"), count("app_error")), (2.0, 1.0));
    let lines = || std::fs::read_to_string(&path).unwrap_or_default();
    until("they are logged", || lines().lines().count() == 3);
    let lines = lines();
    let codes: Vec<&str> = lines
        .lines()
        .filter_map(|line| line.split("\"rpc.grpc.status_code\":").nth(1)?.split(',').next())
        .collect();
    assert_eq!(codes, ["6", "15", "0"]);
}

#[test]
fn weirs_own_errors_are_statuses() {
    let weir = Weir::start(text(&refusing()));
    let mut caller = Caller::new(weir.address());
    let status = caller.unary("Each", message("")).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "weir: the endpoint could not be connected to.");
    weir.reload(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\n[routes.a]\npath = \"/test.Echo/Sum\"\naccess = { deny = \"127.0.0.1\" }\n\
         respond = { status = 200 }\n[runtime]\nworkers = 1\n",
    );
    assert_eq!(caller.unary("Each", message("")).unwrap_err().code(), Code::Unimplemented);
    assert_eq!(caller.unary("Sum", message("")).unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(weir.metric("weir_http_refused_total{route=\"none\",reason=\"no_route\"}"), 1.0);
}

#[test]
fn deadlines_are_passed_on_and_kept() {
    let echo = Echo::start();
    let weir = Weir::start(text(&echo.address));
    let mut caller = Caller::new(weir.address());
    assert_eq!(caller.unary("Timeout", message("")).unwrap(), "", "none is none");
    let mut request = message("");
    request.set_timeout(Duration::from_secs(3));
    let told = caller.unary("Timeout", request).unwrap();
    let told: u64 = std::str::from_utf8(&told[..told.len() - 1]).unwrap().parse().unwrap();
    assert!((1..=3_000_000).contains(&told), "{told}");
    // Weir keeps it, too: a client that does not is answered.
    let mut request = message("");
    request.metadata_mut().insert("grpc-timeout", "5S".parse().unwrap());
    let advance = std::thread::scope(|scope| {
        let call = scope.spawn(|| caller.unary("Hang", request));
        until("it hangs", || echo.open() == 1);
        weir.advance(6);
        call.join().unwrap()
    });
    assert_eq!(advance.unwrap_err().code(), Code::DeadlineExceeded);
    until("it is cancelled", || echo.open() == 0);
}

#[test]
fn a_call_that_is_cancelled_is_cancelled_behind() {
    let echo = Echo::start();
    let weir = Weir::start(text(&echo.address));
    let mut caller = Caller::new(weir.address());
    let call = caller.begin("Hang", message(""));
    until("it hangs", || echo.open() == 1);
    call.abort();
    until("it is cancelled", || echo.open() == 0);
    assert_eq!(caller.unary("Each", message("y")).unwrap(), "y");
}

#[test]
fn a_call_may_be_silent_for_long() {
    let echo = Echo::start();
    let weir = Weir::start(text(&echo.address));
    let mut caller = Caller::new(weir.address());
    let (sender, mut talk) = caller.talk("Each");
    for n in 0..3 {
        sender.send(Bytes::from("x")).unwrap();
        assert_eq!(talk.next().unwrap().unwrap(), "x", "{n}");
        // Longer than any request's body and any answer may be silent.
        weir.advance(600);
    }
    drop(sender);
    assert!(talk.next().unwrap().is_none());
}

#[test]
fn a_service_says_whether_it_is_served() {
    let echo = Echo::start();
    let checks = "[pools.app.health]\ntype = \"grpc\"\nservice = \"orders\"\ninterval = \"20ms\"\n\
                  timeout = \"2s\"\n[pools.app.limits]\npanic_below = \"0%\"\n";
    let weir = Weir::start(text(&echo.address) + checks);
    let endpoint = echo.address;
    let is = |label: &str, value: &str| {
        let sample = format!(
            "weir_endpoint_{label}{{pool=\"app\",endpoint=\"{endpoint}\",{label}=\"{value}\"}}"
        );
        until(&format!("{label} is {value}"), || weir.metric(&sample) == 1.0);
    };
    let up = |value| {
        let sample = format!("weir_endpoint_up{{pool=\"app\",endpoint=\"{endpoint}\"}}");
        weir.until_metric(&sample, value);
    };
    is("reason", "passed");
    for (health, reason) in
        [(NOT_SERVING, "says_fail"), (3, "status"), (HIDDEN, "status"), (UNKNOWN, "status")]
    {
        echo.health.store(health, SeqCst);
        up(0.0);
        is("reason", reason);
        assert_eq!(
            Caller::new(weir.address()).unary("Each", message("")).unwrap_err().code(),
            Code::Unavailable
        );
        echo.health.store(SERVING, SeqCst);
        up(1.0);
    }
    // What speaks no HTTP/2 is not well.
    let h1 = Upstream::replying("x");
    let weir = Weir::start(text(&h1) + checks);
    until("it is known", || weir.scrape().contains("reason=\"protocol\"} 1"));
}

#[test]
fn checks_over_http_speak_what_their_pool_speaks() {
    let upstream = H2Upstream::echo();
    let checks = |path: &str, body: &str| {
        text(&upstream)
            + &format!(
                "[pools.app.health]\npath = \"{path}\"\nbody = \"{body}\"\ninterval = \"20ms\"\ntimeout = \"2s\"\n"
            )
    };
    let weir = Weir::start(checks("/well", "/we"));
    until("it is well", || weir.scrape().contains("reason=\"passed\"} 1"));
    weir.reload(checks("/well", "/ill"));
    until("it is not", || weir.scrape().contains("reason=\"body\"} 1"));
}
