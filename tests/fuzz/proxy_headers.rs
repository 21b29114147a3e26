//! Headers of the PROXY protocol: what is read of the whole is read of no part, and does not depend on what follows.

use std::net::{IpAddr, SocketAddr};

use fastrand::Rng;
use weir::net::proxy_protocol::{Begins, Header, LONGEST, Malformed, read};

use super::mutate::damage;

#[test]
fn a_header_is_whole_or_none() {
    super::run("PROXY header", 200_000, make, check);
}

fn address(random: &mut Rng, six: bool) -> SocketAddr {
    let ip = if six {
        IpAddr::from(random.u128(..).to_be_bytes())
    } else {
        IpAddr::from(random.u32(..).to_be_bytes())
    };
    SocketAddr::new(ip, random.u16(..))
}

/// A sound header, which is broken half of the time.
fn make(random: &mut Rng, input: &mut Vec<u8>) {
    let six = random.bool();
    let (source, destination) = (address(random, six), address(random, six));
    if random.bool() {
        input.extend_from_slice(&written(source, destination));
    } else {
        framed(random, source, destination, input);
    }
    damage(random, &PARTS, input);
}

const PARTS: [&[u8]; 6] =
    [b"PROXY ", b"TCP4", b"\r\n", b"UNKNOWN", b"\r\n\r\n\0\r\nQUIT\n", b"\x20"];

/// Version 1.
fn written(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv6() { "TCP6" } else { "TCP4" };
    let (from, to) = (source.port(), destination.port());
    format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip()).into_bytes()
}

/// Version 2, with vectors behind the addresses.
fn framed(random: &mut Rng, source: SocketAddr, destination: SocketAddr, input: &mut Vec<u8>) {
    let mut rest = Vec::new();
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(ip) => rest.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => rest.extend_from_slice(&ip.octets()),
        }
    }
    rest.extend_from_slice(&source.port().to_be_bytes());
    rest.extend_from_slice(&destination.port().to_be_bytes());
    for _ in 0..random.usize(..3) {
        let length = random.u16(..40);
        rest.push(random.u8(..));
        rest.extend_from_slice(&length.to_be_bytes());
        rest.extend((0..length).map(|_| random.u8(..)));
    }
    input.extend_from_slice(b"\r\n\r\n\0\r\nQUIT\n\x21");
    input.push(if source.is_ipv6() { 0x21 } else { 0x11 });
    input.extend_from_slice(&u16::try_from(rest.len()).unwrap().to_be_bytes());
    input.extend_from_slice(&rest);
}

fn check(random: &mut Rng, bytes: &[u8]) -> bool {
    let whole = read(bytes);
    let followed = [bytes, b"GET / HTTP/1.1\r\n"].concat();
    match whole {
        Ok(Begins::With(Header { length, source })) => {
            assert!(length <= bytes.len() && length <= LONGEST);
            assert_eq!(read(&followed), whole, "what follows means nothing to it");
            let cut = random.usize(..length);
            assert_eq!(read(&bytes[..cut]), Ok(Begins::Partly), "cut at {cut}");
            if let Some(source) = source {
                let again = written(source, source);
                let length = again.len();
                assert_eq!(read(&again), Ok(Begins::With(Header { length, source: Some(source) })));
            }
            true
        }
        // It stays so, whatever comes.
        Err(Malformed) => {
            assert_eq!(read(&followed), whole);
            false
        }
        Ok(Begins::Otherwise) => {
            assert_eq!(read(&followed), whole);
            false
        }
        Ok(Begins::Partly) => {
            assert!(bytes.len() < LONGEST);
            false
        }
    }
}
