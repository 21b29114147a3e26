//! The file is edited: traffic follows, nothing is closed, and a bad file changes nothing.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use weir::runtime::process::Reloaded;

use crate::harness::{Client, Upstream, Weir, one_pool, until};

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

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(one_pool(&[&a]));
    let stop = AtomicBool::new(false);
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
        for round in 0..100 {
            let endpoint = if round % 2 == 0 { &b } else { &a };
            assert_eq!(weir.reload(one_pool(&[endpoint])), Reloaded::Accepted);
        }
        stop.store(true, SeqCst);
        let sent: i32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        weir.until_metric("weir_http_requests_total", f64::from(sent));
    });
    assert_eq!(weir.metric("weir_listener_connections_total{listener=\"web\"}"), 4.0);
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
