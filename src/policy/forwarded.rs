//! `policies.NAME.forwarded`: what an endpoint is told of the client behind weir (RFC 7239).
//!
//! What clients say of themselves in these fields is taken away, unless the listener trusts them: an endpoint that
//! reads them must be able to believe them. The last element of a list is always weir's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::exchange::Client;
use crate::message::head::{Field, Head, Known, Span};
use crate::message::header_name::HeaderName;
use crate::net::ip;

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

impl Forwarded {
    /// Settles what the endpoint will read of the client.
    pub fn settle(self, head: &mut Head, client: Client) {
        if self == Self::Off {
            return;
        }
        if !client.trusted {
            for field in &mut head.fields {
                let name = &head.bytes[field.name.range()];
                field.removed |= is_telling(field.known) || is_of_the_family(field.known, name);
            }
        }
        if matches!(self, Self::XForwarded | Self::Both) {
            tell(head, Known::XForwardedFor, "x-forwarded-for: ", client, |out, _| {
                ip::write(client.peer.ip(), out);
            });
            if !says(head, Known::XForwardedProto, client) {
                tell(head, Known::XForwardedProto, "x-forwarded-proto: ", client, |out, _| {
                    out.extend_from_slice(client.scheme.as_bytes());
                });
            }
            if !says(head, Known::XForwardedHost, client) && !head.authority.is_empty() {
                tell(
                    head,
                    Known::XForwardedHost,
                    "x-forwarded-host: ",
                    client,
                    |out, authority| {
                        out.extend_from_within(authority);
                    },
                );
            }
        }
        if matches!(self, Self::Rfc7239 | Self::Both) {
            tell(head, Known::Forwarded, "forwarded: ", client, |out, authority| {
                let quoted = client.peer.ip().is_ipv6();
                out.extend_from_slice(if quoted { b"for=\"[" } else { b"for=" });
                ip::write(client.peer.ip(), out);
                out.extend_from_slice(if quoted { b"]\";proto=" } else { b";proto=" });
                out.extend_from_slice(client.scheme.as_bytes());
                if !authority.is_empty() {
                    out.extend_from_slice(b";host=\"");
                    out.extend_from_within(authority);
                    out.push(b'"');
                }
            });
        }
    }
}

/// The client's address as believed proxies tell it: in their list, the last that is none of them. `None`: they
/// do not tell. What cannot be understood, or is told in two ways, is nobody's address: 0.0.0.0, which no list lets
/// in.
pub fn origin(head: &Head, trusts: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    match [Known::XForwardedFor, Known::Forwarded].map(|known| last(head, known, &trusts)) {
        [Some(one), Some(other)] if one != other => Some(NOBODY),
        [one, other] => one.or(other),
    }
}

/// The last address in one list that is no proxy's.
fn last(head: &Head, known: Known, trusts: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let lists = head.fields.iter().rev().filter(|field| field.known == known && !field.removed);
    let elements = lists.flat_map(|field| head.slice(field.value).rsplit(|b| *b == b','));
    let mut origin = None;
    // Empty elements say nothing (RFC 9110, 5.6.1).
    for element in elements.filter(|element| !element.trim_ascii().is_empty()) {
        let told = if known == Known::Forwarded { node(element) } else { Some(element) };
        let address = told.and_then(address).unwrap_or(NOBODY);
        origin = Some(address);
        if !trusts(address) {
            break;
        }
    }
    origin
}

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What an element of `Forwarded` says in `for` (RFC 7239, 5.2).
fn node(element: &[u8]) -> Option<&[u8]> {
    element.split(|b| *b == b';').find_map(|pair| {
        let (name, value) = pair.trim_ascii().split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    })
}

/// An address, perhaps with a port, in brackets or in quotes.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let found = text.parse().ok().or_else(bare);
    let found = found.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

/// Whether a trusted peer has said it already.
fn says(head: &Head, name: Known, client: Client) -> bool {
    client.trusted && head.get(name).is_some()
}

/// Adds a field, whose name stands here with what separates it from its value: the elements that a trusted peer's
/// list has, and behind them what `write` adds, which is handed the place of the authority.
fn tell(
    head: &mut Head,
    known: Known,
    name: &str,
    client: Client,
    write: impl FnOnce(&mut Vec<u8>, Range<usize>),
) {
    let name = head.append(name.as_bytes());
    let (start, name) = (name.end as usize, Span { end: name.end - 2, ..name });
    if client.trusted {
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

/// Whether a header tells of clients, as proxies do.
pub fn tells_of_clients(name: &HeaderName) -> bool {
    is_telling(name.known()) || is_of_the_family(name.known(), name.as_str().as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fields: &[(Known, &str)]) -> Option<String> {
        let mut head = Head::default();
        for (known, value) in fields {
            head.add(*known, "x", value);
        }
        let trusts = |address: IpAddr| address.is_loopback();
        origin(&head, trusts).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        use Known::{Forwarded, XForwardedFor};
        for (fields, expected) in [
            (&[][..], None),
            (&[(XForwardedFor, "1.1.1.1")], Some("1.1.1.1")),
            (&[(XForwardedFor, "1.1.1.1, 2.2.2.2 ,127.0.0.1")], Some("2.2.2.2")),
            (&[(XForwardedFor, "1.1.1.1"), (XForwardedFor, "127.0.0.1")], Some("1.1.1.1")),
            (&[(XForwardedFor, "127.0.0.2, 127.0.0.1")], Some("127.0.0.2")),
            (&[(XForwardedFor, "1.1.1.1, secret, 127.0.0.1")], Some("0.0.0.0")),
            (&[(XForwardedFor, "unknown")], Some("0.0.0.0")),
            (&[(XForwardedFor, "1.1.1.1, ,127.0.0.1,"), (XForwardedFor, "")], Some("1.1.1.1")),
            (&[(XForwardedFor, "1.1.1.1:99999")], Some("0.0.0.0")),
            (&[(XForwardedFor, "[2001:db8::1]:80")], Some("2001:db8::1")),
            (&[(XForwardedFor, "::ffff:3.3.3.3")], Some("3.3.3.3")),
            (&[(XForwardedFor, "4.4.4.4:123"), (Forwarded, "for=4.4.4.4")], Some("4.4.4.4")),
            (&[(XForwardedFor, "4.4.4.4"), (Forwarded, "for=5.5.5.5")], Some("0.0.0.0")),
            (&[(Forwarded, "proto=http;For=\"[::2]:80\", for=127.0.0.1")], Some("::2")),
            (&[(Forwarded, "for=_hidden")], Some("0.0.0.0")),
        ] {
            assert_eq!(told(fields).as_deref(), expected, "{fields:?}");
        }
    }
}
