//! The first words of TLS: the name that is read does not depend on how they are cut, and nothing makes the reader fail.

use std::sync::{Arc, LazyLock};

use fastrand::Rng;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use weir::tls::hello::{Hello, NoHello};

use super::mutate::damage;

#[test]
fn a_name_does_not_depend_on_how_it_comes() {
    super::run("hellos", 10_000, make, check);
}

fn make(random: &mut Rng, input: &mut Vec<u8>) {
    static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    });
    let names = ["a.example", "db.internal", "127.0.0.1", "xn--4ca.example"];
    let name = ServerName::try_from(names[random.usize(..names.len())]).unwrap();
    let mut client = ClientConnection::new(Arc::clone(&CONFIG), name).unwrap();
    client.write_tls(input).unwrap();
    if random.bool() {
        input.truncate(random.usize(..=input.len()));
    }
    damage(random, &[b"\x16\x03\x01", b"\0\0", b"a.example"], input);
}

fn look(
    pieces: impl Iterator<Item = usize>,
    bytes: &[u8],
) -> Result<Option<Option<String>>, NoHello> {
    let (mut hello, mut seen) = (Hello::default(), 0);
    for piece in pieces {
        seen = bytes.len().min(seen + piece);
        let asked = hello.look(&bytes[..seen])?;
        if asked.is_some() || seen == bytes.len() {
            return Ok(asked);
        }
    }
    Ok(None)
}

fn check(random: &mut Rng, bytes: &[u8]) -> bool {
    let whole = look([bytes.len()].into_iter(), bytes);
    let cut = look(std::iter::repeat_with(|| random.usize(1..400)), bytes);
    assert_eq!(cut, whole);
    matches!(whole, Ok(Some(_)))
}
