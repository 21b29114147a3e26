//! Which endpoint gets a request: weights to the letter, and whoever has the least to do.

use crate::harness::{Upstream, Weir, until};

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
