//! An answer: of what an endpoint's stream has brought, a head; and of a head, what goes to a client.

use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{Facts, fields, index};
use crate::h1::framing::Framing;
use crate::h1::{Fault, Limits};
use crate::message::head::{Head, Known, Method, Version};
use crate::message::reply::reason_phrase;

/// Reads the answer to a request of this method; `ended`: it has no body. How its body is delimited towards HTTP/1.
///
/// # Errors
/// What is wrong with it.
pub fn read(
    parts: &Parts,
    ended: bool,
    asked: Method,
    limits: &Limits,
    into: &mut Head,
) -> Result<Framing, Fault> {
    into.clear();
    into.version = Version::Http2;
    into.status = parts.status.as_u16();
    if !(200..600).contains(&into.status) {
        return Err(Fault::Malformed);
    }
    into.reason = into.append(reason_phrase(into.status).as_bytes());
    let Facts { length } = index(&parts.headers, limits, into)?;
    let bodiless = asked == Method::Head || matches!(into.status, 204 | 304);
    match length {
        _ if bodiless => Ok(Framing::None),
        Some(1..) if ended => Err(Fault::Malformed),
        _ if ended => Ok(Framing::None),
        Some(length @ 1..) => Ok(Framing::Length(length)),
        // Trailers may come behind nothing.
        Some(0) | None => Ok(Framing::Chunked),
    }
}

/// What goes to a client: status and fields. `length`: of its body, if that is known; `bodiless`: there is none, and
/// Content-Length, if any, speaks of another.
///
/// # Errors
/// `Malformed` if HTTP/2 has no way to say it.
pub fn write(
    head: &Head,
    length: Option<u64>,
    bodiless: bool,
    date: &[u8],
) -> Result<(StatusCode, HeaderMap), Fault> {
    let status = StatusCode::from_u16(head.status).map_err(|_| Fault::Malformed)?;
    let mut headers = HeaderMap::with_capacity(head.fields.len() + 2);
    // RFC 9110, 8.6: 204 must not have one.
    let kept = if bodiless { head.status != 204 } else { length.is_some() };
    fields(head, kept, &mut headers)?;
    if let Some(length) = length.filter(|_| !bodiless) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    if head.get(Known::Date).is_none() {
        let date = HeaderValue::from_bytes(date).map_err(|_| Fault::Malformed)?;
        headers.insert(header::DATE, date);
    }
    Ok((status, headers))
}
