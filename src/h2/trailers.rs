//! Trailers on their way between HTTP/2, which has them as fields, and the rest of weir, which has them as lines.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::h1::Fault;
use crate::h1::chunked::Limits;
use crate::h1::trailers::may_be_a_trailer;

/// Lines of a trailer section, each ended by CRLF.
///
/// # Errors
/// `HeadTooLarge` beyond the limits.
pub fn read(fields: &HeaderMap, limits: &Limits, into: &mut Vec<u8>) -> Result<(), Fault> {
    for (name, value) in fields {
        into.extend_from_slice(name.as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value.as_bytes());
        into.extend_from_slice(b"\r\n");
    }
    let fits =
        fields.len() <= usize::from(limits.trailers) && into.len() <= limits.trailer_size as usize;
    if fits { Ok(()) } else { Err(Fault::HeadTooLarge) }
}

/// The fields of a trailer section that may be passed on.
pub fn write(section: &[u8]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in section.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let field = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = field
            && may_be_a_trailer(line.get(..colon).unwrap_or_default())
        {
            fields.append(name, value);
        }
    }
    fields
}
