//! What hostile clients cost: memory, and the time of others. Through the real binary.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::harness::{Client, Spawned, Upstream, one_pool, refusing, until};

/// The binary with one worker in front of an upstream, and where it listens.
struct Running {
    weir: Spawned,
    address: SocketAddr,
    metrics: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Running {
    fn start(upstream: &Upstream) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (address, metrics) = (refusing(), refusing());
        let text = one_pool(&[upstream]).replace("127.0.0.1:0", &address.to_string());
        let text = format!(
            "{text}[runtime]\nworkers = 1\n[metrics]\naddress = \"{metrics}\"\n\
             [access_log]\noutput = \"off\"\n"
        );
        std::fs::write(directory.path().join("weir.toml"), text).unwrap();
        let mut weir = Spawned::start(directory.path(), &["run"]);
        until("it listens", || TcpStream::connect(address).is_ok());
        // Nobody may be kept waiting for a place in the pipe of its log.
        let log = BufReader::new(weir.child().stderr.take().unwrap());
        std::thread::spawn(move || log.lines().map_while(Result::ok).count());
        Self { weir, address, metrics, _directory: directory }
    }

    /// What it holds of memory, in KiB.
    fn resident(&mut self) -> i64 {
        let path = format!("/proc/{}/status", self.weir.child().id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn open(&self) -> String {
        let mut client = Client::connect(self.metrics);
        client.send("GET /metrics HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n");
        let text = client.answer().text();
        let line = text.lines().find(|line| line.starts_with("weir_listener_connections{"));
        line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
    }

    fn get(&self) {
        let mut client = Client::connect(self.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(client.answer().text(), "hello");
    }
}

#[test]
fn a_thousand_slow_clients_hold_little_and_delay_nobody() {
    let upstream = Upstream::replying("hello");
    let mut running = Running::start(&upstream);
    for _ in 0..100 {
        running.get();
    }
    let before = running.resident();
    let mut slow: Vec<TcpStream> = (0..1000)
        .map(|n| {
            let mut stream = TcpStream::connect(running.address).unwrap();
            let begun = match n % 3 {
                0 => "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
                1 => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
                _ => "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff;",
            };
            stream.write_all(begun.as_bytes()).unwrap();
            stream
        })
        .collect();
    until("all are there", || running.open().parse::<f64>().is_ok_and(|open| open >= 1000.0));
    let mut witness = Client::connect(running.address);
    let mut ask = || {
        witness.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(witness.answer().text(), "hello");
    };
    // The crowd has taken all connections to the endpoint, and its backlog: the first one dials.
    ask();
    let mut waits = Vec::new();
    for _ in 0..200 {
        for stream in slow.iter_mut().take(50) {
            let _ = stream.write_all(b"x");
        }
        slow.rotate_left(50);
        #[expect(clippy::disallowed_types, reason = "what a client waits is real time")]
        let begun = std::time::Instant::now();
        ask();
        waits.push(begun.elapsed());
    }
    waits.sort_unstable();
    let per_client = (running.resident() - before) as f64 / 1000.0;
    println!(
        "{per_client:.1} KiB per slow client; a witness waits {:?}, at most {:?}",
        waits[100], waits[199]
    );
    assert!(per_client <= 8.0, "{per_client} KiB");
    // The goal is 20 ms for all of them on a quiet machine; on a busy one, for most.
    assert!(waits[100] < Duration::from_millis(20), "{:?}", waits[100]);
}

#[test]
fn a_suite_of_attacks_leaves_nothing_behind() {
    let upstream = Upstream::replying("hello");
    let mut running = Running::start(&upstream);
    let large = "y".repeat(40_000);
    let attacks: Vec<Vec<u8>> = [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_owned(),
        format!("GET /{large} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {large}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(300)),
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "1;x\r\ny\r\n".repeat(8000)
        ),
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{large}\r\n"),
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
            "x: y\r\n".repeat(5000)
        ),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500),
        "\r\n".repeat(20_000),
        "\0".repeat(20_000),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nx".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
            .to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec();
    let mut before = 0;
    // What the first round makes weir hold is held once.
    for round in 0..25 {
        for attack in &attacks {
            let mut stream = TcpStream::connect(running.address).unwrap();
            // It leaves without a look at the answer.
            let _ = stream.write_all(attack);
        }
        until("all are gone", || running.open() == "0");
        running.get();
        if round == 4 {
            before = running.resident();
        }
    }
    let grown = running.resident() - before;
    println!("grown by {grown} KiB");
    assert!(grown <= 4096, "{grown} KiB");
}

#[test]
fn tunnels_that_have_half_ended_hold_little() {
    let upstream = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send("HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        peer.read();
    });
    let mut running = Running::start(&upstream);
    let open = |running: &Running| {
        let mut client = Client::connect(running.address);
        client
            .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(client.answer().status, 101);
        client.send("x");
        assert_eq!(client.rest().unwrap(), b"", "the endpoint has ended");
        client
    };
    drop(open(&running));
    let before = running.resident();
    let clients: Vec<_> = (0..200).map(|_| open(&running)).collect();
    let each = (running.resident() - before) / 200;
    println!("{each} KiB per half of a tunnel");
    assert!(each <= 16, "{each} KiB");
    drop(clients);
}
