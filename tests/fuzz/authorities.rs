//! The check of an authority against its rule, said plainly; what passes, another parser splits alike.

use std::net::Ipv6Addr;

use fastrand::Rng;
use http::uri;
use weir::message::target::{Authority, check_authority};

use super::mutate::{damage, mostly, near};
use super::run;

#[test]
fn an_authority_is_a_host_and_a_port_to_everybody() {
    run("authorities", 1_000_000, make, |_, authority| {
        let shown = authority.escape_ascii();
        let expected = plain(authority);
        assert_eq!(check_authority(authority).ok(), expected, "{shown}");
        let Some(Authority { host, .. }) = expected else { return false };
        let other = uri::Authority::try_from(authority).expect("others accept it");
        assert_eq!(other.host().as_bytes(), &authority[..host], "{shown}");
        assert_eq!(other.port().is_some(), host < authority.len(), "{shown}");
        // In lower case, as it is matched by routes, it is the same one.
        let lower = Authority { host, upper: false };
        assert_eq!(check_authority(&authority.to_ascii_lowercase()), Ok(lower), "{shown}");
        true
    });
}

pub fn make(random: &mut Rng, into: &mut Vec<u8>) {
    if random.u8(..) == 0 {
        into.resize(near(random, MAX_HOST) - random.usize(0..12), b'a');
    }
    into.extend_from_slice(mostly(random, 10, &HOSTS));
    into.extend_from_slice(mostly(random, 7, &PORTS));
    damage(random, &[HOSTS, PORTS].concat(), into);
}

const HOSTS: [&[u8]; 20] = [
    b"a",
    b"a.example",
    b"A.EXAMPLE.",
    b"xn--e1afmkfd.example",
    b"a_b~c",
    b"127.0.0.1",
    b"0x7f.1",
    b"[::1]",
    b"[::ffff:127.0.0.1]",
    b"[2001:DB8:0:0:0:0:0:1]",
    b"[::1%25eth0]",
    b"[v1.x]",
    b"[::1",
    b"::1",
    b"[]",
    b"user@a",
    b"user:password@a",
    b"a%41",
    b"\xc3\xa9.example",
    b"a,b",
];
const PORTS: [&[u8]; 20] = [
    b"", b"", b"", b":80", b":8080", b":0", b":65535", b":65536", b":99999", b":000080", b":00080",
    b":", b":+80", b":-1", b":8 0", b":80:80", b":x", b":80/", b":80#a", b" ",
];

const MAX_HOST: usize = 255;

/// `host[:port]`: the host a name of unreserved characters or an IPv6 address in brackets, of at most 255
/// bytes, the port one to five digits up to 65535.
fn plain(authority: &[u8]) -> Option<Authority> {
    let text = std::str::from_utf8(authority).ok()?;
    let colon = text.rfind(':').filter(|at| !text[*at..].contains(']'));
    let (host, port) = text.split_at(colon.unwrap_or(text.len()));
    let is_address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let is_port = |digits: &str| {
        (1..=5).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && digits.parse::<u16>().is_ok()
    };
    let sound = (is_address || is_name)
        && (1..=MAX_HOST).contains(&host.len())
        && port.strip_prefix(':').is_none_or(is_port);
    let upper = host.bytes().any(|b| b.is_ascii_uppercase());
    sound.then_some(Authority { host: host.len(), upper })
}
