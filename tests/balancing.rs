//! Which endpoint gets a request: weights to the letter, whoever has the least to do, and who stands in for whom.

use std::fmt::Display;
use std::io::{BufRead, BufReader};

use crate::harness::{Client, Spawned, Upstream, Weir, refusing, until};

fn pool(balance: &str, endpoints: &str) -> String {
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\npool = \"app\"\n\n\
         [pools.app]\nbalance = \"{balance}\"\nendpoints = [{endpoints}]\n"
    )
}

/// Sends this many requests, and counts who answered: by the first letter of the answer.
fn counts(weir: &Weir, requests: usize) -> [usize; 3] {
    let mut client = weir.connect();
    let mut counts = [0; 3];
    for _ in 0..requests {
        let answer = client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer();
        counts[usize::from(answer.body[0] - b'a')] += 1;
    }
    counts
}

#[test]
fn round_robin_follows_the_weights_exactly() {
    let [a, b, c] = ["a", "b", "c"].map(Upstream::replying);
    let endpoints = format!(
        "{{ address = \"{a}\", weight = 5 }}, {{ address = \"{b}\", weight = 3 }}, \
         {{ address = \"{c}\", weight = 2 }}"
    );
    let weir = Weir::start(pool("round-robin", &endpoints));
    assert_eq!(counts(&weir, 100), [50, 30, 20]);
}

#[test]
fn random_follows_the_weights_on_average() {
    let [a, b, c] = ["a", "b", "c"].map(Upstream::replying);
    let endpoints = format!("\"{a}\", \"{b}\", {{ address = \"{c}\", weight = 2 }}");
    let weir = Weir::start(pool("random", &endpoints));
    let counts = counts(&weir, 2_000);
    // Five standard deviations of a binomial count.
    for (count, expected) in counts.iter().zip([500.0, 500.0, 1_000.0]) {
        assert!((*count as f64 - expected).abs() < 5.0 * 22.4, "{counts:?}");
    }
}

#[test]
fn least_requests_passes_by_an_endpoint_that_hangs() {
    let hangs = Upstream::scripted(|mut peer| while peer.request().is_some() {});
    let [b, c] = ["b", "c"].map(Upstream::replying);
    let weir = Weir::start(pool("least-requests", &format!("\"{hangs}\", \"{b}\", \"{c}\"")));
    let mut stuck = weir.connect();
    for sent in 1.. {
        stuck.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let arrived = || hangs.requests() + b.requests() + c.requests();
        until("the request arrives", || arrived() == sent);
        if hangs.requests() == 1 {
            break;
        }
        stuck.answer();
    }
    let counts = counts(&weir, 100);
    assert_eq!(counts[0], 0);
    assert!(counts[1].abs_diff(counts[2]) <= 2, "ties take turns: {counts:?}");
}

fn attempts(weir: &Weir, pool: &str) -> f64 {
    weir.metric(&format!("weir_pool_attempts_total{{pool=\"{pool}\""))
}

fn until_down(weir: &Weir, endpoint: &dyn Display) {
    weir.until_metric(&format!("weir_endpoint_up{{pool=\"app\",endpoint=\"{endpoint}\"}}"), 0.0);
}

const CHECKED: &str = "[pools.app.health]\ninterval = \"20ms\"\ntimeout = \"2s\"\n";

#[test]
fn backups_are_asked_when_nobody_else_is_healthy_and_no_longer() {
    let [a, b, spare] = ["a", "b", "spare"].map(Upstream::replying);
    let endpoints = format!("\"{a}\", \"{b}\", {{ address = \"{spare}\", backup = true }}");
    let weir = Weir::start(pool("round-robin", &endpoints) + CHECKED);
    assert!((0..10).all(|_| weir.get("/").text() != "spare"));
    let (a, b) = (a.kill(), b.kill());
    until_down(&weir, &a);
    until_down(&weir, &b);
    assert!((0..10).all(|_| weir.get("/").text() == "spare"));
    assert_eq!(weir.metric("weir_pool_panic{pool=\"app\"}"), 0.0, "the backup carries the load");
    let _a = Upstream::replying_at(a, "a again");
    until("it is back", || weir.get("/").text() == "a again");
    assert!((0..10).all(|_| weir.get("/").text() == "a again"));
}

#[test]
fn a_request_that_no_other_could_take_goes_to_a_backup_without_any_checks() {
    let spare = Upstream::replying("spare");
    let endpoints = format!("\"{}\", {{ address = \"{spare}\", backup = true }}", refusing());
    let weir = Weir::start(pool("round-robin", &endpoints));
    assert_eq!(weir.get("/").text(), "spare");
}

#[test]
fn a_pool_without_anybody_to_offer_is_stood_in_for_by_another_and_that_is_told() {
    let (a, other, dead) = (Upstream::replying("a"), Upstream::replying("other"), refusing());
    let text = format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\npool = \"app\"\n\
         [pools.app]\nendpoints = [\"{a}\"]\nfallback = \"second\"\n{CHECKED}\
         [pools.second]\nendpoints = [\"{dead}\"]\nfallback = \"third\"\n\
         [pools.second.health]\ninterval = \"20ms\"\ntimeout = \"2s\"\n\
         [pools.third]\nendpoints = [\"{other}\"]\n",
    );
    let weir = Weir::start(&text);
    assert_eq!(weir.get("/").text(), "a");
    let gone = a.kill();
    until_down(&weir, &gone);
    weir.until_metric("weir_endpoint_up{pool=\"second\"", 0.0);
    let before = attempts(&weir, "app");
    assert!((0..5).all(|_| weir.get("/").text() == "other"));
    assert_eq!(attempts(&weir, "app"), before);
    assert_eq!(attempts(&weir, "third"), 5.0);
    assert_eq!(weir.metric("weir_pool_panic"), 0.0);
    // A reload that changes the last of them changes who the first falls back to.
    let third = Upstream::replying("third");
    weir.reload(text.replace(&other.to_string(), &third.to_string()));
    assert_eq!(weir.get("/").text(), "third");
}

#[test]
fn a_request_that_a_pool_failed_goes_to_the_other_if_it_may_be_sent_again() {
    let other = Upstream::replying("other");
    let resets = Upstream::scripted(|mut peer| drop(peer.request()));
    let text = |endpoint: &dyn Display| {
        pool("round-robin", &format!("\"{endpoint}\""))
            + &format!("fallback = \"other\"\n[pools.other]\nendpoints = [\"{other}\"]\n")
    };
    let weir = Weir::start(text(&refusing()));
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(weir.connect().send(post).answer().text(), "other");
    assert_eq!(attempts(&weir, "app"), 1.0);
    let weir = Weir::start(text(&resets));
    assert_eq!(weir.get("/").text(), "other");
    assert_eq!(weir.connect().send(post).answer().status, 502, "it may have been acted on");
}

#[test]
fn the_access_log_names_the_pool_that_served_and_says_when_health_was_ignored() {
    let (other, port, metrics) = (Upstream::replying("other"), refusing(), refusing());
    let text = format!(
        "[listeners.web]\naddress = \"{port}\"\npool = \"app\"\n\
         [metrics]\naddress = \"{metrics}\"\n\
         [routes.dead]\npath = \"/dead\"\npool = \"dead\"\n\
         [pools.app]\nendpoints = [\"{}\"]\nfallback = \"other\"\n\
         [pools.other]\nendpoints = [\"{other}\"]\n\
         [pools.dead]\nendpoints = [\"{}\"]\n[pools.dead.health]\ninterval = \"1s\"\n",
        refusing(),
        refusing()
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("weir.toml"), text).unwrap();
    let mut weir = Spawned::start(directory.path(), &["run"]);
    until("it listens", || std::net::TcpStream::connect(port).is_ok());
    let scrape = || {
        let request = "GET /metrics HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
        Client::connect(metrics).send(request).answer().text()
    };
    until("it panics", || scrape().contains("weir_pool_panic{pool=\"dead\"} 1"));
    let mut client = Client::connect(port);
    assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    assert_eq!(client.send("GET /dead HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 502);
    let lines = BufReader::new(weir.child().stdout.take().unwrap()).lines().take(2);
    let lines: Vec<serde_json::Value> =
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(lines[0]["weir.pool"], "other");
    assert_eq!(lines[0].get("weir.panic"), None);
    assert_eq!(lines[1]["weir.pool"], "dead");
    assert_eq!(lines[1]["weir.panic"], true);
}

#[test]
fn who_joins_gets_its_share_slowly_and_a_cold_start_is_at_once() {
    let [a, b, c] = ["a", "b", "c"].map(Upstream::replying);
    let weight = |weir: &Weir, endpoint: &Upstream| {
        let labels = format!("pool=\"app\",endpoint=\"{endpoint}\"");
        weir.metric(&format!("weir_endpoint_weight{{{labels}}}"))
    };
    let both = pool("round-robin", &format!("\"{a}\", \"{b}\""));
    let weir = Weir::start(&both);
    assert_eq!((weight(&weir, &a), weight(&weir, &b)), (1.0, 1.0));
    assert_eq!(counts(&weir, 100), [50, 50, 0]);
    let weir = Weir::start(pool("round-robin", &format!("\"{a}\"")));
    weir.reload(&both);
    assert!((0.1..0.2).contains(&weight(&weir, &b)));
    let labels = format!("pool=\"app\",endpoint=\"{b}\",state=\"warming\"");
    let warming = format!("weir_endpoint_state{{{labels}}}");
    assert_eq!(weir.metric(&warming), 1.0);
    let few = counts(&weir, 110);
    assert!((5..=25).contains(&few[1]), "{few:?}");
    weir.advance(5);
    until("half of it", || weight(&weir, &b) >= 0.5);
    weir.advance(5);
    weir.until_metric(&warming, 0.0);
    assert_eq!(weight(&weir, &b), 1.0);
    assert_eq!(counts(&weir, 100), [50, 50, 0]);
    // Most are new: all are alike.
    let weir = Weir::start(pool("round-robin", &format!("\"{c}\"")));
    weir.reload(pool("round-robin", &format!("\"{a}\", \"{b}\", \"{c}\"")));
    assert_eq!((weight(&weir, &a), weight(&weir, &b)), (1.0, 1.0));
}
