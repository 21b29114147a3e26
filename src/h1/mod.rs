//! HTTP/1.1 on the wire, without I/O: bytes in, values out. No socket, no clock, no runtime.
//!
//! What weir accepts and what it writes depends on bytes and limits alone. Strict from the first byte:
//! what could be delimited in two ways is refused, never repaired.

pub mod chunked;
pub mod framing;
pub mod payload;
pub mod request;
pub mod response;
pub mod trailers;
pub mod write;

use std::mem::MaybeUninit;

use crate::message::head::{Field, Head, Known, Span};

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the whole head.
    pub head: usize,
    /// Bytes of the request line.
    pub line: usize,
    /// Bytes of one field, name and value.
    pub field: usize,
    /// How many fields, at most `MAX_FIELDS`.
    pub fields: u16,
}

impl Limits {
    /// For clients, unless told otherwise.
    pub const CLIENT: Self =
        Self { head: 32 * 1024, line: 8 * 1024, field: 16 * 1024, fields: 100 };
    /// For endpoints, unless told otherwise (D13).
    pub const ENDPOINT: Self =
        Self { head: 64 * 1024, line: 64 * 1024, field: 64 * 1024, fields: 100 };
}

/// How many fields a head may have, whatever the limits.
pub const MAX_FIELDS: usize = 256;

/// Room for the fields of a head, of which the limits allow so many.
fn room<'b, 'h>(
    fields: &'h mut [MaybeUninit<httparse::Header<'b>>; MAX_FIELDS],
    limits: &Limits,
) -> &'h mut [MaybeUninit<httparse::Header<'b>>] {
    &mut fields[..usize::from(limits.fields).min(MAX_FIELDS)]
}

/// What is wrong with a message. Of a request it decides the status; of an answer all mean 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the grammar, or could be delimited in two ways: 400.
    Malformed,
    /// The request line is too long: 414.
    LineTooLong,
    /// The head, one field, or the number of fields is too large: 431.
    HeadTooLarge,
    /// A transfer coding that weir does not know: 501 (RFC 9112, 6.1).
    UnknownCoding,
    /// A version that is not HTTP/1: 505.
    UnknownVersion,
}

/// A head that is not whole yet: which of its bytes were looked at, so that one that comes byte by byte is
/// not read anew at each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Partial {
    read: usize,
}

impl Partial {
    /// Whether it is worth reading again. Only a new line end can make a head whole or show that it never
    /// will be, and so can its length.
    pub fn may_be_whole(&mut self, bytes: &[u8], limits: &Limits) -> bool {
        let new = bytes.get(self.read..).unwrap_or_default();
        let worth_it = self.read == 0 && !bytes.is_empty()
            || new.contains(&b'\n')
            || bytes.len() > limits.head
            || bytes.len() > limits.line && !bytes.contains(&b'\n');
        self.read = bytes.len();
        worth_it
    }
}

/// A head was read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// How its body is delimited.
    pub framing: framing::Framing,
    /// How many bytes the head took.
    pub length: usize,
    /// Whether the connection may carry another message after this one (RFC 9112, 9.3).
    pub persistent: bool,
}

/// Indexes the fields that `httparse` found in `bytes`, checks what it is lenient about, and marks those
/// that concern one connection only. Answers what the framing and the connection fields say.
fn index(
    bytes: &[u8],
    found: &[httparse::Header<'_>],
    limits: &Limits,
    into: &mut Head,
) -> Result<Facts, Fault> {
    let mut facts = Facts::default();
    let base = bytes.as_ptr() as usize;
    let span = |part: &[u8]| {
        let start = part.as_ptr() as usize - base;
        Span::new(start..start + part.len())
    };
    for header in found {
        let (name, value) = (header.name.as_bytes(), header.value);
        if name.len() + value.len() > limits.field {
            return Err(Fault::HeadTooLarge);
        }
        let (name_at, value_at) = (span(name), span(value));
        ends_in_crlf(bytes, value_at.range().end, true)?;
        let known = Known::from_name(name);
        match known {
            Known::ContentLength => {
                // A second one, equal or not, is one too many: parsers differ on which counts.
                let length = framing::content_length(value)?;
                if facts.length.replace(length).is_some() {
                    return Err(Fault::Malformed);
                }
            }
            Known::TransferEncoding => {
                if facts.chunked || facts.unknown_coding {
                    return Err(Fault::Malformed);
                }
                facts.chunked = value.eq_ignore_ascii_case(b"chunked");
                facts.unknown_coding = !facts.chunked;
            }
            Known::Connection => {
                for token in tokens(value) {
                    let is = |word: &str| token.eq_ignore_ascii_case(word.as_bytes());
                    let (close, keep_alive, upgrade) =
                        (is("close"), is("keep-alive"), is("upgrade"));
                    facts.close |= close;
                    facts.keep_alive |= keep_alive;
                    facts.upgrade |= upgrade;
                    facts.nominates |= !close && !keep_alive && !upgrade;
                }
            }
            Known::Upgrade => {
                facts.upgrades += 1;
                into.upgrade = value_at;
            }
            Known::Te => {
                into.takes_trailers |=
                    tokens(value).any(|token| token.eq_ignore_ascii_case(b"trailers"));
            }
            Known::Host => facts.hosts += 1,
            Known::Expect => facts.expects = true,
            _ => {}
        }
        let removed = known.is_hop_by_hop();
        into.fields.push(Field { name: name_at, value: value_at, known, removed });
    }
    Ok(facts)
}

/// What the fields say about framing and the connection.
#[derive(Default)]
struct Facts {
    length: Option<u64>,
    chunked: bool,
    unknown_coding: bool,
    close: bool,
    keep_alive: bool,
    /// `Connection` names `upgrade`.
    upgrade: bool,
    /// How many `Upgrade` fields there are.
    upgrades: u32,
    /// `Connection` may name further fields.
    nominates: bool,
    hosts: u32,
    /// There is an `Expect`.
    expects: bool,
}

/// Settles what the connection would become: one protocol, that `Connection` names too (RFC 9110, 7.8), and
/// only if `may`; else nothing.
fn settle_upgrade(head: &mut Head, facts: &Facts, may: bool) {
    let token = head.bytes.get(head.upgrade.range()).unwrap_or_default();
    let one = facts.upgrades == 1 && facts.upgrade && !token.is_empty();
    if !may || !one || token.iter().any(|b| !b.is_ascii_graphic() || *b == b',') {
        head.upgrade = Span::default();
    }
}

/// Marks the fields that `Connection` names (RFC 9110, 7.6.1). Only those weir has no meaning for: a
/// client must not be able to make weir drop framing, credentials or what a proxy before it has added.
fn remove_nominated(head: &mut Head) {
    for at in 0..head.fields.len() {
        if head.fields[at].known != Known::Connection {
            continue;
        }
        let nominated: Vec<Vec<u8>> =
            tokens(head.slice(head.fields[at].value)).map(<[u8]>::to_vec).collect();
        for other in 0..head.fields.len() {
            let field = head.fields[other];
            let name = head.slice(field.name);
            let protected = field.known != Known::Other
                || name.get(..12).is_some_and(|p| p.eq_ignore_ascii_case(b"x-forwarded-"))
                || name.eq_ignore_ascii_case(b"x-real-ip");
            if !protected && nominated.iter().any(|token| token.eq_ignore_ascii_case(name)) {
                head.fields[other].removed = true;
            }
        }
    }
}

/// The parts of a comma-separated list.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Whether a line whose content ends at `at` ends in CRLF: `httparse` accepts a bare LF, which other
/// parsers delimit otherwise (RFC 9112, 2.2). White space before the end is allowed behind a value only.
fn ends_in_crlf(bytes: &[u8], at: usize, after_value: bool) -> Result<(), Fault> {
    let mut rest = &bytes[at..];
    while after_value && let [b' ' | b'\t', after @ ..] = rest {
        rest = after;
    }
    if rest.starts_with(b"\r\n") { Ok(()) } else { Err(Fault::Malformed) }
}

/// The last bytes of a head: the end of the last line, and an empty one.
fn ends_in_empty_line(bytes: &[u8], length: usize) -> Result<(), Fault> {
    if bytes[..length].ends_with(b"\r\n\r\n") { Ok(()) } else { Err(Fault::Malformed) }
}

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::HeadTooLarge,
            _ => Self::Malformed,
        }
    }
}
