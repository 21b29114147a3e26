//! What is taken out, and the process itself, may finish what is under way, and no longer than is written.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use weir::runtime::process::Reloaded;

use crate::harness::{Client, Peer, Spawned, Upstream, Weir, one_pool, refusing, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// An upstream that begins its answers and ends those that it is told to; what is asked below `/silent` it never
/// answers.
struct Slow {
    upstream: Upstream,
    /// The paths whose answers may end.
    told: Arc<Mutex<Vec<String>>>,
}

impl Slow {
    fn new() -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let listens = Arc::clone(&told);
        let upstream = Upstream::scripted(move |mut peer| {
            while let Some(request) = peer.request() {
                let path = request.split(' ').nth(1).unwrap_or_default();
                if request.contains("upgrade: websocket") {
                    peer.send(SWITCH);
                    while peer.read().is_some() {
                        peer.send("pong");
                    }
                } else if path.starts_with("/silent") {
                    is_told(&mut peer, || false);
                } else if path.starts_with("/slow") {
                    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
                    if !is_told(&mut peer, || listens.lock().iter().any(|told| told == path)) {
                        return;
                    }
                    peer.send("0\r\n\r\n");
                } else {
                    peer.reply("quick");
                }
            }
        });
        Self { upstream, told }
    }

    fn tell(&self, path: &str) {
        self.told.lock().push(path.to_owned());
    }
}

/// Waits until it is told, unless weir closes first.
fn is_told(peer: &mut Peer, told: impl Fn() -> bool) -> bool {
    peer.stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    loop {
        match peer.stream.read(&mut [0]) {
            _ if told() => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return false,
        }
    }
    peer.stream.set_read_timeout(None).unwrap();
    true
}

/// Never answers.
fn silent(mut peer: Peer) {
    while peer.request().is_some() {}
}

/// A client that has got the beginning of an answer.
fn in_the_midst(weir: &Weir, path: &str) -> Client {
    let mut client = weir.connect();
    client.send(get(path));
    let mut received = String::new();
    while !received.ends_with("1\r\nx\r\n") {
        received.push_str(&String::from_utf8(client.rest_of(1)).unwrap());
    }
    client
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A client that has a tunnel.
fn tunnel(weir: &Weir) -> Client {
    let mut client = weir.connect();
    assert_eq!(client.send(UPGRADE).answer().status, 101);
    assert_eq!(client.send("ping").rest_of(4), b"pong");
    client
}

/// Whether it was broken off by a reset.
fn is_reset(client: &mut Client) -> bool {
    client.rest().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

fn drained(endpoints: &[&dyn std::fmt::Display]) -> String {
    one_pool(endpoints) + "drain = \"5s\"\n"
}

#[test]
fn nothing_is_kept_open_to_an_endpoint_that_is_gone() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(one_pool(&[&a, &b]));
    (0..4).for_each(|_| drop(weir.get("/")));
    until("both are known", || a.open() > 0 && b.open() > 0);
    assert_eq!(weir.reload(one_pool(&[&b])), Reloaded::Accepted);
    until("idle connections to it are closed", || a.open() == 0);
    assert!(b.open() > 0, "those to the other one are not");
}

#[test]
fn an_answer_of_an_endpoint_that_leaves_may_end_within_drain_and_no_later() {
    let (leaves, stays) = (Slow::new(), Slow::new());
    let weir = Weir::start(drained(&[&leaves.upstream, &stays.upstream]));
    // Each has two of them, round and round, in whatever order.
    let paths = ["/slow/0", "/slow/1", "/slow/2", "/slow/3"];
    let clients = paths.map(|path| (path, in_the_midst(&weir, path)));
    let has = |path: &str| leaves.upstream.received().contains(path);
    let (mut going, mut staying): (Vec<_>, Vec<_>) =
        clients.into_iter().partition(|(path, _)| has(path));
    assert_eq!((going.len(), staying.len()), (2, 2));
    assert_eq!(weir.reload(drained(&[&stays.upstream])), Reloaded::Accepted);
    let (path, mut in_time) = going.pop().unwrap();
    leaves.tell(path);
    assert_eq!(in_time.rest_of(5), b"0\r\n\r\n");
    weir.advance(6);
    let (_, mut late) = going.pop().unwrap();
    assert_eq!(late.rest().unwrap_or_default(), b"", "it is broken off");
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"truncated\"}", 1.0);
    until("the endpoint is left alone", || leaves.upstream.open() == 0);
    for (path, client) in &mut staying {
        stays.tell(path);
        assert_eq!(client.rest_of(5), b"0\r\n\r\n", "the other one's are not concerned");
    }
}

#[test]
fn a_client_that_takes_nothing_does_not_hold_on_to_an_endpoint_that_leaves() {
    let long = "x".repeat(32 << 20);
    let (leaves, stays) = (Upstream::replying(&long), Upstream::replying("stays"));
    let weir = Weir::start(drained(&[&leaves]));
    let mut client = weir.connect();
    client.send(GET);
    until("the answer has begun", || has_answer(&client));
    assert_eq!(weir.reload(drained(&[&stays])), Reloaded::Accepted);
    weir.advance(6);
    until("the endpoint is left alone", || leaves.open() == 0);
    assert!(client.try_answer().is_err(), "it is broken off");
}

/// Asks until the request is with the one that never answers.
fn unanswered(weir: &Weir, silent: &Upstream, request: &str) -> Client {
    let seen = silent.requests();
    loop {
        let mut client = weir.connect();
        client.send(request);
        until("it is with one of them", || silent.requests() > seen || has_answer(&client));
        if silent.requests() > seen {
            return client;
        }
    }
}

fn has_answer(client: &Client) -> bool {
    let stream = client.stream();
    stream.set_nonblocking(true).unwrap();
    let has = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    has
}

#[test]
fn a_request_that_an_endpoint_leaves_unanswered_is_sent_to_another_if_that_is_safe() {
    let (leaves, stays) = (Upstream::scripted(silent), Upstream::replying("stays"));
    let weir = Weir::start(drained(&[&leaves, &stays]));
    let mut get = unanswered(&weir, &leaves, GET);
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let mut post = unanswered(&weir, &leaves, request);
    let at_first = stays.requests();
    assert_eq!(weir.reload(drained(&[&stays])), Reloaded::Accepted);
    weir.advance(6);
    assert_eq!(get.answer().text(), "stays");
    assert_eq!(post.answer().status, 502, "it may have done something");
    assert_eq!(stays.requests(), at_first + 1);
    assert_eq!(weir.metric("weir_pool_retries_total{pool=\"app\",reason=\"reset\"}"), 1.0);
}

#[test]
fn a_tunnel_to_an_endpoint_that_leaves_breaks_when_its_time_is_over() {
    let broken = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&broken);
    let leaves = Upstream::scripted(move |mut peer| {
        peer.request();
        peer.send(SWITCH);
        peer.read();
        peer.send("pong");
        let end = peer.stream.read(&mut [0]);
        told.store(end.is_err(), SeqCst);
    });
    let stays = Upstream::replying("stays");
    let weir = Weir::start(drained(&[&leaves]));
    let mut client = tunnel(&weir);
    assert_eq!(weir.reload(drained(&[&stays])), Reloaded::Accepted);
    assert_eq!(weir.get("/").text(), "stays");
    weir.advance(6);
    assert!(is_reset(&mut client), "it must not look like an end");
    until("nor to the endpoint", || broken.load(SeqCst));
}

/// The configuration without the listener `web`: it is called otherwise, and on another port.
fn without_web(text: &str) -> String {
    text.replace("listeners.web", "listeners.other")
}

#[test]
fn a_listener_that_is_gone_lets_its_connections_end_within_drain_timeout() {
    let a = Slow::new();
    let text = one_pool(&[&a.upstream]) + "[runtime]\nworkers = 2\ndrain_timeout = \"5s\"\n";
    let weir = Weir::start(&text);
    let mut idle = weir.connect();
    assert_eq!(idle.send(get("/quick")).answer().status, 200);
    let (mut ends, mut never) = (in_the_midst(&weir, "/slow/a"), in_the_midst(&weir, "/slow/b"));
    let mut tunnel = tunnel(&weir);
    let mut half = weir.connect();
    half.send("GET / HTTP/1.1\r\n");
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 5.0);
    assert_eq!(weir.reload(without_web(&text)), Reloaded::Accepted);
    assert!(idle.is_closed(), "at once");
    a.tell("/slow/a");
    assert_eq!(ends.rest().unwrap(), b"0\r\n\r\n", "it ends, and its connection with it");
    assert_eq!(tunnel.send("ping").rest_of(4), b"pong");
    weir.advance(6);
    assert!(is_reset(&mut never) && is_reset(&mut tunnel));
    assert!(half.is_closed());
    let active = "weir_pool_connections{pool=\"app\",state=\"active\"}";
    weir.until_metric(active, 0.0);
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"stopped\"}", 2.0);
}

#[test]
fn the_first_request_of_a_connection_is_waited_for_a_second_when_its_listener_goes() {
    let a = Slow::new();
    let text = one_pool(&[&a.upstream]) + "[runtime]\nworkers = 1\n";
    let weir = Weir::start(&text);
    let (mut idle, mut asks, mut silent) = (weir.connect(), weir.connect(), weir.connect());
    assert_eq!(idle.send(get("/quick")).answer().status, 200);
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 3.0);
    assert_eq!(weir.reload(without_web(&text)), Reloaded::Accepted);
    assert!(idle.is_closed(), "the worker knows");
    let answer = asks.send(get("/quick")).answer();
    assert_eq!((answer.status, answer.field("connection")), (503, Some("close")));
    assert!(asks.is_closed());
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"listener_gone\"}", 1.0);
    weir.advance(2);
    assert!(silent.is_closed());
}

fn ready(weir: &Weir) -> bool {
    let metrics = weir.process().metrics_address().unwrap();
    let request = "GET /readyz HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
    Client::connect(metrics).send(request).answer().status == 200
}

#[test]
fn at_the_end_it_is_unready_first_then_accepts_no_more_and_lets_end_what_is_open() {
    let a = Slow::new();
    let runtime = "[runtime]\nworkers = 2\nshutdown_delay = \"5s\"\n";
    let weir = Weir::start(one_pool(&[&a.upstream]) + runtime);
    let address = weir.address();
    let mut idle = weir.connect();
    assert_eq!(idle.send(get("/quick")).answer().status, 200);
    let mut half = weir.connect();
    half.send("GET /quick HTTP/1.1\r\n");
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| weir.process().stop());
        until("it is not ready", || !ready(&weir));
        assert_eq!(weir.get("/quick").status, 200, "it accepts still");
        let mut open = in_the_midst(&weir, "/slow");
        weir.advance(6);
        assert!(idle.is_closed());
        until("it accepts no more", || TcpStream::connect(address).is_err());
        assert!(!stopping.is_finished() && !ready(&weir));
        let answer = half.send("Host: a\r\n\r\n").answer();
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        a.tell("/slow");
        assert_eq!(open.rest().unwrap(), b"0\r\n\r\n", "it ends, and its connection with it");
        stopping.join().unwrap();
    });
}

#[test]
fn answers_at_the_end_say_that_their_connection_closes() {
    let may_end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&may_end);
    let a = Upstream::scripted(move |mut peer| {
        peer.request();
        if is_told(&mut peer, || told.load(SeqCst)) {
            peer.reply("at last");
        }
    });
    let weir = Weir::start(one_pool(&[&a]));
    let address = weir.address();
    let mut client = weir.connect();
    client.send(GET);
    a.until_requests(1);
    std::thread::scope(|scope| {
        scope.spawn(|| weir.process().stop());
        until("it accepts no more", || TcpStream::connect(address).is_err());
        may_end.store(true, SeqCst);
        let answer = client.answer();
        assert_eq!(
            (answer.field("connection"), answer.text().as_str()),
            (Some("close"), "at last")
        );
        assert!(client.is_closed());
    });
}

#[test]
fn what_is_still_open_after_drain_timeout_is_cut() {
    let a = Slow::new();
    let text = one_pool(&[&a.upstream]) + "[runtime]\nworkers = 2\ndrain_timeout = \"1h\"\n";
    let weir = Weir::start(&text);
    let (mut answer, mut tunnel) = (in_the_midst(&weir, "/slow"), tunnel(&weir));
    let (mut half, mut unanswered) = (weir.connect(), weir.connect());
    half.send("GET / HTTP/1.1\r\n");
    unanswered.send(get("/silent"));
    weir.until_metric("weir_http_requests_in_flight{route=\"none\"}", 3.0);
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 4.0);
    let address = weir.address();
    // What counts is what is written when the end begins.
    assert_eq!(weir.reload(text.replace("1h", "5s")), Reloaded::Accepted);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| weir.process().stop());
        until("it accepts no more", || TcpStream::connect(address).is_err());
        assert_eq!(tunnel.send("ping").rest_of(4), b"pong");
        assert!(!stopping.is_finished());
        weir.advance(6);
        stopping.join().unwrap();
        assert!(is_reset(&mut answer) && is_reset(&mut tunnel));
        assert!(half.is_closed() && is_reset(&mut unanswered));
    });
    assert_eq!(weir.metric("weir_http_refused_total{route=\"none\",reason=\"stopped\"}"), 3.0);
    assert_eq!(weir.metric("weir_listener_connections{listener=\"web\"}"), 0.0);
}

/// The binary, in front of an upstream, with this under `[runtime]`.
fn spawned(
    upstream: &Upstream,
    runtime: &str,
) -> (Spawned, std::net::SocketAddr, tempfile::TempDir) {
    let port = refusing();
    let config = one_pool(&[upstream]).replace("127.0.0.1:0", &port.to_string());
    let besides = "[metrics]\naddress = \"off\"\n[access_log]\noutput = \"off\"\n";
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{config}{besides}[runtime]\n{runtime}\n");
    std::fs::write(directory.path().join("weir.toml"), text).unwrap();
    let weir = Spawned::start(directory.path(), &["run"]);
    until("it listens", || TcpStream::connect(port).is_ok());
    (weir, port, directory)
}

/// Waits for its end: its exit code, and all that it has said.
fn ended(mut weir: Spawned) -> (Option<i32>, String) {
    until("it ends", || weir.child().try_wait().unwrap().is_some());
    let stderr = weir.child().stderr.take().unwrap();
    let said = io::read_to_string(stderr).unwrap();
    (weir.child().wait().unwrap().code(), said)
}

#[test]
fn sigterm_cuts_what_does_not_end_in_time_and_says_how_much() {
    let a = Upstream::scripted(silent);
    let (weir, port, _directory) = spawned(&a, "drain_timeout = \"300ms\"");
    let mut client = Client::connect(port);
    client.send(GET);
    a.until_requests(1);
    weir.signal("TERM");
    assert!(client.rest().is_err() || client.is_closed());
    let (code, said) = ended(weir);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no new connections") && said.contains("\"connections\":1"), "{said}");
    assert!(said.contains("connections were cut"), "{said}");
}

#[test]
fn a_second_signal_ends_it_at_once_whatever_it_waits_for() {
    let a = Upstream::scripted(silent);
    for runtime in ["shutdown_delay = \"1h\"", "drain_timeout = \"1h\""] {
        let (mut weir, port, _directory) = spawned(&a, runtime);
        let seen = a.requests();
        let mut client = Client::connect(port);
        client.send(GET);
        a.until_requests(seen + 1);
        weir.signal("TERM");
        let mut said = String::new();
        until("it says that it stops", || {
            said.push_str(&weir.said_so_far());
            said.contains("stopping")
        });
        weir.signal("INT");
        let (code, more) = ended(weir);
        assert_eq!(code, Some(0), "{said}{more}");
        assert!(more.contains("second signal"), "{said}{more}");
    }
}
