//! Limits on connections, and what happens when no descriptor is left: who comes too many waits or is sent
//! away, and all else goes on.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use socket2::{Domain, Socket, Type};
use weir::runtime::process::Reloaded;

use crate::harness::{Client, Spawned, Upstream, Weir, echo, one_pool, refusing, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PAUSES: &str = "weir_listener_accept_pauses_total{listener=\"web\",reason=\"limit\"}";
const OPEN: &str = "weir_listener_connections{listener=\"web\"}";

/// A configuration of four workers with two listeners, `web` and `more`, and these keys of the process and of
/// `web`.
fn limited(upstream: &Upstream, runtime: &str, web: &str) -> String {
    let text =
        one_pool(&[upstream]).replace("pool = \"app\"\n", &format!("pool = \"app\"\n{web}\n"));
    let more = "[listeners.more]\naddress = \"127.0.0.1:0\"\npool = \"app\"\n";
    format!("{text}{more}[runtime]\nworkers = 4\n{runtime}\n")
}

/// Connects and is served.
fn served(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    assert_eq!(client.send(GET).answer().status, 200);
    client
}

/// Connects and asks; whoever accepts that will answer.
fn waiting(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send(GET);
    client
}

fn has_answer(client: &Client) -> bool {
    let stream = client.stream();
    stream.set_nonblocking(true).unwrap();
    let has = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    has
}

#[test]
fn at_the_limit_of_the_process_those_who_come_wait_until_one_leaves() {
    let a = Upstream::replying("a");
    let weir = Weir::start(limited(&a, "max_connections = 2", ""));
    let (web, more) = (weir.address(), weir.process().address("more").unwrap());
    let (first, second) = (served(web), served(more));
    let mut waiting: Vec<_> =
        (0..8).map(|n| waiting(if n % 2 == 0 { web } else { more })).collect();
    weir.until_metric(PAUSES, 1.0);
    assert_eq!(weir.metric("weir_listener_connections{"), 2.0);
    assert!(!waiting.iter().any(has_answer), "nobody is let in");
    drop(first);
    until("one of them is let in", || waiting.iter().any(has_answer));
    assert_eq!(weir.metric("weir_listener_connections{"), 2.0);
    drop(second);
    // Each makes room for the next, on whatever worker that one waits.
    until("all of them have been served", || {
        waiting.retain(|client| !has_answer(client));
        waiting.is_empty()
    });
    assert_eq!(weir.metric(PAUSES), 1.0, "it was one pause, though many waits");
}

#[test]
fn the_limit_is_not_overrun_by_a_crowd_and_all_of_it_are_served() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (entered, seen) = (Arc::clone(&inside), Arc::clone(&most));
    let a = Upstream::scripted(move |mut peer| {
        while peer.request().is_some() {
            seen.fetch_max(entered.fetch_add(1, SeqCst) + 1, SeqCst);
            std::thread::yield_now();
            entered.fetch_sub(1, SeqCst);
            peer.reply("a");
        }
    });
    let weir = Weir::start(limited(&a, "", "max_connections = 3"));
    let address = weir.address();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| (0..10).for_each(|_| drop(served(address))));
        }
    });
    assert!(most.load(SeqCst) <= 3, "{most:?} at once");
    assert_eq!(weir.metric("weir_listener_connections_total{listener=\"web\"}"), 200.0);
    weir.until_metric(OPEN, 0.0);
    served(address);
}

#[test]
fn a_listener_at_its_own_limit_pauses_alone() {
    let a = Upstream::replying("a");
    let weir = Weir::start(limited(&a, "", "max_connections = 1"));
    let first = served(weir.address());
    weir.until_metric(PAUSES, 1.0);
    let mut second = waiting(weir.address());
    for _ in 0..20 {
        served(weir.process().address("more").unwrap());
    }
    assert!(!has_answer(&second));
    assert_eq!(weir.metric("weir_listener_accept_pauses_total{listener=\"more\""), 0.0);
    drop(first);
    assert_eq!(second.answer().status, 200);
}

#[test]
fn limits_are_live() {
    let a = Upstream::replying("a");
    let weir = Weir::start(limited(&a, "max_connections = 1", ""));
    let mut first = served(weir.address());
    weir.until_metric(PAUSES, 1.0);
    let mut second = waiting(weir.address());
    assert_eq!(weir.reload(limited(&a, "max_connections = 2", "")), Reloaded::Accepted);
    assert_eq!(second.answer().status, 200);
    // Lower again: nobody is cut off, and nobody more is let in, now by the listener's own limit.
    assert_eq!(weir.reload(limited(&a, "", "max_connections = 1")), Reloaded::Accepted);
    let mut third = waiting(weir.address());
    for client in [&mut first, &mut second] {
        assert_eq!(client.send(GET).answer().status, 200);
    }
    drop(first);
    weir.until_metric(OPEN, 1.0);
    assert!(!has_answer(&third));
    assert_eq!(weir.reload(limited(&a, "", "")), Reloaded::Accepted);
    assert_eq!(third.answer().status, 200);
}

#[test]
fn one_address_has_so_many_connections_and_others_have_theirs() {
    let a = Upstream::replying("a");
    let weir = Weir::start(limited(&a, "", "limits.connections_per_client = 2"));
    let (first, _second) = (served(weir.address()), served(weir.address()));
    for _ in 0..8 {
        assert!(weir.connect().is_closed(), "one too many");
    }
    let rejected = "weir_listener_rejected_total{listener=\"web\",reason=\"limit\"}";
    assert_eq!(weir.metric(rejected), 8.0);
    assert_eq!(weir.metric(OPEN), 2.0);
    let neighbour = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address: IpAddr = [127, 0, 0, 2].into();
    neighbour.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    neighbour.connect(&weir.address().into()).unwrap();
    let mut neighbour = Client::over(TcpStream::from(neighbour));
    assert_eq!(neighbour.send(GET).answer().status, 200);
    drop(first);
    weir.until_metric(OPEN, 2.0);
    served(weir.address());
}

/// A weir of its own process, whose metrics port can be asked.
struct Limited {
    weir: Spawned,
    web: SocketAddr,
    metrics: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Limited {
    /// With pool `app` for all, and this besides.
    fn start(files: u32, app: &Upstream, besides: &str) -> Self {
        let (web, metrics) = (refusing(), refusing());
        let text = one_pool(&[app]).replace("127.0.0.1:0", &web.to_string());
        let metrics_too = format!("[metrics]\naddress = \"{metrics}\"\n");
        let quiet = "[access_log]\noutput = \"off\"\n";
        let directory = tempfile::tempdir().unwrap();
        let text = format!("{text}{metrics_too}{quiet}{besides}");
        std::fs::write(directory.path().join("weir.toml"), text).unwrap();
        let weir = Spawned::start_with_files(directory.path(), files);
        until("it listens", || TcpStream::connect(metrics).is_ok());
        Self { weir, web, metrics, _directory: directory }
    }

    /// The sum of the samples that begin so.
    fn metric(&self, sample: &str) -> f64 {
        let request = "GET /metrics HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
        let text = Client::connect(self.metrics).send(request).answer().text();
        let samples = text.lines().filter(|line| line.starts_with(sample));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn until_metric(&self, sample: &str, value: f64) {
        until(&format!("{sample} is {value}"), || self.metric(sample) == value);
    }

    /// CPU time the process has used, in hundredths of a second.
    fn cpu(&mut self) -> u64 {
        let stat = format!("/proc/{}/stat", self.weir.child().id());
        let text = std::fs::read_to_string(stat).unwrap();
        let fields = text.rsplit(") ").next().unwrap().split(' ');
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// CPU time it uses in one second, while nobody asks it anything.
    fn cpu_of_a_second(&mut self) -> u64 {
        let uptime = || {
            let text = std::fs::read_to_string("/proc/uptime").unwrap();
            text.split(' ').next().unwrap().parse::<f64>().unwrap()
        };
        let (begun, before) = (uptime(), self.cpu());
        until("a second passes", || uptime() >= begun + 1.0);
        self.cpu() - before
    }

    /// Moves the limit on open files of the running process.
    fn set_files(&mut self, files: u32) {
        let (id, files) = (self.weir.child().id().to_string(), format!("--nofile={files}:"));
        let set = Command::new("prlimit").args(["--pid", &id, &files]).status();
        assert!(set.expect("prlimit runs").success());
    }

    /// Ends it; what it has said.
    fn said(mut self) -> String {
        self.weir.signal("TERM");
        let stderr = self.weir.child().stderr.take().unwrap();
        std::io::read_to_string(stderr).unwrap()
    }
}

#[test]
fn a_limit_that_carries_no_connection_is_a_sentence_at_the_start() {
    let a = Upstream::replying("a");
    let directory = tempfile::tempdir().unwrap();
    let text = one_pool(&[&a]) + "[metrics]\naddress = \"off\"\n[runtime]\nworkers = 1\n";
    std::fs::write(directory.path().join("weir.toml"), text).unwrap();
    let mut weir = Spawned::start_with_files(directory.path(), 24);
    until("it has ended", || weir.child().try_wait().unwrap().is_some());
    let stderr = weir.child().stderr.take().unwrap();
    let said = std::io::read_to_string(stderr).unwrap();
    assert_eq!(weir.child().wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("limit on open files is ") && said.contains("ulimit -n"), "{said}");
}

#[test]
fn a_crowd_of_clients_leaves_descriptors_for_endpoints_and_metrics() {
    let a = Upstream::replying("a");
    let mut weir = Limited::start(64, &a, "[runtime]\nworkers = 2\n");
    let mut inside: Vec<_> = (0..5).map(|_| served(weir.web)).collect();
    let crowd: Vec<_> = (0..195).map(|_| Client::connect(weir.web)).collect();
    weir.until_metric(PAUSES, 1.0);
    let open = weir.metric(OPEN);
    assert!((8.0..40.0).contains(&open), "{open}");
    for client in &mut inside {
        assert_eq!(client.send(GET).answer().status, 200, "who is in is served on");
    }
    assert!(weir.cpu_of_a_second() < 20, "it waits without spinning");
    assert_eq!(weir.metric("weir_listener_accept_pauses_total{listener=\"web\""), 1.0);
    drop((crowd, inside));
    weir.until_metric(OPEN, 0.0);
    served(weir.web);
    // A pause is over when there was none for a second.
    let mut said = String::new();
    until("that it is over is in the log", || {
        said.push_str(&weir.weir.said_so_far());
        said.contains("accepting again")
    });
    said.push_str(&weir.said());
    assert!(said.contains("\"limit\":") && said.contains("\"max_connections\":"), "{said}");
    assert_eq!(said.matches("accepting is paused").count(), 1, "{said}");
    assert_eq!(said.matches("accepting again").count(), 1, "{said}");
}

#[test]
fn a_request_takes_the_descriptor_of_an_idle_connection_or_is_told_that_there_is_none() {
    let (app, other) = (Upstream::scripted(echo), Upstream::scripted(echo));
    let slow = Upstream::scripted(|mut peer| while peer.request().is_some() {});
    let mut besides = String::from("[runtime]\nworkers = 1\nmax_connections = 1000\n");
    for (name, upstream) in [("other", &other), ("slow", &slow)] {
        besides.push_str(&format!(
            "[routes.{name}]\npath = \"/{name}\"\npool = \"{name}\"\n\
             [pools.{name}]\nendpoints = [\"{upstream}\"]\n"
        ));
    }
    let weir = Limited::start(64, &app, &besides);
    let mut asking = served(weir.web);
    // More than endpoints have while clients wait: a fifth.
    let mut slowly: Vec<_> = (0..16).map(|_| served(weir.web)).collect();
    // All other descriptors are taken, but for those of idle connections.
    let crowd: Vec<_> = (0..100).map(|_| waiting(weir.web)).collect();
    let paused = "weir_listener_accept_pauses_total{listener=\"web\",reason=\"descriptors\"}";
    weir.until_metric(paused, 1.0);
    until("who was accepted is served, so that no connection is busy", || {
        let served = 1 + slowly.len() + crowd.iter().filter(|client| has_answer(client)).count();
        weir.metric("weir_listener_connections{listener=\"web\"}") == served as f64
    });
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    for path in ["/other", "/", "/other"] {
        let answer = asking.send(get(path)).answer();
        assert_eq!((answer.status, answer.text().as_str()), (200, path));
    }
    // Whatever is idle is taken by one of these, and kept; who finds nothing is told so.
    for client in &mut slowly {
        client.send(get("/slow"));
    }
    until("they have what there is, or nothing", || {
        let told = "weir_http_refused_total{route=\"slow\",reason=\"no_descriptor\"}";
        slow.requests() as f64 + weir.metric(told) == 16.0
    });
    let answer = asking.send(get("/other")).answer();
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("no connection to an endpoint"), "{}", answer.text());
    weir.until_metric("weir_http_refused_total{route=\"other\",reason=\"no_descriptor\"}", 1.0);
    assert_eq!(
        weir.metric("weir_pool_attempts_total{pool=\"other\",result=\"connect_failure\"}"),
        0.0
    );
    drop((crowd, slowly));
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 1.0);
    assert_eq!(asking.send(get("/other")).answer().status, 200);
    let said = weir.said();
    assert!(said.contains("raise the limit on open files"), "{said}");
}

#[test]
fn a_kernel_without_descriptors_is_no_fault_of_endpoints_and_no_reason_to_spin() {
    // Each request needs a connection of its own.
    let a = Upstream::scripted(|mut peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let health = "[pools.app.health]\ninterval = \"20ms\"\nunhealthy_threshold = 1\n\
                  [runtime]\nworkers = 2\n";
    let mut weir = Limited::start(256, &a, health);
    let mut client = served(weir.web);
    weir.until_metric("weir_endpoint_state{pool=\"app\"", 1.0);
    // More is open already: nothing can be opened now.
    weir.set_files(4);
    let mut waiting: Vec<_> = (0..8).map(|_| waiting(weir.web)).collect();
    let answer = client.send(GET).answer();
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("no connection to an endpoint"), "{}", answer.text());
    assert!(weir.cpu_of_a_second() < 30, "it neither accepts nor checks without a pause");
    assert!(!waiting.iter().any(has_answer));
    weir.set_files(256);
    for client in &mut waiting {
        assert_eq!(client.answer().status, 200);
    }
    let paused = "weir_listener_accept_pauses_total{listener=\"web\",reason=\"descriptors\"}";
    assert!(weir.metric(paused) >= 1.0);
    assert_eq!(weir.metric("weir_endpoint_up{pool=\"app\""), 1.0);
    assert_eq!(
        weir.metric("weir_pool_attempts_total{pool=\"app\",result=\"connect_failure\"}"),
        0.0
    );
    assert!(!weir.said().contains("endpoint is unhealthy"));
}

#[test]
fn what_one_worker_keeps_idle_is_given_up_for_a_request_of_another() {
    let a = Upstream::scripted(echo);
    let b = Upstream::scripted(echo);
    let other = format!(
        "[runtime]\nworkers = 2\n[routes.other]\npath = \"/other\"\npool = \"other\"\n\
         [pools.other]\nendpoints = [\"{b}\"]\n"
    );
    let weir = Limited::start(96, &a, &other);
    // As many as there may be, on both workers: each leaves an idle connection behind.
    for path in ["/", "/other", "/", "/other"] {
        let mut clients: Vec<_> = (0..24).map(|_| Client::connect(weir.web)).collect();
        for client in &mut clients {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        }
        for client in &mut clients {
            assert_eq!(client.answer().status, 200, "{path}");
        }
    }
}

#[test]
fn connections_that_idle_at_endpoints_keep_no_client_out() {
    let together = Arc::new(AtomicUsize::new(0));
    let here = Arc::clone(&together);
    let a = Upstream::scripted(move |mut peer| {
        while let Some(request) = peer.request() {
            if request.contains("/together") {
                here.fetch_add(1, SeqCst);
                until("all are here", || here.load(SeqCst) >= 24);
            }
            peer.reply("hello");
        }
    });
    let weir = Limited::start(96, &a, "[runtime]\nworkers = 2\n");
    let mut busy: Vec<_> = (0..24).map(|_| Client::connect(weir.web)).collect();
    for client in &mut busy {
        client.send("GET /together HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    for client in &mut busy {
        assert_eq!(client.answer().status, 200);
    }
    weir.until_metric("weir_pool_connections{pool=\"app\",state=\"idle\"}", 24.0);
    // More than there is room for beside those, but no more than clients may have.
    let quiet: Vec<_> = (0..36).map(|_| Client::connect(weir.web)).collect();
    weir.until_metric(OPEN, 36.0);
    served(weir.web);
    drop(quiet);
}

#[test]
fn who_reads_nothing_and_says_nothing_does_not_close_the_metrics_port() {
    let a = Upstream::replying("hello");
    let weir = Limited::start(96, &a, "[runtime]\nworkers = 1\n");
    let get = "GET /metrics HTTP/1.1\r\nHost: m\r\n\r\n";
    let _crowd: Vec<_> = (0..40)
        .map(|n| {
            let mut client = Client::connect(weir.metrics);
            if n % 2 == 0 {
                client.stream().set_nonblocking(true).unwrap();
                client.send(get.repeat(2000));
            }
            client
        })
        .collect();
    assert_eq!(weir.metric("weir_config_generation"), 1.0);
    served(weir.web);
}
