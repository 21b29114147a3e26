//! The metrics port: what a scrape says is true, well-formed, and bounded.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{Client, Upstream, Weir, one_pool};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn ask(weir: &Weir, request: &str) -> crate::harness::Answer {
    Client::connect(weir.process().metrics_address().unwrap()).send(request).answer()
}

#[test]
fn the_probes_say_that_it_lives_and_is_ready() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/", 404)] {
        assert_eq!(ask(&weir, &format!("GET {path} HTTP/1.1\r\nHost: m\r\n\r\n")).status, status);
    }
    let post = "POST /metrics HTTP/1.1\r\nHost: m\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&weir, post).status, 405);
}

#[test]
fn requests_counted_are_requests_sent() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    let mut client = weir.connect();
    for _ in 0..50 {
        client.send(GET).answer();
    }
    weir.until_metric("weir_http_requests_total{route=\"none\",method=\"GET\",code=\"200\"}", 50.0);
    let count = "weir_http_request_duration_seconds_count{route=\"none\",code_class=\"2xx\"}";
    assert_eq!(weir.metric(count), 50.0);
    assert_eq!(weir.metric("weir_pool_attempts_total{pool=\"app\",result=\"ok\"}"), 50.0);
    assert_eq!(weir.metric("weir_pool_response_seconds_count{pool=\"app\"}"), 50.0);
    let endpoint =
        format!("weir_endpoint_requests_total{{pool=\"app\",endpoint=\"{a}\",result=\"ok\"}}");
    assert_eq!(weir.metric(&endpoint), 50.0);
    assert_eq!(weir.metric("weir_listener_connections{listener=\"web\"}"), 1.0);
}

#[test]
fn strange_methods_hosts_and_paths_add_no_series() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    let ask = |n: usize| {
        let request = format!("M{n} /{n} HTTP/1.1\r\nHost: h{n}\r\n\r\n");
        assert_eq!(weir.connect().send(request).answer().status, 200);
    };
    ask(0);
    let series = |weir: &Weir| weir.scrape().lines().count();
    weir.until_metric(
        "weir_http_requests_total{route=\"none\",method=\"_OTHER\",code=\"200\"}",
        1.0,
    );
    let before = series(&weir);
    (1..200).for_each(ask);
    weir.until_metric(
        "weir_http_requests_total{route=\"none\",method=\"_OTHER\",code=\"200\"}",
        200.0,
    );
    assert_eq!(series(&weir), before);
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    weir.get("/");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = promtool.stderr(Stdio::piped()).spawn() else {
        eprintln!("skipped: promtool is not installed (Debian's package prometheus has it)");
        return;
    };
    child.stdin.take().unwrap().write_all(weir.scrape().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
