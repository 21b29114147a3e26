//! The file is edited: traffic follows, nothing is closed, and a bad file changes nothing.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use weir::runtime::process::Reloaded;

use crate::harness::{Answer, Client, Peer, Upstream, Weir, one_pool, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_edited_file_moves_traffic_on_the_same_connection() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(one_pool(&[&a]));
    let mut client = weir.connect();
    assert_eq!(client.send(GET).answer().text(), "a");
    weir.write(one_pool(&[&b]));
    // Nobody is told: the watch notices.
    until("traffic follows", || client.send(GET).answer().text() == "b");
    assert_eq!(weir.metric("weir_config_generation "), 2.0);
    assert_eq!(weir.metric("weir_config_reloads_total{result=\"accepted\"}"), 1.0);
    assert_eq!(weir.metric("weir_listener_connections_total{listener=\"web\"}"), 1.0);
}

#[test]
fn a_file_replaced_by_rename_is_noticed_too() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(one_pool(&[&a]));
    let beside = weir.path().with_extension("new");
    let text = std::fs::read_to_string(weir.path()).unwrap();
    std::fs::write(&beside, text.replace(&a.to_string(), &b.to_string())).unwrap();
    std::fs::rename(beside, weir.path()).unwrap();
    until("traffic follows", || weir.get("/").text() == "b");
}

#[test]
fn a_bad_file_changes_nothing_and_says_so() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    let bad = one_pool(&[&a]).replace("pool = \"app\"", "pool = \"ap\"");
    assert_eq!(weir.reload(bad), Reloaded::Refused);
    assert_eq!(weir.get("/").text(), "a");
    assert_eq!(weir.metric("weir_config_last_reload_successful "), 0.0);
    assert_eq!(weir.metric("weir_config_generation "), 1.0);
    let mended = one_pool(&[&a]) + "balance = \"random\"\n";
    assert_eq!(weir.reload(mended), Reloaded::Accepted);
    assert_eq!(weir.metric("weir_config_last_reload_successful "), 1.0);
}

#[test]
fn a_file_that_says_the_same_changes_nothing() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    assert_eq!(weir.reload(format!("# a comment\n{}", one_pool(&[&a]))), Reloaded::Unchanged);
    assert_eq!(weir.metric("weir_config_generation "), 1.0);
}

#[test]
fn what_stays_keeps_its_connections_counters_and_health() {
    let (stays, dead) = (Upstream::replying("stays"), Upstream::replying("dead"));
    let health = "\n[pools.app.health]\ninterval = \"20ms\"\ntimeout = \"20ms\"\n";
    let weir = Weir::start(one_pool(&[&stays, &dead]) + health);
    let address = dead.kill();
    let up = format!("weir_endpoint_up{{pool=\"app\",endpoint=\"{address}\"}}");
    weir.until_metric(&up, 0.0);
    weir.until_metric("weir_http_requests_in_flight", 0.0);
    let mut client = weir.connect();
    for _ in 0..5 {
        assert_eq!(client.send(GET).answer().text(), "stays");
    }
    weir.until_metric("weir_http_requests_total", 5.0);
    let idle = "weir_pool_connections{pool=\"app\",state=\"idle\"}";
    weir.until_metric(idle, 1.0);
    // The pool changes, so it is made anew; its endpoints do not.
    let changed =
        one_pool(&[&stays, &address]).replace("[pools.app]", "[pools.app]\nbalance = \"random\"");
    assert_eq!(weir.reload(changed + health), Reloaded::Accepted);
    assert_eq!(weir.metric(&up), 0.0, "who was down is still known to be");
    assert_eq!(weir.metric(idle), 1.0);
    assert_eq!(weir.metric("weir_http_requests_total"), 5.0);
    for _ in 0..5 {
        assert_eq!(client.send(GET).answer().text(), "stays");
    }
}

#[test]
fn listeners_come_and_go_with_the_file() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    let mut old = weir.connect();
    assert_eq!(old.send(GET).answer().text(), "a");
    let text = one_pool(&[&a]).replace("listeners.web", "listeners.new");
    assert_eq!(weir.reload(&text), Reloaded::Accepted);
    let new = weir.process().address("new").expect("it is bound");
    assert_eq!(Client::connect(new).send(GET).answer().text(), "a");
    assert!(old.is_closed(), "the listener is gone, and no request was open");
}

#[test]
fn a_port_that_is_taken_refuses_the_whole_reload() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(one_pool(&[&a]));
    let taken = format!("[listeners.more]\naddress = \"{}\"\npool = \"app\"\n", b.address());
    assert_eq!(weir.reload(one_pool(&[&b]) + &taken), Reloaded::Refused);
    assert_eq!(weir.get("/").text(), "a");
}

/// A hundred, or with `RELOADS=1000 cargo test --release --test weir hundred_reloads` as many as one likes; then
/// also the memory of the process is measured, which no other test may share.
#[test]
fn a_hundred_reloads_under_load_fail_no_request_and_close_no_websocket() {
    let reloads = std::env::var("RELOADS").ok().and_then(|count| count.parse().ok());
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let stream = Upstream::scripted(echo_stream);
    let text = |n: usize| {
        let endpoint: &Upstream = if n.is_multiple_of(2) { &a } else { &b };
        one_pool(&[endpoint])
            + &format!("[pools.s]\nendpoints = [\"{stream}\"]\n[routes.s]\npath = \"/s\"\npool = \"s\"\n")
            // Something else changes with each, so that routes, policies and listeners are made anew, too.
            + &format!("timeouts.total = \"{}s\"\nupgrade = [\"websocket\"]\n", 60 + n % 7)
            // On a busy machine the watch may come between the file and the reload, which then finds nothing new.
            + "[runtime]\nworkers = 2\nwatch = false\n"
    };
    let weir = Weir::start(text(0));
    let mut streams: Vec<Client> = (0..8).map(|_| open_stream(&weir)).collect();
    let stop = AtomicBool::new(false);
    let rounds = reloads.unwrap_or(100);
    let mut before = Vec::new();
    let mut warm = 0.0;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = weir.connect();
                    let mut count = 0;
                    while !stop.load(SeqCst) {
                        assert_eq!(client.send(GET).answer().status, 200);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for round in 1..=rounds {
            before.push(weir.snapshot());
            assert_eq!(weir.reload(text(round)), Reloaded::Accepted);
            for stream in &mut streams {
                stream.send("again");
                assert_eq!(stream.rest_of(5), b"again");
            }
            if round == rounds / 2 {
                warm = weir.metric("process_resident_memory_bytes ");
            }
        }
        stop.store(true, SeqCst);
        let sent: i32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        weir.until_metric("weir_http_requests_total{route=\"none\"", f64::from(sent));
    });
    assert_eq!(weir.metric("weir_listener_connections_total{listener=\"web\"}"), 12.0);
    assert_eq!(weir.metric("weir_http_streams"), 8.0, "none was closed");
    assert_eq!(weir.metric("weir_config_generation "), 1.0 + rounds as f64);
    assert_eq!(weir.metric("weir_http_refused_total"), 0.0);
    // Workers let go of the old one with the next request.
    until("no configuration is kept but the active one", || {
        weir.get("/");
        before.iter().all(|snapshot| snapshot.upgrade().is_none())
    });
    if reloads.is_some() {
        let grown = weir.metric("process_resident_memory_bytes ") - warm;
        assert!(grown < f64::from(8 << 20), "{grown} bytes more after the second half");
    }
}

/// Switches to a stream, and says again whatever is said.
fn echo_stream(mut peer: Peer) {
    peer.request();
    peer.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    );
    let mut seen = [0; 64];
    while let Ok(n) = peer.stream.read(&mut seen)
        && n > 0
    {
        let _ = peer.stream.write_all(&seen[..n]);
    }
}

fn open_stream(weir: &Weir) -> Client {
    let mut client = weir.connect();
    client.send("GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.answer().status, 101);
    client
}

#[test]
fn a_pool_with_another_name_and_the_same_endpoints_closes_nothing() {
    let stream = Upstream::scripted(echo_stream);
    let text = one_pool(&[&stream]).replace("[pools.app]", "[pools.app]\ndrain = \"0s\"");
    let weir = Weir::start(&text);
    let mut client = open_stream(&weir);
    assert_eq!(weir.reload(text.replace("app", "renamed")), Reloaded::Accepted);
    weir.advance(60);
    client.send("still here");
    assert_eq!(client.rest_of(10), b"still here");
    assert_eq!(weir.metric("weir_endpoint_requests_in_flight{pool=\"renamed\""), 1.0);
    // With other endpoints it is another pool.
    let other = Upstream::replying("x");
    assert_eq!(weir.reload(one_pool(&[&other]).replace("app", "third")), Reloaded::Accepted);
    weir.advance(60);
    assert!(client.is_closed());
}

/// One request over one connection, which the kernel resets if it came while its socket was being closed.
fn once(address: std::net::SocketAddr) -> std::io::Result<Answer> {
    Client::try_connect(address)?.send(GET).try_answer()
}

#[test]
fn an_address_may_grow_and_shrink_though_weir_itself_is_there() {
    let a = Upstream::replying("a");
    let address = crate::harness::refusing();
    let narrow = one_pool(&[&a]).replace("127.0.0.1:0", &address.to_string());
    let wide = narrow.replace(&address.to_string(), &format!(":{}", address.port()));
    let weir = Weir::start(&narrow);
    for text in [&wide, &narrow, &wide] {
        assert_eq!(weir.reload(text), Reloaded::Accepted, "{text}");
        for _ in 0..20 {
            until("it is served", || once(address).is_ok());
        }
    }
}

#[test]
fn listeners_may_swap_their_ports_and_the_metrics_port_may_be_one_of_them() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let [one, two, three] = [(); 3].map(|()| crate::harness::refusing());
    let text = |web, other, metrics| {
        format!(
            "[listeners.web]\naddress = \"{web}\"\npool = \"a\"\n[listeners.other]\naddress = \"{other}\"\n\
             pool = \"b\"\n[metrics]\naddress = \"{metrics}\"\n[pools.a]\nendpoints = [\"{a}\"]\n\
             [pools.b]\nendpoints = [\"{b}\"]\n"
        )
    };
    let weir = Weir::start(text(one, two, three));
    for (web, other, metrics) in [(two, one, three), (three, one, two), (one, two, three)] {
        assert_eq!(weir.reload(text(web, other, metrics)), Reloaded::Accepted);
        let says =
            |address, wanted: &str| once(address).is_ok_and(|answer| answer.text() == wanted);
        until("the old sockets are closed", || (0..8).all(|_| says(web, "a") && says(other, "b")));
        assert_eq!(weir.metric("weir_config_last_reload_successful "), 1.0);
    }
}

#[test]
fn what_is_active_can_be_told_apart() {
    let a = Upstream::replying("a");
    let weir = Weir::start(one_pool(&[&a]));
    let hash = || weir.metric("weir_config_hash ");
    let first = hash();
    assert!(first > 0.0 && first < 2f64.powi(48));
    assert_eq!(weir.reload(one_pool(&[&a]) + "drain = \"1s\"\n"), Reloaded::Accepted);
    assert_ne!(hash(), first);
    assert_eq!(weir.reload(one_pool(&[&a])), Reloaded::Accepted);
    assert_eq!(hash(), first, "the same again");
}

#[test]
fn a_listener_may_change_its_name_and_keep_its_port() {
    let a = Upstream::replying("a");
    let address = crate::harness::refusing();
    let text = one_pool(&[&a]).replace("127.0.0.1:0", &address.to_string());
    let weir = Weir::start(&text);
    assert_eq!(weir.get("/").text(), "a");
    let renamed = text.replace("listeners.web", "listeners.renamed");
    assert_eq!(weir.reload(&renamed), Reloaded::Accepted);
    for _ in 0..20 {
        assert_eq!(Client::connect(address).send(GET).answer().text(), "a");
    }
    let elsewhere = renamed.replace(&address.to_string(), "127.0.0.1:0");
    assert_eq!(weir.reload(elsewhere), Reloaded::Accepted);
    until("the port is free", || std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_busy_neighbour_of_the_file_does_not_hide_an_edit() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(one_pool(&[&a]));
    let neighbour = weir.path().with_file_name("access.log");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                std::fs::write(&neighbour, "a line").unwrap();
            }
        });
        weir.write(one_pool(&[&b]));
        until("traffic follows", || weir.get("/").text() == "b");
        stop.store(true, SeqCst);
    });
    assert_eq!(weir.metric("weir_config_reloads_total{result=\"unchanged\"}"), 0.0);
}
