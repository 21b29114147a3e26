//! The metrics port: what a scrape says is true, well-formed, and bounded.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use weir::runtime::process::Reloaded;
use weir::telemetry::metrics::ALL;

use crate::harness::{Client, Upstream, Weir, one_pool, until};

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

/// What promtool looks for, so that it is looked for everywhere: each metric has one HELP and one TYPE before its
/// samples, a name that fits its type, and no series twice; buckets rise, and end with the count.
#[test]
fn the_exposition_is_well_formed() {
    let a = Upstream::replying("a");
    let secured = "[listeners.tls]\naddress = \"127.0.0.1:0\"\nprotocol = \"https\"\npool = \"app\"\n\
                   [listeners.raw]\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\npool = \"app\"\n\
                   [certificates.own]\nself_signed = true\nhosts = [\"localhost\"]\n";
    let weir = Weir::start(one_pool(&[&a]) + secured);
    weir.get("/");
    // As HTTP without TLS, which is counted, too.
    let address = weir.process().address("tls").unwrap();
    assert_eq!(Client::connect(address).send("GET / HTTP/1.1\r\n\r\n").answer().status, 400);
    weir.until_metric("weir_tls_handshakes_total", 1.0);
    // And one that is no HTTP.
    let address = weir.process().address("raw").unwrap();
    assert_eq!(Client::connect(address).send("GET / HTTP/1.1\r\n\r\n").answer().status, 200);
    weir.until_metric("weir_l4_sessions_total", 1.0);
    // A request is counted when its answer has been written.
    weir.until_metric("weir_http_requests_total", 1.0);
    let text = weir.scrape();
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut series = HashSet::new();
    let mut helped = HashSet::new();
    let mut last = (String::new(), 0.0);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and its help");
            assert!(helped.insert(name) && help.ends_with('.') || name.starts_with("process_"));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, form) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name) && types.insert(name, form).is_none(), "{line}");
            assert_eq!(name.ends_with("_total"), form == "counter", "{line}");
            if form == "histogram" {
                assert!(name.ends_with("_seconds"), "{line}");
            }
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            assert!(series.insert(sample), "twice: {sample}");
            let name = sample.split('{').next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let form = types.get(name).or_else(|| types.get(base.unwrap_or_default()));
            assert!(form.is_some(), "no TYPE before {line}");
            if name.ends_with("_bucket") {
                let of = sample.split("le=").next().unwrap().to_owned();
                assert!(last.0 != of || last.1 <= value, "falls: {line}");
                last = (of, value);
            } else if name.ends_with("_count") && form == Some(&"histogram") {
                assert_eq!(last.1, value, "{line}");
            }
        }
    }
    for metric in ALL.iter().filter(|metric| !metric.name.contains("refused")) {
        let name = metric.name;
        let later = ["weir_pool_retries_total", "weir_endpoint_response_seconds"].contains(&name);
        assert!(later || types.contains_key(name), "{name} is never shown");
    }
}

#[test]
fn response_times_are_told_by_endpoint_if_that_is_asked_for() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let text = |on: bool| {
        let metrics = format!("[metrics]\naddress = \"127.0.0.1:0\"\nendpoint_histograms = {on}\n");
        one_pool(&[&a, &b]) + &metrics
    };
    let weir = Weir::start(text(true));
    let count = |endpoint: &Upstream| {
        format!("weir_endpoint_response_seconds_count{{pool=\"app\",endpoint=\"{endpoint}\"}}")
    };
    (0..6).for_each(|_| drop(weir.get("/")));
    for endpoint in [&a, &b] {
        assert_eq!(weir.metric(&count(endpoint)), 3.0);
    }
    assert_eq!(weir.reload(text(false)), Reloaded::Accepted);
    weir.get("/");
    assert!(!weir.scrape().contains("weir_endpoint_response_seconds"));
}

#[test]
fn a_million_hosts_paths_and_methods_add_no_series() {
    const MANY: usize = 1_000_000;
    let a = Upstream::replying("a");
    let text = format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\n[routes.r]\npath_prefix = \"/r\"\n\
         respond = {{ status = 204 }}\n[routes.a]\npath = \"/a\"\npool = \"p\"\n\
         [pools.p]\nendpoints = [\"{a}\"]\n"
    );
    let weir = Weir::start(text);
    let ask = |from: usize, to: usize| {
        let mut client = weir.connect();
        let length =
            client.send("HEAD /r HTTP/1.1\r\nHost: h\r\n\r\n").answer_to_head().head.len() + 4;
        for block in (from..to).step_by(100) {
            let request = |n: usize| format!("M{n} /r/{n}?{n} HTTP/1.1\r\nHost: h{n}\r\n\r\n");
            client.send((block..block + 100).map(request).collect::<String>());
            let answers = client.rest_of(100 * length);
            assert!(answers.chunks(length).all(|answer| answer.starts_with(b"HTTP/1.1 204 ")));
        }
    };
    let count = "weir_http_requests_total{route=\"r\",method=\"_OTHER\",code=\"204\"}";
    ask(0, 100);
    weir.until_metric(count, 100.0);
    let before = weir.scrape().lines().count();
    std::thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || ask(100.max(part * MANY / 4), (part + 1) * MANY / 4));
        }
    });
    weir.until_metric(count, MANY as f64);
    assert_eq!(weir.scrape().lines().count(), before);
}

#[test]
fn series_go_with_their_objects_and_counters_stay_with_theirs() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let text = |route: &str, endpoint: &Upstream| {
        format!(
            "[listeners.web]\naddress = \"127.0.0.1:0\"\npool = \"app\"\n\
             [routes.{route}]\npath = \"/x\"\npool = \"app\"\n\
             [pools.app]\nendpoints = [\"{endpoint}\"]\n"
        )
    };
    let weir = Weir::start(text("old", &a));
    weir.get("/");
    weir.get("/x");
    weir.until_metric("weir_http_requests_total{route=\"old\",method=\"GET\",code=\"200\"}", 1.0);
    let all = "weir_http_requests_total{route=\"none\",method=\"GET\",code=\"200\"}";
    weir.until_metric(all, 1.0);
    assert_eq!(weir.reload(text("new", &b)), Reloaded::Accepted);
    let scrape = weir.scrape();
    let line = |label: &str| scrape.lines().find(|line| line.contains(label));
    assert_eq!(line("route=\"old\""), None);
    assert_eq!(line(&format!("endpoint=\"{a}\"")), None);
    assert_eq!(weir.metric(all), 1.0, "a counter survives");
    assert_eq!(weir.metric("weir_pool_attempts_total{pool=\"app\",result=\"ok\"}"), 2.0);
    weir.get("/x");
    weir.until_metric("weir_http_requests_total{route=\"new\",method=\"GET\",code=\"200\"}", 1.0);
}

/// Lets time pass that is to be measured.
fn pause(time: Duration) {
    let (_kept, never) = channel::<()>();
    let _ = never.recv_timeout(time);
}

/// An endpoint that takes its time, and a client that does, too: neither is weir's.
#[test]
fn overhead_is_what_is_left_when_nobody_is_waited_for() {
    const TAKES: Duration = Duration::from_millis(30);
    const COUNT: u32 = 20;
    let a = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            pause(TAKES);
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
            pause(TAKES);
            peer.send("cd");
        }
    });
    let weir = Weir::start(one_pool(&[&a]));
    let mut client = weir.connect();
    for _ in 0..COUNT {
        client.send("GET / HTTP/1.1\r\n");
        pause(TAKES / 3);
        assert_eq!(client.send("Host: a\r\n\r\n").answer().text(), "abcd");
    }
    weir.until_metric("weir_http_overhead_seconds_count", f64::from(COUNT));
    let overhead = weir.metric("weir_http_overhead_seconds_sum");
    let whole = weir.metric("weir_http_request_duration_seconds_sum{route=\"none\"}");
    let waited = f64::from(COUNT) * TAKES.as_secs_f64() * 2.0;
    assert!(overhead > 0.0 && whole >= waited, "{overhead} of {whole}");
    // Less than a millisecond a request: it is some ten microseconds, unless something else runs.
    assert!(overhead < (whole - waited).max(0.02 * waited), "{overhead} of {whole}");
}

#[test]
fn bytes_are_counted_where_they_pass() {
    let a = Upstream::replying("hello");
    let weir = Weir::start(one_pool(&[&a]));
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(weir.connect().send(request).answer().status, 200);
    weir.until_metric("weir_http_request_bytes_total{route=\"none\"}", 3.0);
    assert_eq!(weir.metric("weir_http_response_bytes_total{route=\"none\"}"), 5.0);
    let received = "weir_listener_received_bytes_total{listener=\"web\"}";
    assert_eq!(weir.metric(received), request.len() as f64);
    assert!(weir.metric("weir_listener_sent_bytes_total{listener=\"web\"}") > 5.0);
    assert_eq!(weir.metric("weir_pool_connect_seconds_count{pool=\"app\"}"), 1.0);
    until("a worker was busy", || weir.metric("weir_worker_busy_seconds_total") > 0.0);
}

/// An endpoint that breaks off within its answer has failed, though its head was fine.
#[test]
fn an_answer_that_breaks_off_counts_against_its_endpoint() {
    let a = Upstream::scripted(|mut peer| {
        let request = peer.request().unwrap_or_default();
        if request.contains("/chunked") {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nx");
        } else {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
        }
    });
    let weir = Weir::start(one_pool(&[&a]));
    for path in ["/", "/chunked"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(weir.connect().send(request).try_answer().is_err());
    }
    let endpoint = format!("weir_endpoint_requests_total{{pool=\"app\",endpoint=\"{a}\",result=");
    weir.until_metric(&format!("{endpoint}\"error\"}}"), 2.0);
    assert_eq!(weir.metric(&format!("{endpoint}\"ok\"}}")), 0.0);
    let attempts = "weir_pool_attempts_total{pool=\"app\",result=";
    assert_eq!(weir.metric(&format!("{attempts}\"aborted\"}}")), 1.0);
    assert_eq!(weir.metric(&format!("{attempts}\"protocol\"}}")), 1.0);
}

#[test]
fn path_buckets_and_the_most_series_are_as_the_file_says() {
    let a = Upstream::replying("a");
    let metrics =
        |more: &str| format!("{}\n[metrics]\naddress = \"127.0.0.1:0\"\n{more}", one_pool(&[&a]));
    let weir = Weir::start(metrics("path = \"/m\"\nbuckets = [0.5, 1]"));
    weir.get("/");
    assert_eq!(ask(&weir, "GET /metrics HTTP/1.1\r\nHost: m\r\n\r\n").status, 404);
    let text = ask(&weir, "GET /m HTTP/1.1\r\nHost: m\r\n\r\n").text();
    let buckets = text.lines().filter(|line| line.starts_with("weir_http_overhead_seconds_bucket"));
    assert_eq!(buckets.count(), 3);
    weir.reload(metrics("max_series = 20"));
    let series = |text: &str| text.lines().filter(|line| line.starts_with("weir_")).count();
    assert_eq!(series(&weir.scrape()), 20 + 1, "one tells how many are missing");
    assert!(weir.metric("weir_telemetry_dropped_total{kind=\"series\"}") > 10.0);
}
