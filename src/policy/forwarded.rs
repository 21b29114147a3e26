//! `policies.NAME.forwarded`: what an endpoint is told of the client behind weir (RFC 7239).
//!
//! What clients say of themselves in these fields is taken away, unless the listener trusts them: an endpoint that
//! reads them must be able to believe them (threats.md, row 25). The last element of a list is always weir's.

use std::io::Write;
use std::net::IpAddr;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::head::{Field, Head, Known, Span};

/// Which fields tell of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarded {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded`.
    Rfc7239,
    /// All of them.
    Both,
    /// None; what clients say is passed on as it is.
    Off,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// It is a proxy whose word is believed.
    pub trusted: bool,
    /// How it speaks to weir: "http".
    pub scheme: &'static str,
}

impl Forwarded {
    /// Settles what the endpoint will read of the client.
    pub fn settle(self, head: &mut Head, peer: Peer) {
        if self == Self::Off {
            return;
        }
        if !peer.trusted {
            for field in &mut head.fields {
                let name = &head.bytes[field.name.range()];
                field.removed |= is_telling(field.known) || is_of_the_family(field.known, name);
            }
        }
        if matches!(self, Self::XForwarded | Self::Both) {
            tell(head, Known::XForwardedFor, "x-forwarded-for: ", peer, |out, _| {
                write_address(peer.address, out);
            });
            if !says(head, Known::XForwardedProto, peer) {
                tell(head, Known::XForwardedProto, "x-forwarded-proto: ", peer, |out, _| {
                    out.extend_from_slice(peer.scheme.as_bytes());
                });
            }
            if !says(head, Known::XForwardedHost, peer) && !head.authority.is_empty() {
                tell(head, Known::XForwardedHost, "x-forwarded-host: ", peer, |out, authority| {
                    out.extend_from_within(authority);
                });
            }
        }
        if matches!(self, Self::Rfc7239 | Self::Both) {
            tell(head, Known::Forwarded, "forwarded: ", peer, |out, authority| {
                let quoted = peer.address.is_ipv6();
                out.extend_from_slice(if quoted { b"for=\"[" } else { b"for=" });
                write_address(peer.address, out);
                out.extend_from_slice(if quoted { b"]\";proto=" } else { b";proto=" });
                out.extend_from_slice(peer.scheme.as_bytes());
                if !authority.is_empty() {
                    out.extend_from_slice(b";host=\"");
                    out.extend_from_within(authority);
                    out.push(b'"');
                }
            });
        }
    }
}

/// Whether a trusted peer has said it already.
fn says(head: &Head, name: Known, peer: Peer) -> bool {
    peer.trusted && head.get(name).is_some()
}

/// Adds a field, whose name stands here with what separates it from its value: the elements that a trusted peer's
/// list has, and behind them what `write` adds, which is handed the place of the authority.
fn tell(
    head: &mut Head,
    known: Known,
    name: &str,
    peer: Peer,
    write: impl FnOnce(&mut Vec<u8>, Range<usize>),
) {
    let name = head.append(name.as_bytes());
    let (start, name) = (name.end as usize, Span { end: name.end - 2, ..name });
    if peer.trusted {
        for field in head.fields.iter_mut().filter(|field| field.known == known) {
            if !field.removed {
                head.bytes.extend_from_within(field.value.range());
                head.bytes.extend_from_slice(b", ");
            }
            field.removed = true;
        }
    }
    write(&mut head.bytes, head.authority.range());
    let value = Span::new(start..head.bytes.len());
    head.append(b"\r\n");
    head.fields.push(Field { name, value, known, removed: false });
}

/// Writes an address; by far the most are IPv4, and are not worth a formatter.
fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(address) => {
            // A vector takes all that is written.
            let _ = write!(out, "{address}");
        }
    }
}

/// `X-Forwarded-Prefix`, `-Ssl` and others of the family that somebody may believe.
fn is_of_the_family(known: Known, name: &[u8]) -> bool {
    known == Known::Other
        && name.get(..12).is_some_and(|front| front.eq_ignore_ascii_case(b"x-forwarded-"))
}

/// Whether a field tells of clients.
const fn is_telling(known: Known) -> bool {
    matches!(
        known,
        Known::Forwarded
            | Known::XForwardedFor
            | Known::XForwardedHost
            | Known::XForwardedPort
            | Known::XForwardedProto
            | Known::XRealIp
    )
}
