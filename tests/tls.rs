//! Listeners that speak TLS: which certificate is shown, what is refused, and that nothing is lost on the way.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion};
use weir::runtime::process::Reloaded;

use crate::harness::pki::{Authority, Issued, TlsClient, dial};
use crate::harness::{Answer, Client, Peer, Upstream, Weir, read_answer, until};

/// A listener with TLS, and this below it.
fn text(upstream: &Upstream, more: &str) -> String {
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocol = \"https\"\npool = \"app\"\n\
         [pools.app]\nendpoints = [\"{upstream}\"]\n{more}"
    )
}

/// A certificate from NAME.crt and NAME.key.
fn section(name: &str) -> String {
    format!("[certificates.{name}]\ncert = \"{name}.crt\"\nkey = {{ file = \"{name}.key\" }}\n")
}

fn ask(client: &mut TlsClient, path: &str) -> std::io::Result<Answer> {
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n").as_bytes())?;
    read_answer(client, &mut Vec::new(), false)
}

/// One request to a host over a connection of its own.
fn get(weir: &Weir, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Answer> {
    ask(&mut dial(weir.address(), name, config), "/")
}

fn is(client: &TlsClient, issued: &Issued) -> bool {
    let shown = client.conn.peer_certificates().and_then(|chain| chain.first());
    shown == Some(&CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap())
}

const HANDSHAKES: &str = "weir_tls_handshakes_total{listener=\"web\",protocol=";

#[test]
fn the_name_chooses_the_certificate() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let main = ca.issue(&["example.com", "127.0.0.1"]);
    let wild = ca.issue(&["*.example.com", "other.example"]);
    let all = section("main") + &section("wild");
    let weir = Weir::prepared(text(&a, &all), |directory| {
        main.write(directory, "main");
        wild.write(directory, "wild");
    });
    let config = Arc::new(ca.believed(None));
    for (name, shown) in [
        ("example.com", &main),
        ("EXAMPLE.com", &main),
        ("a.example.com", &wild),
        ("other.example", &wild),
        // No name is sent for an address.
        ("127.0.0.1", &main),
    ] {
        let mut client = dial(weir.address(), name, &config);
        assert_eq!(ask(&mut client, "/").unwrap().text(), "a");
        assert!(is(&client, shown), "{name}");
        let group = client.conn.negotiated_key_exchange_group().map(|group| group.name());
        assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
    }
    let refused = |name| get(&weir, name, &config).unwrap_err().to_string();
    for name in ["a.b.example.com", "unknown.example"] {
        assert!(
            refused(name).contains("UnrecognizedName")
                || refused(name).contains("UnrecognisedName")
        );
    }
    weir.until_metric(&format!("{HANDSHAKES}\"tls1_3\",result=\"ok\"}}"), 5.0);
    let unknown = format!("{HANDSHAKES}\"none\",result=\"no_certificate\"}}");
    until("they are counted", || weir.metric(&unknown) >= 2.0);
    let one = "[listeners.web.tls]\nunknown_sni = \"first-certificate\"\ncertificates = [\"wild\", \"main\"]\n";
    assert_eq!(weir.reload(text(&a, &(all + one))), Reloaded::Accepted);
    let refused = refused("unknown.example");
    assert!(
        refused.contains("not valid for name"),
        "the first is shown, and has another name: {refused}"
    );
}

#[test]
fn a_certificate_that_is_renewed_is_shown_at_once_and_closes_nothing() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let (old, new, other) =
        (ca.issue(&["a.example"]), ca.issue(&["a.example"]), ca.issue(&["a.example"]));
    let weir = Weir::prepared(text(&a, &section("main")), |directory| old.write(directory, "main"));
    let directory = weir.path().parent().unwrap().to_owned();
    let config = Arc::new(ca.believed(None));
    let mut kept = dial(weir.address(), "a.example", &config);
    assert_eq!(ask(&mut kept, "/").unwrap().text(), "a");
    assert!(is(&kept, &old));
    // Half of a renewal: nobody sees it.
    std::fs::write(directory.join("main.crt"), &new.cert).unwrap();
    until("the half is refused", || weir.metric("weir_config_last_reload_successful ") == 0.0);
    let mut client = dial(weir.address(), "a.example", &config);
    assert_eq!(ask(&mut client, "/").unwrap().text(), "a");
    assert!(is(&client, &old));
    // The watch notices the whole; nobody is told.
    std::fs::write(directory.join("main.key"), &new.key).unwrap();
    until("the new one is shown", || {
        let mut client = dial(weir.address(), "a.example", &config);
        ask(&mut client, "/").unwrap().text() == "a" && is(&client, &new)
    });
    assert_eq!(weir.metric("weir_config_last_reload_successful "), 1.0);
    assert_eq!(ask(&mut kept, "/").unwrap().text(), "a", "what is open stays");
    other.write(&directory, "main");
    weir.process().reload();
    let mut client = dial(weir.address(), "a.example", &config);
    assert_eq!(ask(&mut client, "/").unwrap().text(), "a");
    assert!(is(&client, &other));
}

#[test]
fn renewals_under_load_fail_no_handshake() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let weir = Weir::prepared(text(&a, &section("main")), |directory| {
        ca.issue(&["a.example"]).write(directory, "main");
    });
    let directory = weir.path().parent().unwrap().to_owned();
    let config = Arc::new(ca.believed(None));
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    assert_eq!(get(&weir, "a.example", &config).unwrap().text(), "a");
                    asked.fetch_add(1, SeqCst);
                }
            });
        }
        for _ in 0..20 {
            let before = asked.load(SeqCst);
            // Both files, one after the other: what is read in between is refused.
            ca.issue(&["a.example"]).write(&directory, "main");
            weir.process().reload();
            until("clients come", || asked.load(SeqCst) > before + 2);
        }
        stop.store(true, SeqCst);
    });
    let failed = [("none", "client_error"), ("none", "no_certificate")];
    for (protocol, result) in failed {
        let sample = format!("{HANDSHAKES}\"{protocol}\",result=\"{result}\"}}");
        assert_eq!(weir.metric(&sample), 0.0);
    }
}

#[test]
fn clients_may_be_asked_for_a_certificate_and_are_known_by_it() {
    let (ca, stranger) = (Authority::new(), Authority::new());
    let (own, bot, lost) = (ca.issue(&["a.example"]), ca.issue(&["bot"]), ca.issue(&["lost"]));
    let a = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            let said = request.lines().find_map(|line| line.strip_prefix("x-client: "));
            peer.reply(said.unwrap_or_default());
        }
    });
    let told = "[policies.told.headers.request.set]\nx-client = \"{tls.client_subject}\"\n";
    let with = |auth: &str| {
        let tls = format!(
            "[listeners.web.tls]\nclient_auth = \"{auth}\"\nclient_ca = \"ca.pem\"\nclient_crl = \"crl.pem\"\n"
        );
        text(&a, &(section("main") + &tls + told))
            .replace("pool = \"app\"", "pool = \"app\"\npolicies = \"told\"")
    };
    let weir = Weir::prepared(with("require"), |directory| {
        own.write(directory, "main");
        std::fs::write(directory.join("ca.pem"), ca.pem()).unwrap();
        std::fs::write(directory.join("crl.pem"), ca.revoke(&lost)).unwrap();
    });
    let as_who = |who: Option<&Issued>| get(&weir, "a.example", &Arc::new(ca.believed(who)));
    assert_eq!(as_who(Some(&bot)).unwrap().text(), "CN=bot");
    for who in [None, Some(&stranger.issue(&["bot"])), Some(&lost)] {
        assert!(as_who(who).is_err());
    }
    weir.until_metric(&format!("{HANDSHAKES}\"none\",result=\"client_cert\"}}"), 3.0);
    assert_eq!(weir.reload(with("optional")), Reloaded::Accepted);
    assert_eq!(as_who(Some(&bot)).unwrap().text(), "CN=bot");
    assert_eq!(as_who(None).unwrap().text(), "", "whatever the client says itself");
    assert!(as_who(Some(&lost)).is_err(), "but a bad one is worse than none");
}

#[test]
fn what_is_no_authority_and_no_list_lets_nobody_in() {
    let ca = Authority::new();
    let (own, lost, a) = (ca.issue(&["a.example"]), ca.issue(&["lost"]), Upstream::replying("a"));
    let tls = "[listeners.web.tls]\nclient_auth = \"require\"\nclient_ca = \"ca.pem\"\nclient_crl = \"crl.pem\"\n";
    let weir = Weir::prepared(text(&a, &(section("main") + tls)), |directory| {
        own.write(directory, "main");
        std::fs::write(directory.join("ca.pem"), ca.pem()).unwrap();
        std::fs::write(directory.join("crl.pem"), ca.revoke(&lost)).unwrap();
    });
    let directory = weir.path().parent().unwrap().to_owned();
    let write = |file: &str, bytes: &[u8]| std::fs::write(directory.join(file), bytes).unwrap();
    for (file, bytes) in [
        ("ca.pem", &b""[..]),
        ("ca.pem", b"nothing"),
        ("ca.pem", own.key.as_bytes()),
        ("crl.pem", b""),
        ("crl.pem", b"\x30nothing"),
        ("crl.pem", ca.pem().as_bytes()),
    ] {
        write(file, bytes);
        assert_eq!(weir.process().reload(), Reloaded::Refused, "{file}");
        assert!(get(&weir, "a.example", &Arc::new(ca.believed(None))).is_err());
        write("ca.pem", ca.pem().as_bytes());
        write("crl.pem", ca.revoke(&lost).as_bytes());
    }
    // As it is published.
    let list = rustls::pki_types::CertificateRevocationListDer::from_pem_slice(
        ca.revoke(&lost).as_bytes(),
    );
    write("crl.pem", &list.unwrap());
    assert_eq!(weir.process().reload(), Reloaded::Accepted);
    assert!(get(&weir, "a.example", &Arc::new(ca.believed(Some(&lost)))).is_err());
    // Whose certificate may have ended meanwhile, is not let in by a ticket.
    let config = Arc::new(ca.believed(Some(&own)));
    for _ in 0..2 {
        let mut client = dial(weir.address(), "a.example", &config);
        assert_eq!(ask(&mut client, "/").unwrap().text(), "a");
        assert_eq!(client.conn.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[test]
fn a_broken_record_ends_the_connection_at_once() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let own = ca.issue(&["a.example"]);
    // So that nothing else ends it.
    let patient = "[listeners.web.timeouts]\nheader = \"1h\"\nidle = \"1h\"\n";
    let weir = Weir::prepared(text(&a, &(section("main") + patient)), |directory| {
        own.write(directory, "main");
    });
    let mut client = dial(weir.address(), "a.example", &Arc::new(ca.believed(None)));
    assert_eq!(ask(&mut client, "/").unwrap().text(), "a");
    // Half of a head in a good record, and a bad one right behind it; too long to be looked at together.
    let mut records = Vec::new();
    let half = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(3000));
    client.conn.writer().write_all(half.as_bytes()).unwrap();
    client.conn.write_tls(&mut records).unwrap();
    records.extend_from_slice(b"\x17\x03\x03\x0b\xb8");
    records.extend_from_slice(&[7; 3000]);
    client.sock.write_all(&records).unwrap();
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
}

#[test]
fn a_client_that_takes_nothing_does_not_keep_its_place_for_ever() {
    let ca = Authority::new();
    let own = ca.issue(&["a.example"]);
    let a = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1 << 30));
        let block = vec![b'x'; 1 << 20];
        for _ in 0..1 << 10 {
            peer.send(&block);
        }
    });
    let rules = "[policies.short.timeouts]\nexchange = \"2s\"\n";
    let short = text(&a, &(section("main") + rules))
        .replace("pool = \"app\"", "pool = \"app\"\npolicies = \"short\"");
    let weir = Weir::prepared(short, |directory| own.write(directory, "main"));
    let mut client = dial(weir.address(), "a.example", &Arc::new(ca.believed(None)));
    // Something is unread behind the request, so that the end is waited for.
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET").unwrap();
    a.until_requests(1);
    weir.advance(3);
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"exchange_timeout\"}", 1.0);
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 0.0);
}

#[test]
fn no_report_shows_a_secret() {
    const SECRET: &str = "hunter2";
    let a = Upstream::replying("a");
    for key in [
        "key = \"hunter2\"",
        "key = { value = \"hunter2\" }",
        "key = { file = \"x\", env = \"hunter2\" }",
        "key = [\"hunter2\"]",
        "keys = \"hunter2\"",
        "key = { env = \"hunter2\" }",
        "key = \"\"\"\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n\"\"\"",
        "key = { env = \"A\" }\nkey = \"hunter2\"",
        "key = \"hunter2\"\ncert = ",
        "key = \"\"\"\nhunter2\n\"\"\"\nhosts = [",
    ] {
        for section in ["certificates.main", "pools.app.tls"] {
            let directory = tempfile::tempdir().unwrap();
            let text = format!(
                "{}[{section}]\ncert = \"main.crt\"\n{key}\n",
                text(&a, "scheme = \"https\"\n")
            );
            std::fs::write(directory.path().join("weir.toml"), &text).unwrap();
            for format in ["human", "json"] {
                let output =
                    crate::harness::Spawned::run(directory.path(), &["check", "--format", format]);
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert_eq!(output.status.code(), Some(78), "{said}");
                assert!(!said.contains(SECRET), "{key}\n{said}");
            }
        }
    }
}

#[test]
fn a_session_is_resumed_with_a_ticket_unless_that_is_off() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let own = ca.issue(&["a.example"]);
    let weir = Weir::prepared(text(&a, &section("main")), |directory| own.write(directory, "main"));
    let kind = |config: &Arc<ClientConfig>| {
        let mut client = dial(weir.address(), "a.example", config);
        assert_eq!(ask(&mut client, "/").unwrap().text(), "a");
        client.conn.handshake_kind()
    };
    let config = Arc::new(ca.believed(None));
    assert_eq!(kind(&config), Some(HandshakeKind::Full));
    assert_eq!(kind(&config), Some(HandshakeKind::Resumed));
    // A reload that leaves TLS alone leaves tickets good.
    let other = section("main") + "[runtime]\nworkers = 2\ndrain_timeout = \"9s\"\n";
    assert_eq!(weir.reload(text(&a, &other)), Reloaded::Accepted);
    assert_eq!(kind(&config), Some(HandshakeKind::Resumed));
    let off = section("main") + "[listeners.web.tls]\nsession_tickets = false\n";
    assert_eq!(weir.reload(text(&a, &off)), Reloaded::Accepted);
    assert_eq!(kind(&config), Some(HandshakeKind::Full), "other keys, too");
    assert_eq!(kind(&config), Some(HandshakeKind::Full));
}

#[test]
fn row_48_what_is_too_old_or_no_tls_is_refused_and_says_why() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let own = ca.issue(&["a.example"]);
    let modern = section("main") + "[listeners.web.tls]\nmin_version = \"1.3\"\n";
    let weir = Weir::prepared(text(&a, &modern), |directory| own.write(directory, "main"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let older = ClientConfig::builder_with_provider(provider);
    let older = older.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let older = Arc::new(older.with_root_certificates(roots).with_no_client_auth());
    assert!(get(&weir, "a.example", &older).is_err());
    assert_eq!(weir.reload(text(&a, &section("main"))), Reloaded::Accepted);
    let mut client = dial(weir.address(), "a.example", &older);
    assert_eq!(ask(&mut client, "/").unwrap().text(), "a");
    assert_eq!(client.conn.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    // Nothing in common.
    let mut config = ca.believed(None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(get(&weir, "a.example", &Arc::new(config)).is_err());
    // Plain HTTP.
    let answer = weir.get("/");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("this port speaks TLS"), "{}", answer.text());
    // Garbage, and a record that promises more than ever comes.
    for bytes in [
        &b"\x00\x01\x02garbage"[..],
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
    ] {
        let mut client = weir.connect();
        client.send(bytes);
        client.finish();
        assert!(client.rest().is_ok_and(|rest| rest.len() < 64) || client.is_closed());
    }
    assert_eq!(get(&weir, "a.example", &Arc::new(ca.believed(None))).unwrap().text(), "a");
}

#[test]
fn row_39_a_handshake_has_its_time_and_a_drip_does_not_extend_it() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let own = ca.issue(&["a.example"]);
    let slow = section("main") + "[listeners.web.timeouts]\nhandshake = \"5s\"\n";
    let weir = Weir::prepared(text(&a, &slow), |directory| own.write(directory, "main"));
    let (mut silent, mut drips) = (weir.connect(), weir.connect());
    drips.send(b"\x16\x03\x01\x00\x80");
    weir.until_metric("weir_listener_connections{listener=\"web\"}", 2.0);
    weir.advance(3);
    drips.send(b"\x01");
    weir.advance(3);
    assert!(silent.is_closed() && drips.is_closed());
    weir.until_metric("weir_listener_rejected_total{listener=\"web\",reason=\"timeout\"}", 2.0);
    // Afterwards, others hold.
    let config = Arc::new(ca.believed(None));
    let mut kept = dial(weir.address(), "a.example", &config);
    assert_eq!(ask(&mut kept, "/").unwrap().text(), "a");
    weir.advance(30);
    assert_eq!(ask(&mut kept, "/").unwrap().text(), "a");
    // Even who is closed for its silence is told goodbye.
    weir.advance(90);
    assert_eq!(kept.read(&mut [0]).unwrap(), 0);
}

/// Text that shows where a part is missing.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| b'a' + ((at / 251 + at) % 26) as u8).collect()
}

#[test]
fn long_bodies_pass_unharmed_both_ways_and_an_end_is_told_from_a_break() {
    const LONG: usize = 6 * 1024 * 1024 + 17;
    let (ca, a) = (Authority::new(), Upstream::scripted(mirror));
    let own = ca.issue(&["a.example"]);
    let weir = Weir::prepared(text(&a, &section("main")), |directory| own.write(directory, "main"));
    let config = Arc::new(ca.believed(None));
    let body = pattern(LONG);
    let mut client = dial(weir.address(), "a.example", &config);
    // What comes back is read only after all was sent: both directions are full for a while.
    for _ in 0..2 {
        let head = format!("POST /mirror HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n");
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&body).unwrap();
        let answer = read_answer(&mut client, &mut Vec::new(), false).unwrap();
        assert!(answer.status == 200 && answer.body == body);
    }
    // An answer that ends with its connection ends in peace; one that breaks off does not.
    let mut rest = Vec::new();
    client.write_all(b"GET /whole HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    client.read_to_end(&mut rest).expect("a goodbye");
    assert!(rest.ends_with(b"whole"), "{}", String::from_utf8_lossy(&rest));
    let mut client = dial(weir.address(), "a.example", &config);
    client.write_all(b"GET /broken HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert!(client.read_to_end(&mut Vec::new()).is_err(), "no goodbye");
}

/// Sends back the bodies of POSTs; answers others as their path says.
fn mirror(mut peer: Peer) {
    while let Some(request) = peer.request() {
        if request.starts_with("POST") {
            peer.reply(request.split_once("\r\n\r\n").unwrap().1);
        } else if request.starts_with("GET /whole") {
            peer.send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwhole");
            return;
        } else {
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbroken\r\n");
            return;
        }
    }
}

#[test]
fn a_tunnel_goes_through_tls_in_both_directions() {
    let ca = Authority::new();
    let own = ca.issue(&["a.example"]);
    let a = Upstream::scripted(|mut peer| {
        peer.request();
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        );
        let mut block = [0; 4096];
        while let Ok(read) = peer.stream.read(&mut block)
            && read > 0
        {
            peer.send(&block[..read]);
        }
    });
    let weir = Weir::prepared(text(&a, &section("main")), |directory| own.write(directory, "main"));
    let mut client = dial(weir.address(), "a.example", &Arc::new(ca.believed(None)));
    client
        .write_all(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
        .unwrap();
    let mut echoed = Vec::new();
    assert_eq!(read_answer(&mut client, &mut echoed, false).unwrap().status, 101);
    let said = pattern(300_000);
    for piece in said.chunks(10_000) {
        client.write_all(piece).unwrap();
        let mut block = vec![0; piece.len()];
        client.read_exact(&mut block).unwrap();
        echoed.extend(block);
    }
    let all = [&b"early"[..], &said].concat();
    let mut last = vec![0; all.len() - echoed.len()];
    client.read_exact(&mut last).unwrap();
    echoed.extend(last);
    assert_eq!(echoed, all);
    client.conn.send_close_notify();
    client.flush().unwrap();
    let _ = client.sock.shutdown(std::net::Shutdown::Write);
    assert!(client.read_to_end(&mut Vec::new()).is_ok(), "the tunnel ends in peace");
}

#[test]
fn a_plain_listener_may_send_everybody_to_https() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let own = ca.issue(&["a.example"]);
    let plain = "[listeners.plain]\naddress = \"127.0.0.1:0\"\nredirect_https = true\n";
    let weir = Weir::prepared(text(&a, &(section("main") + plain)), |directory| {
        own.write(directory, "main");
    });
    let address = weir.process().address("plain").unwrap();
    let mut client = Client::connect(address);
    for method in ["GET", "POST"] {
        let body = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        client.send(format!("{method} /a%20b?c=d HTTP/1.1\r\nHost: A.example:8080\r\n{body}\r\n"));
        let answer = client.answer();
        let to = answer.field("location");
        assert_eq!((answer.status, to), (308, Some("https://a.example/a%20b?c=d")));
    }
    assert_eq!(a.requests(), 0);
}

#[test]
fn keys_come_from_files_variables_and_credentials() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let own = ca.issue(&["a.example"]);
    let directory = tempfile::tempdir().unwrap();
    own.write(directory.path(), "main");
    let listener =
        "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocol = \"https\"\npool = \"app\"\n";
    let rest = format!("{listener}[pools.app]\nendpoints = [\"{a}\"]\n");
    for key in
        ["{ env = \"WEIR_TEST_KEY\" }", "{ credential = \"main.key\" }", "{ file = \"main.key\" }"]
    {
        let text = format!("[certificates.main]\ncert = \"main.crt\"\nkey = {key}\n{rest}");
        std::fs::write(directory.path().join("weir.toml"), text).unwrap();
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
        check.arg("check").current_dir(directory.path()).env("NO_COLOR", "1");
        if !key.contains("file") {
            let output = check.output().unwrap();
            assert_eq!(output.status.code(), Some(78), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("is not set"), "{output:?}");
        }
        check.env("WEIR_TEST_KEY", &own.key).env("CREDENTIALS_DIRECTORY", directory.path());
        let output = check.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut show = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
        show.arg("show").current_dir(directory.path()).env("WEIR_TEST_KEY", &own.key);
        show.env("CREDENTIALS_DIRECTORY", directory.path());
        let shown = String::from_utf8(show.output().unwrap().stdout).unwrap();
        assert!(shown.contains("main.crt") && !shown.contains("PRIVATE KEY"), "{shown}");
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_in_words() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let (own, other) = (ca.issue(&["a.example"]), ca.issue(&["a.example"]));
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let ended = ca.issue_for(&["a.example"], -10, 5);
    let early = ca.issue_for(&["a.example"], 5, 10);
    let soon = ca.issue_for(&["a.example"], -10, 13);
    for (cert, key, code, words) in [
        (&own.cert, &other.key, "E0502", "does not fit"),
        (&own.cert, &"nothing".to_owned(), "E0105", "no private key in it"),
        (&own.cert, &locked.to_owned(), "E0105", "openssl pkey"),
        (&"nothing".to_owned(), &own.key, "E0105", "no certificate in it"),
        (&own.key, &own.key, "E0105", "no certificate in it"),
        (&ended.cert, &ended.key, "W0108", "has ended"),
        (&early.cert, &early.key, "W0108", "not valid yet"),
        (&soon.cert, &soon.key, "W0108", "ends in 2 days"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("main.crt"), cert).unwrap();
        std::fs::write(directory.path().join("main.key"), key).unwrap();
        std::fs::write(directory.path().join("weir.toml"), text(&a, &section("main"))).unwrap();
        let output = crate::harness::Spawned::run(directory.path(), &["check"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(code) && said.contains(words), "{said}");
        assert!(!said.contains("PRIVATE"), "{said}");
    }
}

#[test]
fn when_a_certificate_ends_is_a_metric_and_lines_tell_of_tls() {
    let (ca, a) = (Authority::new(), Upstream::replying("a"));
    let own = ca.issue_for(&["a.example"], -1, 31);
    let log = "[access_log]\noutput = \"access.log\"\nbuffer = \"0\"\n";
    let weir = Weir::prepared(text(&a, &(section("main") + log)), |directory| {
        own.write(directory, "main");
    });
    assert_eq!(get(&weir, "a.example", &Arc::new(ca.believed(None))).unwrap().text(), "a");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ends = weir.metric("weir_tls_certificate_expiry_timestamp_seconds{certificate=\"main\"}");
    assert!((ends - now.as_secs_f64() - 30.0 * 86_400.0).abs() < 3600.0, "{ends}");
    let path = weir.path().with_file_name("access.log");
    until("its line is written", || {
        std::fs::read_to_string(&path).is_ok_and(|log| !log.is_empty())
    });
    let line: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(line["url.scheme"], "https");
    assert_eq!(line["tls.protocol.version"], "1.3");
    assert_eq!(line["tls.client.server_name"], "a.example");
    assert!(line["tls.cipher"].as_str().unwrap().starts_with("TLS_"));
}
