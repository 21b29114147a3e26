//! How long weir waits, for whom, and what it says when the time is over. The clock is moved, never waited for.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;

use crate::harness::{Peer, Upstream, Weir, echo, one_pool, until};

/// An upstream that does a step of its script whenever the test says so.
fn stepping(
    script: impl Fn(&mut Peer, &dyn Fn()) + Send + Sync + 'static,
) -> (Upstream, Sender<()>) {
    let (go_on, wait): (Sender<()>, Receiver<()>) = channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::scripted(move |mut peer| {
        let wait = || {
            let _ = wait.lock().recv_timeout(Duration::from_secs(20));
        };
        script(&mut peer, &wait);
    });
    (upstream, go_on)
}

/// An upstream that answers nobody.
fn silent() -> Upstream {
    Upstream::scripted(|mut peer| while peer.read().is_some() {})
}

/// A weir in front of it, with more of a configuration.
fn weir(upstream: &Upstream, more: &str) -> Weir {
    Weir::start(format!("{}\n[runtime]\nworkers = 1\n{more}", one_pool(&[upstream])))
}

#[test]
fn a_drip_of_bytes_does_not_extend_the_time_for_a_head() {
    let upstream = Upstream::replying("hello");
    let weir = weir(&upstream, "[listeners.web.timeouts]\nheader = \"3s\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\n");
    for _ in 0..2 {
        weir.advance(1);
        client.send("X-Drip: y\r\n");
    }
    weir.advance(2);
    assert_eq!(client.answer().status, 408);
    assert!(client.is_closed());
    assert_eq!(upstream.connections(), 0);
    assert_eq!(
        weir.metric("weir_http_refused_total{route=\"none\",reason=\"header_timeout\"}"),
        1.0
    );
}

#[test]
fn an_idle_connection_ends_without_a_word() {
    let upstream = Upstream::replying("hello");
    let weir = weir(&upstream, "[listeners.web.timeouts]\nidle = \"20s\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
    weir.advance(17);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "hello", "it is the silence that counts, not the age");
    weir.advance(23);
    assert!(client.is_closed());
}

#[test]
fn a_body_that_stops_is_a_408_and_does_not_reach_the_endpoint_whole() {
    let upstream = Upstream::replying("hello");
    let weir = weir(&upstream, "[listeners.web.timeouts]\nbody = \"3s\"\n");
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    until("the body has begun", || upstream.received().ends_with("hello"));
    weir.advance(4);
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (408, Some("close")));
    // What comes late is no request, and not answered.
    client.send("hello").send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.is_closed());
    assert!(!upstream.received().contains("/late"));
    until("the endpoint's connection ends", || upstream.open() == 0);
    assert_eq!(upstream.requests(), 0);
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"body_timeout\"}", 1.0);
    assert_eq!(weir.metric("weir_endpoint_requests_total{pool=\"app\""), 0.0, "not its fault");
}

#[test]
fn a_body_that_drips_is_a_408_unless_any_rate_will_do() {
    let refused = "weir_http_refused_total{route=\"none\",reason=\"body_timeout\"}";
    for (rate, status) in [("240B/s", 408), ("0B/s", 200)] {
        let upstream = Upstream::replying("hello");
        let more = format!("[listeners.web.limits]\nmin_body_rate = \"{rate}\"\n");
        let weir = weir(&upstream, &more);
        let mut client = weir.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
        for n in 1..=10 {
            weir.advance(2);
            client.send("x");
            let body = "\r\n\r\n".to_owned() + &"x".repeat(n);
            until("it has come, or was given up", || {
                upstream.received().ends_with(&body) || weir.metric(refused) > 0.0
            });
        }
        assert_eq!(client.answer().status, status, "{rate}");
    }
}

#[test]
fn a_client_whose_body_waits_for_the_endpoint_is_not_blamed() {
    let (upstream, go_on) = stepping(|peer, wait| {
        peer.read();
        wait();
        if peer.request().is_some() {
            peer.reply("took it");
        }
    });
    let weir = weir(
        &upstream,
        "[routes.all]\npool = \"app\"\ntimeouts = { response = \"1h\", total = \"1h\" }\n",
    );
    let size = 64 * 1024 * 1024;
    let mut client = weir.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"));
    let mut sent = 0;
    client.stream().set_nonblocking(true).unwrap();
    until("weir takes no more", || match client.stream().write(&[b'x'; 64 * 1024]) {
        Ok(n) => {
            sent += n;
            false
        }
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    });
    client.stream().set_nonblocking(false).unwrap();
    weir.advance(600);
    go_on.send(()).unwrap();
    client.send(vec![b'x'; size - sent]);
    assert_eq!(client.answer().text(), "took it");
}

#[test]
fn an_endpoint_that_does_not_answer_is_a_504_and_not_asked_again() {
    let upstreams = [silent(), silent()];
    let more = "[runtime]\nworkers = 1\n[policies.p.timeouts]\nresponse = \"3s\"\n";
    let text = one_pool(&[&upstreams[0], &upstreams[1]]).replacen(
        "pool = \"app\"\n",
        "pool = \"app\"\npolicies = \"p\"\n",
        1,
    );
    let weir = Weir::start(text + more);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it was asked", || upstreams.iter().any(|one| !one.received().is_empty()));
    weir.advance(4);
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (504, None), "the client may go on");
    assert_eq!(upstreams.iter().map(Upstream::connections).sum::<usize>(), 1);
    until("it is cancelled", || upstreams.iter().all(|one| one.open() == 0));
    let refused = "weir_http_refused_total{route=\"none\",reason=\"response_timeout\"}";
    weir.until_metric(refused, 1.0);
}

#[test]
fn an_endless_head_of_an_answer_is_waited_for_no_longer_than_a_silent_one() {
    let (upstream, go_on) = stepping(|peer, wait| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n");
        loop {
            wait();
            peer.send("X-Drip: y\r\n");
        }
    });
    let weir = weir(&upstream, "[routes.all]\npool = \"app\"\ntimeouts.response = \"3s\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.until_requests(1);
    for _ in 0..4 {
        weir.advance(1);
        let _ = go_on.send(());
    }
    assert_eq!(client.answer().status, 504);
}

#[test]
fn the_time_for_all_attempts_is_one() {
    // The first endpoint breaks off late, the second answers later still.
    let (late, go_on) = stepping(|peer, wait| {
        peer.request();
        wait();
    });
    let never = silent();
    let text = one_pool(&[&late, &never])
        + "[routes.all]\npool = \"app\"\ntimeouts = { response = \"5s\", total = \"6s\" }\n\
           [runtime]\nworkers = 1\n";
    let weir = Weir::start(text);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("one was asked", || late.connections() + never.connections() == 1);
    if never.connections() == 1 {
        // Round robin began there: that one's time ends alone. The next begins at the other.
        weir.advance(6);
        assert_eq!(client.answer().status, 504);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    late.until_requests(1);
    weir.advance(4);
    go_on.send(()).unwrap();
    let asked = || never.received().matches("GET /").count();
    let before = asked();
    until("the other was asked", || asked() > 0 && asked() >= before);
    weir.advance(3);
    assert_eq!(client.answer().status, 504);
    weir.until_metric("weir_http_refused_total{route=\"all\",reason=\"total_timeout\"}", 1.0);
}

#[test]
fn the_time_for_all_attempts_does_not_run_while_the_client_still_sends() {
    let upstream = Upstream::replying("hello");
    let more = "[routes.all]\npool = \"app\"\n\
                timeouts = { response = \"5s\", total = \"6s\", exchange = \"7s\" }\n\
                [listeners.web.limits]\nmin_body_rate = \"0B/s\"\n";
    let weir = weir(&upstream, more);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    until("half has come", || upstream.received().ends_with("hello"));
    weir.advance(20);
    client.send("hello");
    assert_eq!(client.answer().text(), "hello");
}

/// An upstream that begins an answer of ten bytes and says a byte at every step.
fn dripping(head: &'static str) -> (Upstream, Sender<()>) {
    stepping(move |peer, wait| {
        while peer.request().is_some() {
            peer.send(format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 10\r\n\r\n"));
            for _ in 0..10 {
                wait();
                peer.send("x");
            }
        }
    })
}

#[test]
fn a_running_answer_may_last_but_not_be_silent() {
    let (upstream, go_on) = dripping("");
    let weir = weir(&upstream, "[routes.all]\npool = \"app\"\ntimeouts.idle = \"5s\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.until_requests(1);
    for n in 1..=5 {
        weir.advance(4);
        go_on.send(()).unwrap();
        assert_eq!(client.rest_of(if n == 1 { HEAD + 1 } else { 1 }).last(), Some(&b'x'));
    }
    weir.advance(6);
    assert!(client.is_closed(), "it breaks off");
    weir.until_metric("weir_http_refused_total{route=\"all\",reason=\"idle_timeout\"}", 1.0);
}

/// The head of such an answer, with its date.
const HEAD: usize = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".len()
    + "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();

#[test]
fn a_stream_of_events_may_be_silent_for_longer() {
    let (upstream, go_on) = dripping("Content-Type: text/event-stream; charset=utf-8\r\n");
    let weir = weir(&upstream, "[routes.all]\npool = \"app\"\ntimeouts.stream_idle = \"10m\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = HEAD + "Content-Type: text/event-stream; charset=utf-8\r\n".len();
    weir.until_metric("weir_http_streams{route=\"all\",kind=\"sse\"}", 1.0);
    weir.advance(500);
    go_on.send(()).unwrap();
    assert_eq!(client.rest_of(head + 1).last(), Some(&b'x'));
    weir.advance(601);
    assert!(client.is_closed());
    weir.until_metric("weir_http_streams{route=\"all\",kind=\"sse\"}", 0.0);
}

#[test]
fn an_exchange_ends_when_its_time_is_over_however_much_is_said() {
    let (upstream, go_on) = dripping("");
    let weir = weir(&upstream, "[routes.all]\npool = \"app\"\ntimeouts.exchange = \"10s\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.until_requests(1);
    for n in 1..=2 {
        weir.advance(4);
        go_on.send(()).unwrap();
        client.rest_of(if n == 1 { HEAD + 1 } else { 1 });
    }
    weir.advance(3);
    assert!(client.is_closed(), "it breaks off");
    assert_eq!(
        weir.metric("weir_http_refused_total{route=\"all\",reason=\"exchange_timeout\"}"),
        1.0
    );
    // Before the head it is an answer.
    let silent = silent();
    let weir = self::weir(&silent, "[routes.all]\npool = \"app\"\ntimeouts.exchange = \"10s\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it was asked", || !silent.received().is_empty());
    weir.advance(11);
    assert_eq!(client.answer().status, 504);
}

#[test]
fn a_client_that_takes_nothing_is_reset() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20));
            peer.send(vec![b'x'; 64 << 20]);
        }
    });
    let weir = weir(&upstream, "[listeners.web.timeouts]\nwrite = \"5s\"\n");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let refused = "weir_http_refused_total{route=\"none\",reason=\"write_timeout\"}";
    until("it is given up", || {
        weir.advance(2);
        weir.metric(refused) == 1.0
    });
    assert!(client.rest().is_err(), "by a reset");
    until("the endpoint is released", || upstream.open() == 0);
}

/// A listening socket whose backlog is full: what is dialled now hangs.
fn full() -> (SocketAddr, impl Sized) {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let filling: Vec<_> = (0..4)
        .map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)))
        .collect();
    assert!(filling.iter().any(Result::is_err), "its backlog is full");
    (address, (listener, filling))
}

#[test]
fn an_endpoint_that_accepts_no_connection_is_a_504() {
    let (address, _full) = full();
    for (timeouts, seconds, reason) in [
        ("[pools.app.connections]\nconnect_timeout = \"5s\"\n", 5, "connect_timeout"),
        (
            "[pools.app.connections]\nconnect_timeout = \"1m\"\n\
             [policies.p.timeouts]\ntotal = \"5s\"\nresponse = \"5s\"\n",
            5,
            "total_timeout",
        ),
    ] {
        let listener = if timeouts.contains("policies") { "policies = \"p\"\n" } else { "" };
        let text = one_pool(&[&address]).replacen("\n\n", &format!("\n{listener}\n"), 1) + timeouts;
        let weir = Weir::start(text);
        let mut client = weir.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let under_way = "weir_http_requests_in_flight{route=\"none\"}";
        weir.until_metric(under_way, 1.0);
        weir.advance(seconds - 1);
        assert_eq!(weir.metric(under_way), 1.0);
        weir.advance(2);
        assert_eq!(client.answer().status, 504);
        let refused = format!("weir_http_refused_total{{route=\"none\",reason=\"{reason}\"}}");
        weir.until_metric(&refused, 1.0);
    }
}

#[test]
fn connections_to_endpoints_have_an_idle_time_an_age_and_a_number() {
    let idle = "weir_pool_connections{pool=\"app\",state=\"idle\"}";
    let get = |weir: &Weir| assert_eq!(weir.get("/x").text(), "/x");
    let upstream = Upstream::scripted(echo);
    let weir = weir(&upstream, "[pools.app.connections]\nidle_timeout = \"20s\"\n");
    get(&weir);
    weir.until_metric(idle, 1.0);
    weir.advance(17);
    get(&weir);
    assert_eq!(upstream.connections(), 1);
    weir.advance(23);
    weir.until_metric(idle, 0.0);
    let upstream = Upstream::scripted(echo);
    let weir = self::weir(&upstream, "[pools.app.connections]\nmax_age = \"10s\"\n");
    get(&weir);
    get(&weir);
    assert_eq!(upstream.connections(), 1);
    weir.advance(11);
    weir.until_metric(idle, 1.0);
    until("the sweep has seen the time", || {
        get(&weir);
        upstream.connections() == 2
    });
    let upstream = Upstream::scripted(echo);
    let weir = self::weir(&upstream, "[pools.app.connections]\nmax_idle = 0\n");
    get(&weir);
    get(&weir);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn what_a_reload_changes_holds_from_the_next_request_on() {
    let upstream = silent();
    let text = |response: &str, header: &str| {
        one_pool(&[&upstream])
            + &format!(
                "[routes.all]\npool = \"app\"\ntimeouts.response = \"{response}\"\n\
                 [listeners.web.timeouts]\nheader = \"{header}\"\n[runtime]\nworkers = 1\n"
            )
    };
    let weir = Weir::start(text("50s", "50s"));
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it was asked", || upstream.received().matches("GET").count() == 1);
    weir.reload(text("2s", "2s"));
    weir.advance(3);
    let mut other = weir.connect();
    other.send("GET /");
    until("it has begun", || weir.metric("weir_listener_connections{listener=\"web\"}") == 2.0);
    weir.advance(3);
    assert_eq!(other.answer().status, 408, "the new time holds for it");
    weir.advance(45);
    assert_eq!(client.answer().status, 504, "the old time held for it");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it was asked", || upstream.received().matches("GET").count() == 2);
    weir.advance(3);
    assert_eq!(client.answer().status, 504);
}

#[test]
fn a_client_that_waits_for_its_invitation_is_not_timed_but_the_endpoint_is() {
    let (upstream, go_on) = stepping(|peer, wait| {
        while peer.read().is_some() {
            wait();
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            if peer.request().is_some() {
                peer.reply("thanks");
            }
        }
    });
    let weir = weir(&upstream, "[listeners.web.timeouts]\nbody = \"10s\"\n");
    let expecting =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let mut client = weir.connect();
    client.send(expecting);
    until("it was asked", || !upstream.received().is_empty());
    weir.advance(20);
    go_on.send(()).unwrap();
    assert_eq!(client.answer().status, 100);
    assert_eq!(client.send("hello").answer().text(), "thanks");
    // Invited, it is waited for.
    client.send(expecting);
    until("it was asked", || upstream.received().matches("POST").count() == 2);
    go_on.send(()).unwrap();
    assert_eq!(client.answer().status, 100);
    until("it is given up", || {
        weir.advance(4);
        weir.metric("weir_http_refused_total{route=\"none\",reason=\"body_timeout\"}") == 1.0
    });
    assert_eq!(client.answer().status, 408);
    // The endpoint never says a word.
    let mut client = weir.connect();
    client.send(expecting);
    until("it was asked", || upstream.received().matches("POST").count() == 3);
    weir.advance(31);
    assert_eq!(client.answer().status, 408, "nor does the client, and neither is to blame");
    assert_eq!(weir.metric("weir_endpoint_requests_total{pool=\"app\""), 1.0);
}

#[test]
fn an_empty_line_is_not_a_request_that_takes_too_long() {
    let upstream = Upstream::replying("hello");
    let weir = weir(&upstream, "");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
    weir.advance(60);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
    weir.advance(90);
    assert!(client.is_closed(), "without a 408");
}
