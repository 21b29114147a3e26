//! Which fields weir passes on, takes off, or writes itself: what an endpoint and a client must get. Said here
//! and nowhere else.

use weir::h1::framing::Framing;
use weir::h1::write::{self, Connection};

use super::plain::{Answer, Field, Request, named, values};

/// Of one connection only (RFC 9110, 7.6.1), whoever sends them; `trailer` where there can be none.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// What `Connection` cannot make weir drop; and `x-forwarded-*`.
const PROTECTED: [&str; 12] = [
    "authorization",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "referer",
    "retry-after",
    "trailer",
    "user-agent",
    "x-real-ip",
];

/// The values, in lower case, of fields that weir writes itself.
pub type Own = [Vec<Vec<u8>>; OWN.len()];
const OWN: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "te", "upgrade"];

/// The fields that a peer must see.
#[derive(Debug, PartialEq)]
pub struct Fields<'a> {
    /// Where they stand does not matter, but there is none but these.
    pub own: Own,
    /// All others, as they came and in order.
    pub passed: Vec<Field<'a>>,
}

/// What an endpoint must see; this address is its Host where the request names none.
pub fn to_endpoint<'a>(request: &Request<'a>, endpoint: &str) -> Fields<'a> {
    let host = match &request.authority[..] {
        [] => endpoint.as_bytes(),
        authority => authority,
    };
    let came = values(&request.fields, "content-length");
    let length = match request.framing {
        Framing::Length(length) => Some(length.to_string().into_bytes()),
        Framing::None => {
            let said = came == [b"0"] || [&b"POST"[..], b"PUT", b"PATCH"].contains(&request.method);
            said.then(|| b"0".to_vec())
        }
        Framing::Chunked | Framing::UntilClose => None,
    };
    let upgrade = request.upgrade.map(<[u8]>::to_ascii_lowercase);
    let takes = values(&request.fields, "te").iter().any(|list| {
        list.split(|b| *b == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    });
    let te = (takes && upgrade.is_none()).then(|| b"trailers".to_vec());
    let connection = match (&upgrade, &te) {
        (Some(_), _) => Some(b"upgrade".to_vec()),
        (None, te) => te.as_ref().map(|_| b"te".to_vec()),
    };
    let own = [Some(host.to_vec()), length, coding(request.framing), connection, te, upgrade];
    let expects = request.modern && request.framing != Framing::None;
    let passed = passed(&request.fields, request.framing == Framing::Chunked);
    let passed = passed.filter(|(name, value)| {
        // `_` is `-` to some; what cannot be met is not expected of anybody else.
        !is_one_of(name, &["host"])
            && !name.contains(&b'_')
            && (!is_one_of(name, &["expect"])
                || expects && value.eq_ignore_ascii_case(b"100-continue"))
    });
    let via: &[u8] = if request.modern { b"1.1 weir" } else { b"1.0 weir" };
    let passed = passed.chain([(&b"via"[..], via)]).collect();
    Fields { own: own.map(Vec::from_iter), passed }
}

/// What a client must see of an answer that is written like this.
pub fn to_client<'a>(answer: &Answer<'a>, how: write::Answer<'a>) -> Fields<'a> {
    let length = match how.framing {
        // It speaks of the body that a GET would get; 204 must have none.
        _ if how.bodiless => {
            let came = values(&answer.fields, "content-length").into_iter().next();
            let canonical = |length: &&[u8]| *length == b"0" || !length.starts_with(b"0");
            came.filter(|_| answer.status != 204).filter(canonical).map(<[u8]>::to_vec)
        }
        Framing::None => Some(b"0".to_vec()),
        Framing::Length(length) => Some(length.to_string().into_bytes()),
        Framing::Chunked | Framing::UntilClose => None,
    };
    let connection = match how.connection {
        Connection::Silent => None,
        Connection::KeepAlive => Some(b"keep-alive".to_vec()),
        Connection::Close => Some(b"close".to_vec()),
    };
    let coding = coding(how.framing).filter(|_| !how.bodiless);
    let host =
        values(&answer.fields, "host").iter().map(|host| host.to_ascii_lowercase()).collect();
    let [length, coding, connection] = [length, coding, connection].map(Vec::from_iter);
    let chunked = how.framing == Framing::Chunked && !how.bodiless;
    let passed = passed(&answer.fields, chunked).filter(|(name, _)| !is_one_of(name, &["host"]));
    let dated = !values(&answer.fields, "date").is_empty();
    let date = (!dated).then_some((&b"date"[..], how.date));
    let passed = date.into_iter().chain(passed).collect();
    Fields { own: [host, length, coding, connection, Vec::new(), Vec::new()], passed }
}

/// Those that a peer has seen.
pub fn seen<'a>(fields: &[Field<'a>]) -> Fields<'a> {
    let own = OWN.map(|name| values(fields, name).iter().map(|v| v.to_ascii_lowercase()).collect());
    let passed = fields.iter().copied().filter(|(name, _)| !is_one_of(name, &OWN)).collect();
    Fields { own, passed }
}

fn coding(framing: Framing) -> Option<Vec<u8>> {
    (framing == Framing::Chunked).then(|| b"chunked".to_vec())
}

fn passed<'a>(fields: &[Field<'a>], chunked: bool) -> impl Iterator<Item = Field<'a>> {
    let nominated: Vec<_> = named(fields).collect();
    fields.iter().copied().filter(move |(name, _)| {
        let protected = is_one_of(name, &PROTECTED)
            || name.get(..12).is_some_and(|front| front.eq_ignore_ascii_case(b"x-forwarded-"));
        !is_one_of(name, &HOP_BY_HOP)
            && !is_one_of(name, &["content-length"])
            && (chunked || !is_one_of(name, &["trailer"]))
            && (protected || !nominated.iter().any(|token| token.eq_ignore_ascii_case(name)))
    })
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()))
}
