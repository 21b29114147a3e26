//! Listeners that carry connections as they are: raw TCP, and the inside of TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use weir::runtime::process::Reloaded;

use crate::harness::pki::{Authority, dial};
use crate::harness::{Peer, Upstream, Weir, refusing, until};

/// A tcp listener in front of these, and this below it.
fn text(endpoints: &[&dyn std::fmt::Display], more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|e| format!("\"{e}\"")).collect();
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\npool = \"app\"\n{more}\
         [pools.app]\nendpoints = [{}]\n",
        endpoints.join(", ")
    )
}

/// Says its name, then says again whatever is said, until nothing more is.
fn echo(name: &'static str) -> Upstream {
    Upstream::scripted(move |mut peer| {
        peer.send(name);
        echo_all(&mut peer);
    })
}

fn echo_all(peer: &mut Peer) {
    let mut block = vec![0; 64 * 1024];
    while let Ok(read) = peer.stream.read(&mut block)
        && read > 0
    {
        peer.send(&block[..read]);
    }
}

fn connect(weir: &Weir) -> TcpStream {
    let stream = TcpStream::connect(weir.address()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream
}

fn word(stream: &mut impl Read, length: usize) -> String {
    let mut word = vec![0; length];
    stream.read_exact(&mut word).unwrap();
    String::from_utf8(word).unwrap()
}

/// Whether the next thing that comes is a reset; that nothing comes is none.
fn is_reset(mut stream: impl Read) -> bool {
    stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// Whether it was closed, in whatever way.
fn is_over(mut stream: impl Read) -> bool {
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn ended(weir: &Weir, result: &str, count: f64) {
    weir.until_metric(
        &format!("weir_l4_sessions_total{{listener=\"web\",result=\"{result}\"}}"),
        count,
    );
}

#[test]
fn every_byte_is_carried_both_ways_and_each_direction_ends_on_its_own() {
    let a = echo("a");
    let weir = Weir::start(text(&[&a], ""));
    let mut client = connect(&weir);
    // The endpoint speaks first.
    assert_eq!(word(&mut client, 1), "a");
    let said: String =
        (0..3_000_000).map(|at| char::from(b'a' + ((at / 251 + at) % 26) as u8)).collect();
    let sent = said.clone();
    let mut writer = client.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(sent.as_bytes()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    writing.join().unwrap();
    assert!(heard == said);
    ended(&weir, "ok", 1.0);
    weir.until_metric("weir_l4_session_duration_seconds_count{listener=\"web\"}", 1.0);
    weir.until_metric("weir_listener_received_bytes_total{listener=\"web\"}", 3_000_000.0);
    weir.until_metric("weir_listener_sent_bytes_total{listener=\"web\"}", 3_000_001.0);
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
    weir.until_metric("weir_pool_connections{pool=\"app\"", 0.0);
}

#[test]
fn sessions_are_balanced_and_a_dead_endpoint_costs_nothing() {
    let (a, b, dead) = (echo("a"), echo("b"), refusing());
    let weir = Weir::start(text(&[&a, &dead, &b], ""));
    let mut open = Vec::new();
    for _ in 0..12 {
        let mut client = connect(&weir);
        let name = word(&mut client, 1);
        open.push((client, name));
    }
    for name in ["a", "b"] {
        let count = open.iter().filter(|(_, one)| one == name).count();
        assert!(count >= 4, "{count} of 12 to {name}");
    }
    drop(open);
    ended(&weir, "ok", 12.0);
    // Nobody at all: the client is told by a reset.
    assert_eq!(weir.reload(text(&[&dead], "")), Reloaded::Accepted);
    assert!(is_reset(connect(&weir)));
    ended(&weir, "upstream_error", 1.0);
}

#[test]
fn a_break_of_one_side_is_a_break_for_the_other() {
    let a = Upstream::scripted(|mut peer| {
        peer.send("a");
        peer.read();
        peer.reset();
    });
    let weir = Weir::start(text(&[&a], ""));
    let mut client = connect(&weir);
    assert_eq!(word(&mut client, 1), "a");
    client.write_all(b"x").unwrap();
    assert!(is_reset(client));
    ended(&weir, "upstream_error", 1.0);
    let b = echo("b");
    weir.reload(text(&[&b], ""));
    let mut client = connect(&weir);
    assert_eq!(word(&mut client, 1), "b");
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    until("the endpoint's connection ends", || b.open() == 0);
    ended(&weir, "client_gone", 1.0);
}

#[test]
fn what_an_endpoint_does_not_take_in_time_does_not_look_whole_to_it() {
    let may_read = Arc::new(AtomicBool::new(false));
    let whole = Arc::new(AtomicUsize::new(0));
    let (told, ended_well) = (Arc::clone(&may_read), Arc::clone(&whole));
    let a = Upstream::scripted(move |mut peer| {
        until("it may read", || told.load(SeqCst));
        let mut block = vec![0; 64 * 1024];
        let end = loop {
            match peer.stream.read(&mut block) {
                Ok(0) => break 1,
                Ok(_) => {}
                Err(_) => break 2,
            }
        };
        ended_well.store(end, SeqCst);
    });
    let weir = Weir::start(text(&[&a], ""));
    let client = connect(&weir);
    client.set_nonblocking(true).unwrap();
    let block = vec![b'x'; 1 << 20];
    let mut stuck = 0;
    until("nobody takes more", || {
        let sent = (&client).write(&block).is_ok();
        stuck = if sent { 0 } else { stuck + 1 };
        stuck > 20
    });
    until("its time is over", || {
        weir.advance(61);
        weir.metric("weir_l4_sessions_total{listener=\"web\",result=\"timeout\"}") == 1.0
    });
    may_read.store(true, SeqCst);
    until("the endpoint knows", || whole.load(SeqCst) > 0);
    assert_eq!(whole.load(SeqCst), 2, "a reset, and no end");
}

#[test]
fn who_has_ended_may_wait_long_for_what_the_other_side_says() {
    let may_answer = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&may_answer);
    let a = Upstream::scripted(move |mut peer| {
        while peer.read().is_some() {}
        peer.send("part1 ");
        until("it may answer", || told.load(SeqCst));
        peer.send("part2");
    });
    let weir = Weir::start(text(&[&a], ""));
    let mut client = connect(&weir);
    client.write_all(b"query").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(word(&mut client, 6), "part1 ");
    // Longer than answers of HTTP may be silent.
    weir.advance(600);
    may_answer.store(true, SeqCst);
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "part2");
    ended(&weir, "ok", 1.0);
}

#[test]
fn a_silence_ends_a_session_and_reloads_do_not() {
    let a = echo("a");
    let rules = "policies = \"short\"\n[policies.short.timeouts]\nstream_idle = \"60s\"\n";
    let weir = Weir::start(text(&[&a], rules));
    let mut client = connect(&weir);
    assert_eq!(word(&mut client, 1), "a");
    for _ in 0..3 {
        weir.advance(50);
        client.write_all(b"still").unwrap();
        assert_eq!(word(&mut client, 5), "still");
        assert_eq!(weir.reload(text(&[&a], rules) + "slow_start = \"3s\"\n"), Reloaded::Accepted);
        assert_eq!(weir.reload(text(&[&a], rules)), Reloaded::Accepted);
    }
    weir.advance(62);
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "an end");
    ended(&weir, "timeout", 1.0);
}

#[test]
fn who_may_not_come_is_not_connected_and_a_listener_that_goes_cuts_after_its_time() {
    let a = echo("a");
    // What else a policy says is of requests.
    let rules = "policies = \"inside\"\n[policies.inside]\nrewrite = { strip_prefix = \"/x\" }\n\
                 [policies.inside.access]\nallow = \"10.0.0.0/8\"\n";
    let weir = Weir::start(text(&[&a], rules));
    assert!(is_reset(connect(&weir)));
    ended(&weir, "refused", 1.0);
    assert_eq!(a.connections(), 0);
    let runtime = "[runtime]\nworkers = 2\ndrain_timeout = \"5s\"\n";
    weir.reload(text(&[&a], "") + runtime);
    let mut client = connect(&weir);
    assert_eq!(word(&mut client, 1), "a");
    weir.reload(text(&[&a], "").replace("listeners.web", "listeners.other") + runtime);
    client.write_all(b"on").unwrap();
    assert_eq!(word(&mut client, 2), "on");
    weir.advance(6);
    assert!(is_reset(client), "cut");
}

#[test]
fn the_inside_of_tls_is_carried_and_told_in_the_log() {
    let (ca, a) = (Authority::new(), echo("a"));
    let own = "[certificates.main]\ncert = \"main.crt\"\nkey = { file = \"main.key\" }\n\
               [access_log]\noutput = \"access.log\"\nbuffer = \"0\"\n";
    let weir = Weir::prepared(text(&[&a], "").replace("\"tcp\"", "\"tls\"") + own, |directory| {
        ca.issue(&["db.example"]).write(directory, "main");
    });
    let mut client = dial(weir.address(), "db.example", &Arc::new(ca.believed(None)));
    client.write_all(b"hello").unwrap();
    assert_eq!(word(&mut client, 6), "ahello");
    client.conn.send_close_notify();
    client.flush().unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "a goodbye for a goodbye");
    drop(client);
    ended(&weir, "ok", 1.0);
    let path = weir.path().with_file_name("access.log");
    until("its line", || std::fs::read_to_string(&path).is_ok_and(|log| !log.is_empty()));
    let line = std::fs::read_to_string(&path).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (name, value) in [
        ("weir.listener", "web"),
        ("weir.pool", "app"),
        ("weir.result", "ok"),
        ("tls.client.server_name", "db.example"),
        ("network.transport", "tcp"),
    ] {
        assert_eq!(line[name], value);
    }
    assert_eq!(line["http.request.method"], serde_json::Value::Null);
    assert_eq!(
        (&line["http.request.body.size"], &line["http.response.body.size"]),
        (&5.into(), &6.into())
    );
}

/// A tls-passthrough listener with a route by each name, and the TLS endpoints behind it.
fn passing(first: &Weir, second: &Weir, more: &str) -> String {
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocol = \"tls-passthrough\"\n{more}\
         [routes.one]\nsni = \"one.example\"\npool = \"one\"\n[routes.two]\nsni = \"*.two.example\"\n\
         pool = \"two\"\n[pools.one]\nendpoints = [\"{}\"]\n[pools.two]\nendpoints = [\"{}\"]\n",
        first.address(),
        second.address()
    )
}

/// An endpoint that ends TLS itself, for these names.
fn secured(upstream: &Upstream, ca: &Authority, names: &[&str]) -> Weir {
    let text = format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocol = \"tls\"\npool = \"app\"\n[pools.app]\n\
         endpoints = [\"{upstream}\"]\n[certificates.main]\ncert = \"main.crt\"\nkey = {{ file = \"main.key\" }}\n"
    );
    Weir::prepared(text, |directory| ca.issue(names).write(directory, "main"))
}

#[test]
fn tls_is_passed_through_by_the_name_that_is_asked_for() {
    let ca = Authority::new();
    let (a, b) = (echo("a"), echo("b"));
    let one = secured(&a, &ca, &["one.example"]);
    let two = secured(&b, &ca, &["*.two.example", "127.0.0.1", "other.example"]);
    let weir = Weir::start(passing(&one, &two, ""));
    let config = Arc::new(ca.believed(None));
    let asked = |name: &str| {
        let mut client = dial(weir.address(), name, &config);
        client.write_all(b"x").ok()?;
        let mut said = [0; 2];
        client.read_exact(&mut said).ok()?;
        Some(String::from_utf8_lossy(&said).into_owned())
    };
    assert_eq!(asked("one.example").as_deref(), Some("ax"));
    assert_eq!(asked("ONE.example").as_deref(), Some("ax"));
    assert_eq!(asked("sub.two.example").as_deref(), Some("bx"));
    // Nobody's name, and no name.
    assert_eq!((asked("other.example"), asked("127.0.0.1")), (None, None));
    ended(&weir, "refused", 2.0);
    weir.reload(passing(&one, &two, "pool = \"two\"\n"));
    assert_eq!(asked("other.example").as_deref(), Some("bx"), "the listener's own pool");
    assert_eq!(asked("127.0.0.1").as_deref(), Some("bx"));
}

#[test]
fn a_name_may_come_in_pieces_but_must_be_one_and_come_in_time() {
    let ca = Authority::new();
    let a = echo("a");
    let one = secured(&a, &ca, &["one.example"]);
    let weir = Weir::start(passing(&one, &one, ""));
    // The first words of a client, cut into single bytes, in records of their own.
    let config = Arc::new(ca.believed(None));
    let mut client = dial(weir.address(), "one.example", &config);
    let mut words = Vec::new();
    client.conn.write_tls(&mut words).unwrap();
    let inside = &words[5..];
    for piece in inside.chunks(100) {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        for byte in [&[22, 3, 1], &length[..], piece].concat() {
            client.sock.write_all(&[byte]).unwrap();
        }
    }
    client.write_all(b"x").unwrap();
    assert_eq!(word(&mut client, 2), "ax");
    for wrong in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        &[22, 3, 1, 0xff, 0xff],
    ] {
        let mut client = connect(&weir);
        client.write_all(wrong).unwrap();
        let _ = client.shutdown(Shutdown::Write);
        assert!(is_over(client), "{wrong:?}");
    }
    let mut slow = connect(&weir);
    slow.write_all(&words[..50]).unwrap();
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 2.0);
    weir.advance(11);
    assert!(is_over(slow));
    ended(&weir, "timeout", 1.0);
}

#[test]
fn who_is_in_the_midst_of_its_first_words_is_cut_with_its_listener() {
    let ca = Authority::new();
    let a = echo("a");
    let one = secured(&a, &ca, &["one.example"]);
    let more = "timeouts = { handshake = \"60s\" }\n";
    let runtime = "[runtime]\nworkers = 2\ndrain_timeout = \"2s\"\n";
    let weir = Weir::start(passing(&one, &one, more) + runtime);
    let mut client = connect(&weir);
    client.write_all(&[22, 3, 1, 1, 0, 1]).unwrap();
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 1.0);
    let gone = passing(&one, &one, more).replace("listeners.web", "listeners.other") + runtime;
    assert_eq!(weir.reload(gone), Reloaded::Accepted);
    weir.advance(3);
    assert!(is_over(client));
}
