//! TLS to endpoints: who is believed, what is shown, and that nothing is lost or taken for whole.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use weir::runtime::process::Reloaded;

use crate::harness::pki::{Authority, Issued};
use crate::harness::{Upstream, Weir, one_pool, until};
use crate::health::{checks, until_reason, until_state};

/// An endpoint that speaks TLS: a weir in front of the upstream, which wants to know its clients if there is an
/// authority for them.
fn secured(upstream: &Upstream, own: &Issued, clients: Option<&Authority>) -> Weir {
    speaking("[\"1.1\", \"2\"]", upstream, own, clients)
}

/// The same, in these versions of HTTP.
fn speaking(
    versions: &str,
    upstream: &Upstream,
    own: &Issued,
    clients: Option<&Authority>,
) -> Weir {
    let auth = "[listeners.web.tls]\nclient_auth = \"require\"\nclient_ca = \"ca.pem\"\n";
    let text = format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocol = \"https\"\npool = \"app\"\n\
         http_versions = {versions}\n{}\
         [pools.app]\nendpoints = [\"{upstream}\"]\n[certificates.own]\ncert = \"own.crt\"\n\
         key = {{ file = \"own.key\" }}\n",
        if clients.is_some() { auth } else { "" }
    );
    Weir::prepared(text, |directory| {
        own.write(directory, "own");
        if let Some(ca) = clients {
            std::fs::write(directory.join("ca.pem"), ca.pem()).unwrap();
        }
    })
}

/// A pool of this endpoint, with TLS as these keys say.
fn text(endpoint: SocketAddr, keys: &str) -> String {
    format!("{}scheme = \"https\"\n[pools.app.tls]\n{keys}", one_pool(&[&endpoint]))
}

/// In front of it: a weir that has the authority at hand.
fn front(ca: &Authority, text: &str) -> Weir {
    Weir::prepared(text, |directory| std::fs::write(directory.join("ca.pem"), ca.pem()).unwrap())
}

const TRUSTS: &str = "ca = \"ca.pem\"\nserver_name = \"app.internal\"\n";
const FAILED: &str = "weir_http_refused_total{route=\"none\",reason=\"tls\"}";

#[test]
fn an_endpoint_is_believed_if_its_authority_is_and_its_name_fits() {
    let (ca, other) = (Authority::new(), Authority::new());
    let a = Upstream::replying("a");
    let endpoint = secured(&a, &ca.issue(&["app.internal"]), None);
    let at = endpoint.address();
    let weir = front(&ca, &(text(at, TRUSTS) + "[runtime]\nworkers = 1\n"));
    for _ in 0..3 {
        assert_eq!(weir.get("/").text(), "a");
    }
    assert_eq!(weir.metric("weir_pool_connect_seconds_count{pool=\"app\"}"), 1.0, "and kept");
    std::fs::write(weir.path().with_file_name("other.pem"), other.pem()).unwrap();
    for keys in [
        // Another name; the address, which the certificate does not have; another authority; the system's.
        "ca = \"ca.pem\"\nserver_name = \"other.internal\"\n",
        "ca = \"ca.pem\"\n",
        "ca = \"other.pem\"\nserver_name = \"app.internal\"\n",
        "ca = \"system\"\nserver_name = \"app.internal\"\n",
    ] {
        let before = weir.metric(FAILED);
        assert_eq!(weir.reload(text(at, keys)), Reloaded::Accepted, "{keys}");
        let answer = weir.get("/");
        assert_eq!(answer.status, 502, "what was open is not used any more: {keys}");
        assert!(answer.text().contains("no TLS connection"), "{}", answer.text());
        weir.until_metric(FAILED, before + 1.0);
    }
    assert_eq!(weir.reload(text(at, "verify = false\n")), Reloaded::Accepted);
    assert_eq!(weir.get("/").text(), "a");
    // Without TLS there is nothing to hear from it but that it wants some.
    assert_eq!(weir.reload(one_pool(&[&at])), Reloaded::Accepted);
    assert!(weir.get("/").text().contains("this port speaks TLS"));
    // And one that does not speak it at all.
    let plain = Upstream::scripted(|mut peer| {
        peer.read();
        peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    });
    assert_eq!(weir.reload(text(plain.address(), TRUSTS)), Reloaded::Accepted);
    assert!(weir.get("/").text().contains("no TLS connection"));
}

#[test]
fn weir_shows_a_certificate_of_its_own_if_it_is_asked() {
    let ca = Authority::new();
    let a = Upstream::replying("a");
    let endpoint = secured(&a, &ca.issue(&["app.internal"]), Some(&ca));
    let weir = front(&ca, &text(endpoint.address(), TRUSTS));
    assert_eq!(weir.get("/").status, 502);
    ca.issue(&["weir"]).write(weir.path().parent().unwrap(), "weir");
    let shows = format!("{TRUSTS}cert = \"weir.crt\"\nkey = {{ file = \"weir.key\" }}\n");
    assert_eq!(weir.reload(text(endpoint.address(), &shows)), Reloaded::Accepted);
    assert_eq!(weir.get("/").text(), "a");
}

#[test]
fn long_bodies_pass_both_ways_and_a_connection_that_was_closed_costs_nothing() {
    let ca = Authority::new();
    let mirror = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            peer.reply(request.split_once("\r\n\r\n").unwrap().1);
        }
    });
    let issued = ca.issue(&["app.internal"]);
    for versions in ["\"1.1\"", "\"2\""] {
        let endpoint = speaking(versions, &mirror, &issued, None);
        let weir = front(&ca, &(text(endpoint.address(), TRUSTS) + "[runtime]\nworkers = 1\n"));
        let body: String =
            (0..3_000_017).map(|at| char::from(b'a' + ((at / 251 + at) % 26) as u8)).collect();
        let mut client = weir.connect();
        for _ in 0..3 {
            client.send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ));
            client.send(&body);
            assert!(client.answer().text() == body);
        }
        assert_eq!(weir.metric("weir_pool_connect_seconds_count{pool=\"app\"}"), 1.0);
        // The endpoint closes what is idle; the next request does not meet it.
        let idle = "weir_listener_connections{listener=\"web\"}";
        until("it is idle there", || endpoint.metric(idle) == 1.0);
        endpoint.advance(400);
        endpoint.until_metric(idle, 0.0);
        for _ in 0..20 {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
            assert_eq!(client.answer().text(), "ok");
        }
    }
}

#[test]
fn checks_speak_tls_too_and_say_what_they_do_not_believe() {
    let (ca, other) = (Authority::new(), Authority::new());
    let a = Upstream::replying("a");
    let endpoint = secured(&a, &ca.issue(&["app.internal"]), None);
    let at = endpoint.address();
    for kind in ["http\"\npath = \"/healthz", "tcp"] {
        let health = format!(
            "[pools.app.health]\ntype = \"{kind}\"\ninterval = \"20ms\"\ntimeout = \"2s\"\n"
        );
        let weir = front(&ca, &(text(at, TRUSTS) + &health));
        until("it is well", || checks(&weir, &at, "ok") >= 2.0);
        std::fs::write(weir.path().with_file_name("ca.pem"), other.pem()).unwrap();
        weir.process().reload();
        until_state(&weir, &at, "unhealthy");
        until_reason(&weir, &at, "tls");
        std::fs::write(weir.path().with_file_name("ca.pem"), ca.pem()).unwrap();
        weir.process().reload();
        until_reason(&weir, &at, "passed");
    }
}

/// An endpoint that speaks TLS, answers one request with these bytes, and ends without a goodbye.
fn breaks_off(own: &Issued, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(own.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, socket);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.flush();
            }
            let _ = stream.sock.shutdown(Shutdown::Both);
        }
    });
    address
}

#[test]
fn row_42_an_answer_that_ends_without_a_goodbye_is_never_taken_for_whole() {
    let ca = Authority::new();
    let own = ca.issue(&["app.internal"]);
    let at = breaks_off(&own, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf of it");
    let weir = front(&ca, &text(at, TRUSTS));
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let rest = client.rest();
    assert!(rest.as_ref().is_err() || !rest.unwrap().ends_with(b"0\r\n\r\n"));
    weir.until_metric("weir_http_refused_total{route=\"none\",reason=\"truncated\"}", 1.0);
}
