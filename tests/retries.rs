//! A failure that cannot have done anything costs the client nothing; one that may have is never repeated.

use crate::harness::{Upstream, Weir, one_pool, refusing, untold};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

#[test]
fn a_refused_connection_moves_to_another_endpoint_for_every_method() {
    let live = Upstream::replying("live");
    let weir = Weir::start(one_pool(&[&refusing(), &live]));
    for request in [GET, POST, PUT, GET, POST, PUT] {
        assert_eq!(weir.connect().send(request).answer().text(), "live", "{request}");
    }
    let retries = weir.metric("weir_pool_retries_total{pool=\"app\",reason=\"connect_failure\"}");
    assert!(retries >= 3.0, "{retries}");
    assert_eq!(live.requests(), 6);
}

#[test]
fn nobody_to_connect_to_is_an_honest_502() {
    let weir = Weir::start(one_pool(&[&refusing(), &refusing()]));
    let answer = weir.get("/");
    assert_eq!(answer.status, 502);
    let refused = "weir_http_refused_total{route=\"none\",reason=\"connect_failure\"}";
    weir.until_metric(refused, 1.0);
    assert_eq!(
        weir.metric("weir_pool_attempts_total{pool=\"app\",result=\"connect_failure\"}"),
        2.0
    );
}

/// Two endpoints that read a request and then break, before or after they have answered once.
fn breaking(answers_before: usize) -> Upstream {
    Upstream::scripted(move |mut peer| {
        for _ in 0..answers_before {
            if peer.request().is_none() {
                return;
            }
            peer.reply("ok");
        }
        peer.request();
    })
}

#[test]
fn a_get_that_was_broken_off_is_sent_once_more_to_another_endpoint() {
    let (breaks, live) = (breaking(0), Upstream::replying("live"));
    let weir = Weir::start(one_pool(&[&breaks, &live]));
    for _ in 0..4 {
        assert_eq!(weir.connect().send(GET).answer().text(), "live");
        assert_eq!(weir.connect().send(PUT).answer().text(), "live");
    }
    assert!(live.received().matches("body").count() >= 4, "the kept body goes along");
}

#[test]
fn a_post_that_was_sent_is_never_repeated() {
    let breaks = [breaking(0), breaking(0)];
    let weir = Weir::start(one_pool(&[&breaks[0], &breaks[1]]));
    let answer = weir.connect().send(POST).answer();
    assert_eq!(answer.status, 502);
    assert_eq!(breaks[0].requests() + breaks[1].requests(), 1);
}

#[test]
fn a_get_is_repeated_once_and_not_more() {
    let breaks = [breaking(0), breaking(0), breaking(0)];
    let weir = Weir::start(one_pool(&[&breaks[0], &breaks[1], &breaks[2]]));
    assert_eq!(weir.connect().send(GET).answer().status, 502);
    assert_eq!(breaks.iter().map(Upstream::requests).sum::<usize>(), 2);
}

#[test]
fn an_idle_connection_that_its_endpoint_closed_costs_nothing() {
    // Closes after each answer without saying so.
    let upstream = Upstream::scripted(|mut peer| {
        if peer.request().is_some() {
            peer.reply("ok");
        }
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    let mut client = weir.connect();
    for round in 0..200 {
        let request = if round % 2 == 0 { GET } else { PUT };
        assert_eq!(client.send(request).answer().text(), "ok", "round {round}");
    }
}

#[test]
fn a_post_whose_connection_was_closed_long_ago_goes_over_a_new_one() {
    let upstream = Upstream::scripted(|mut peer| {
        if peer.request().is_some() {
            peer.reply("ok");
        }
    });
    let weir = Weir::start(one_pool(&[&upstream]));
    for _ in 0..2 {
        assert_eq!(weir.connect().send(GET).answer().text(), "ok");
        // The close is known by the time the sweep has run, or the readiness has come.
        weir.until_metric("weir_pool_connections{pool=\"app\",state=\"idle\"}", 0.0);
        assert_eq!(weir.connect().send(POST).answer().text(), "ok");
        weir.until_metric("weir_pool_connections{pool=\"app\",state=\"idle\"}", 0.0);
    }
    assert_eq!(upstream.requests(), 4);
}

#[test]
fn an_answer_that_has_begun_is_not_repeated() {
    let begins = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Le");
    });
    let weir = Weir::start(one_pool(&[&begins]));
    let answer = weir.connect().send(GET).answer();
    assert_eq!(answer.status, 502);
    assert_eq!(begins.requests(), 1);
}

#[test]
fn a_long_body_that_was_begun_is_never_sent_again_without_its_beginning() {
    // Reads some of it, then resets: what weir writes next fails without a byte being taken.
    let breaks = Upstream::scripted(|mut peer| {
        for _ in 0..4 {
            peer.read();
        }
        peer.reset();
    });
    let other = Upstream::replying("other");
    let weir = Weir::start(untold(one_pool(&[&breaks, &other])));
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..10 {
        let mut client = weir.connect();
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..40 {
            client.send(&chunk);
        }
        client.send("0\r\n\r\n");
        // From the other endpoint only if the whole body went there.
        if client.try_answer().is_ok_and(|answer| answer.text() == "other") {
            continue;
        }
    }
    let whole = 40 * 0x10000;
    let received = other.received();
    for request in received.split("PUT / ").skip(1) {
        assert_eq!(request.matches('x').count(), whole);
    }
}

#[test]
fn an_attempt_that_nobody_could_make_is_not_counted() {
    let weir = Weir::start(one_pool(&[&refusing()]));
    assert_eq!(weir.get("/").status, 502);
    let attempts = "weir_pool_attempts_total{pool=\"app\",result=\"connect_failure\"}";
    weir.until_metric(attempts, 1.0);
    assert_eq!(weir.metric("weir_pool_retries_total"), 0.0);
}

#[test]
fn a_dead_endpoint_does_not_make_connections_to_the_others_heap_up() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(one_pool(&[&a, &refusing(), &b]));
    let mut client = weir.connect();
    for _ in 0..300 {
        assert_eq!(client.send(GET).answer().status, 200);
    }
    assert!(a.connections() + b.connections() <= 4, "{} and {}", a.connections(), b.connections());
    assert!(a.requests().abs_diff(b.requests()) < 60, "{} and {}", a.requests(), b.requests());
    // A third of them was first sent to the dead one, not all.
    let retries = weir.metric("weir_pool_retries_total{pool=\"app\",reason=\"connect_failure\"}");
    assert_eq!(retries, 100.0);
}

#[test]
fn two_dead_endpoints_of_three_cost_nothing() {
    let live = Upstream::replying("live");
    let weir = Weir::start(one_pool(&[&refusing(), &refusing(), &live]));
    for request in [GET, POST, PUT, GET, POST, PUT] {
        assert_eq!(weir.connect().send(request).answer().text(), "live", "{request}");
    }
}
