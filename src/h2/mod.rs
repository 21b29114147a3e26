//! HTTP/2 without I/O: what its library has decoded becomes a head, and a head what it encodes; and a meter counts
//! frames, which the library does not.
//!
//! The library (hyper, over h2) has checked pseudo-fields, names and values (RFC 9113, 8.2 and 8.3). What HTTP/1 and
//! HTTP/2 have in common is settled here as `h1` settles it, so nothing behind it knows which one spoke.

pub mod answer;
mod frames;
pub mod meter;
pub mod request;
pub mod trailers;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::h1::framing::content_length;
use crate::h1::{Fault, Limits};
use crate::message::head::{Field, Head, Known, Span};
use crate::message::header_name::is_token;

/// What the fields of a message say of its body.
#[derive(Default)]
struct Facts {
    length: Option<u64>,
}

/// Adds the fields of a message to a head, in the form in which the writer of HTTP/1 copies them.
fn index(fields: &HeaderMap, limits: &Limits, into: &mut Head) -> Result<Facts, Fault> {
    let mut facts = Facts::default();
    let mut crumbs = Vec::new();
    for (name, value) in fields {
        let (name, value) = (name.as_str(), value.as_bytes());
        if name.len() + value.len() > limits.field {
            return Err(Fault::HeadTooLarge);
        }
        // RFC 9113, 8.2.1; and the library takes names that are no tokens.
        if value != value.trim_ascii() || !is_token(name) {
            return Err(Fault::Malformed);
        }
        let known = Known::from_name(name.as_bytes());
        match known {
            Known::Cookie => {
                crumbs.push(value);
                continue;
            }
            Known::ContentLength if facts.length.is_some() => return Err(Fault::Malformed),
            Known::ContentLength => facts.length = Some(content_length(value)?),
            Known::Te => into.takes_trailers |= value.eq_ignore_ascii_case(b"trailers"),
            _ => {}
        }
        add(known, name.as_bytes(), &[value], into);
    }
    if crumbs.len() > CRUMBS {
        return Err(Fault::HeadTooLarge);
    }
    if !crumbs.is_empty() {
        // One field again (RFC 9113, 8.2.3).
        if crumbs.iter().map(|crumb| crumb.len() + 2).sum::<usize>() > limits.field {
            return Err(Fault::HeadTooLarge);
        }
        add(Known::Cookie, b"cookie", &crumbs, into);
    }
    if into.fields.len() > usize::from(limits.fields) || into.bytes.len() > limits.head {
        return Err(Fault::HeadTooLarge);
    }
    Ok(facts)
}

fn add(known: Known, name: &[u8], values: &[&[u8]], into: &mut Head) {
    let name = into.append(name);
    into.append(b": ");
    let start = into.bytes.len();
    for (at, value) in values.iter().enumerate() {
        into.append(if at > 0 { b"; " } else { b"" });
        into.append(value);
    }
    let value = Span::new(start..into.bytes.len());
    into.append(b"\r\n");
    into.fields.push(Field { name, value, known, removed: known.is_hop_by_hop() });
}

/// The fields of a head that are passed on; of those about its body only what fits: `length`.
fn fields(head: &Head, length: bool, into: &mut HeaderMap) -> Result<(), Fault> {
    // One copy, of which each value is a part.
    let bytes = bytes::Bytes::copy_from_slice(&head.bytes);
    for field in &head.fields {
        let passed = match field.known {
            _ if field.removed => false,
            Known::ContentLength => length,
            // An invitation to send the body is implied: weir gives it (RFC 9110, 10.1.1).
            Known::Host | Known::Connection | Known::Expect => false,
            _ => true,
        };
        if !passed {
            continue;
        }
        let name = HeaderName::from_bytes(head.slice(field.name)).map_err(|_| Fault::Malformed)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(field.value.range()));
        into.append(name, value.map_err(|_| Fault::Malformed)?);
    }
    Ok(())
}

/// In so many pieces a Cookie may come.
const CRUMBS: usize = 128;
