//! What is a head, said as plainly as can be, line by line: weir's readers must agree with it both ways.
//!
//! It knows no fast paths and keeps nothing; that it is slow and reads all anew each time is its virtue.

use weir::h1::Limits;
use weir::h1::framing::Framing;
use weir::message::target::{check_authority, normalise};

/// A field: its name as spelt, and its value.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// A request whose head weir must accept, and what it means.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a [u8],
    /// In lower case.
    pub authority: Vec<u8>,
    pub path: Vec<u8>,
    pub query: &'a [u8],
    pub framing: Framing,
    pub persistent: bool,
    /// It is of HTTP/1.1.
    pub modern: bool,
    /// What the connection is to become.
    pub upgrade: Option<&'a [u8]>,
    pub fields: Vec<Field<'a>>,
    pub length: usize,
}

/// An answer whose head weir must accept, and what it means.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub reason: &'a [u8],
    pub framing: Framing,
    pub persistent: bool,
    pub fields: Vec<Field<'a>>,
    pub length: usize,
}

/// The request at the front of these bytes.
pub fn request(bytes: &[u8]) -> Option<Request<'_>> {
    let whole = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let Head { line, fields, length } = head(whole, &Limits::CLIENT)?;
    if line.len() > Limits::CLIENT.line {
        return None;
    }
    let [method, target, version] = line.split(|b| *b == b' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let modern = is_modern(version)?;
    if method.is_empty() || !method.iter().all(is_token) || target.is_empty() {
        return None;
    }
    let host = match values(&fields, "host")[..] {
        [host] => lower(host)?,
        [] if !modern => Vec::new(),
        _ => return None,
    };
    let framing = said(&fields, modern)?.unwrap_or(Framing::None);
    let target = Target::of(method, target)?;
    let persistent = method != b"CONNECT" && is_persistent(&fields, modern);
    let length = length + bytes.len() - whole.len();
    let Target { authority, path, query } = target;
    let authority = authority.unwrap_or(host);
    let upgrade =
        upgrade(&fields).filter(|_| modern && method == b"GET" && framing == Framing::None);
    Some(Request {
        method,
        authority,
        path,
        query,
        framing,
        persistent,
        modern,
        upgrade,
        fields,
        length,
    })
}

/// The answer at the front of these bytes to a request that was HEAD or was not.
pub fn answer(bytes: &[u8], head_asked: bool) -> Option<Answer<'_>> {
    let Head { line, fields, length } = head(bytes, &Limits::ENDPOINT)?;
    let (version, rest) = line.split_at_checked(8)?;
    let modern = is_modern(version)?;
    let digits = rest.strip_prefix(b" ")?.get(..3)?;
    let reason = &rest[4..];
    let reason = if reason.is_empty() { reason } else { reason.strip_prefix(b" ")? };
    if !digits.iter().all(u8::is_ascii_digit) || !reason.iter().all(is_text) {
        return None;
    }
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let framing = match said(&fields, modern)? {
        _ if !(100..600).contains(&status) => return None,
        _ if head_asked || matches!(status, 100..=199 | 204 | 304) => Framing::None,
        said => said.unwrap_or(Framing::UntilClose),
    };
    let persistent = framing != Framing::UntilClose && is_persistent(&fields, modern);
    let reason = if reason.is_ascii() { reason } else { b"" };
    Some(Answer { status, reason, framing, persistent, fields, length })
}

/// The lines of a head.
pub struct Head<'a> {
    pub line: &'a [u8],
    pub fields: Vec<Field<'a>>,
    pub length: usize,
}

/// Lines that all end in CRLF, the first empty one ends the head.
pub fn head<'a>(bytes: &'a [u8], limits: &Limits) -> Option<Head<'a>> {
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let line = bytes[length..].split(|b| *b == b'\n').next()?;
        length += line.len() + 1;
        let line = line.strip_suffix(b"\r").filter(|_| length <= bytes.len())?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let (line, fields) = lines.split_first()?;
    let fields: Vec<_> = fields.iter().map(|line| field(line)).collect::<Option<_>>()?;
    let fit = fields.iter().all(|(name, value)| name.len() + value.len() <= limits.field);
    let fit = fit && fields.len() <= usize::from(limits.fields) && length <= limits.head;
    fit.then_some(Head { line, fields, length })
}

fn field(line: &[u8]) -> Option<Field<'_>> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let sound = !name.is_empty() && name.iter().all(is_token) && value.iter().all(is_text);
    sound.then_some((name, trim(value)))
}

/// Whom and what a request line asks for. Its parts are those that `paths` and `authorities` test.
struct Target<'a> {
    authority: Option<Vec<u8>>,
    path: Vec<u8>,
    query: &'a [u8],
}

impl<'a> Target<'a> {
    fn of(method: &[u8], target: &'a [u8]) -> Option<Self> {
        if method == b"CONNECT" {
            lower(target)?;
            return Some(Self { authority: None, path: Vec::new(), query: b"" });
        }
        let (front, query) = match target.iter().position(|b| *b == b'?') {
            Some(at) => target.split_at(at),
            None => (target, &b""[..]),
        };
        if !query.iter().all(|b| (0x21..0x7f).contains(b) && *b != b'#') {
            return None;
        }
        if method == b"OPTIONS" && target == b"*" {
            return Some(Self { authority: None, path: b"*".to_vec(), query });
        }
        let scheme = ["http://", "https://"].into_iter().find(|scheme| {
            let front = target.get(..scheme.len());
            front.is_some_and(|front| front.eq_ignore_ascii_case(scheme.as_bytes()))
        });
        let Some(scheme) = scheme else {
            return Some(Self { authority: None, path: normal(front)?, query });
        };
        let front = &front[scheme.len()..];
        let slash = front.iter().position(|b| *b == b'/').unwrap_or(front.len());
        let (authority, path) = front.split_at(slash);
        let path = match path {
            b"" if method == b"OPTIONS" && query.is_empty() => b"*".to_vec(),
            b"" => b"/".to_vec(),
            path => normal(path)?,
        };
        Some(Self { authority: Some(lower(authority)?), path, query })
    }
}

fn normal(path: &[u8]) -> Option<Vec<u8>> {
    normalise(path).ok().map(|normal| normal.unwrap_or_else(|| path.to_vec()))
}

fn lower(authority: &[u8]) -> Option<Vec<u8>> {
    check_authority(authority).ok().map(|_| authority.to_ascii_lowercase())
}

/// What the fields say of the body's length, if they do: one Content-Length, or one `chunked`, not both.
fn said(fields: &[Field<'_>], modern: bool) -> Option<Option<Framing>> {
    match (&values(fields, "content-length")[..], &values(fields, "transfer-encoding")[..]) {
        ([], []) => Some(None),
        ([], [coding]) => {
            let known = modern && coding.eq_ignore_ascii_case(b"chunked");
            known.then_some(Some(Framing::Chunked))
        }
        ([digits], []) => {
            let sound = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(digits).ok().filter(|_| sound)?;
            Some(Some(Framing::of_length(number.parse().ok()?)))
        }
        _ => None,
    }
}

/// RFC 9112, 9.3.
fn is_persistent(fields: &[Field<'_>], modern: bool) -> bool {
    let says = |what| named(fields).any(|token| token.eq_ignore_ascii_case(what));
    !says(b"close") && (modern || says(b"keep-alive"))
}

/// RFC 9110, 7.8, but one protocol only.
fn upgrade<'a>(fields: &[Field<'a>]) -> Option<&'a [u8]> {
    let named = named(fields).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let [protocol] = values(fields, "upgrade")[..] else { return None };
    let one = !protocol.is_empty() && protocol.iter().all(|b| b.is_ascii_graphic() && *b != b',');
    (named && one).then_some(protocol)
}

/// What `Connection` names.
pub fn named<'a>(fields: &[Field<'a>]) -> impl Iterator<Item = &'a [u8]> {
    let lists = values(fields, "connection").into_iter();
    lists.flat_map(|list| list.split(|b| *b == b',').map(trim))
}

/// The values of all fields of a name.
pub fn values<'a>(fields: &[Field<'a>], name: &str) -> Vec<&'a [u8]> {
    let of_name = |(field, _): &&Field<'a>| field.eq_ignore_ascii_case(name.as_bytes());
    fields.iter().filter(of_name).map(|(_, value)| *value).collect()
}

fn is_modern(version: &[u8]) -> Option<bool> {
    [b"HTTP/1.0", b"HTTP/1.1"].iter().position(|known| *known == version).map(|at| at == 1)
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

fn is_text(byte: &u8) -> bool {
    *byte == b'\t' || *byte >= b' ' && *byte != 0x7f
}
