//! One message head: the bytes as they came, with an index of what they mean.
//!
//! A parser fills it (`h1::request`, `h1::response`), the spine and the access log read it, `h1::write`
//! writes it anew. What is changed on the way is a mark on a field, or bytes added behind the others. The
//! same type serves requests and answers; heads are used again, so none of this allocates in the long run.

use std::ops::Range;

/// A head of a request or an answer.
#[derive(Default)]
pub struct Head {
    /// The head as received; what replaces a part of it stands behind.
    pub bytes: Vec<u8>,
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// The version of the message.
    pub version: Version,
    /// Of a request: its method.
    pub method: Method,
    /// Of a request: how a method of no known name is spelt.
    pub method_name: Span,
    /// Of a request: who it is for, `host` or `host:port`; empty in HTTP/1.0 without Host.
    pub authority: Span,
    /// Of a request: the host of the authority, as matched by routes: without the port.
    pub host: Span,
    /// Of a request: its path, normalised; or `*`.
    pub path: Span,
    /// Of a request: its query with the `?`, byte for byte; or empty.
    pub query: Span,
    /// The protocol that the connection is to become, or becomes; empty: it stays as it is.
    pub upgrade: Span,
    /// Of a request: its sender understands trailers (RFC 9110, 10.1.4).
    pub takes_trailers: bool,
    /// Of an answer: its status.
    pub status: u16,
    /// Of an answer: its reason phrase.
    pub reason: Span,
}

/// A part of a head's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u32,
    /// Behind its last byte.
    pub end: u32,
}

/// One field of a head.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, as spelt.
    pub name: Span,
    /// Its value, without white space around it.
    pub value: Span,
    /// What weir knows the name as.
    pub known: Known,
    /// It is not written: it concerns one connection only, or is written in another way.
    pub removed: bool,
}

/// Version of an HTTP/1 message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// Methods that weir treats by name; all others are `Other`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Connect,
    Other,
}

/// Field names that weir treats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Authorization,
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    ProxyConnection,
    Referer,
    RetryAfter,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRealIp,
    Other,
}

impl Head {
    /// Empties it for the next message, keeping its memory.
    pub fn clear(&mut self) {
        let (mut bytes, mut fields) =
            (std::mem::take(&mut self.bytes), std::mem::take(&mut self.fields));
        bytes.clear();
        fields.clear();
        *self = Self { bytes, fields, ..Self::default() };
    }

    /// The bytes of a part.
    pub fn slice(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    /// The text of a part that a parser has found to be ASCII.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.slice(span)).unwrap_or_default()
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: Known) -> Option<&[u8]> {
        self.fields.iter().find(|f| f.known == name && !f.removed).map(|f| self.slice(f.value))
    }

    /// Adds a field, in the form in which the writer copies it.
    pub fn add(&mut self, known: Known, name: &str, value: &str) {
        let name = self.append(name.as_bytes());
        self.append(b": ");
        let value = self.append(value.as_bytes());
        self.append(b"\r\n");
        self.fields.push(Field { name, value, known, removed: false });
    }

    /// Adds bytes behind the head, to be named by a span.
    pub fn append(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Span::new(start..self.bytes.len())
    }

    /// The host a request is for.
    pub fn host(&self) -> &str {
        self.text(self.host)
    }

    /// The method as it is written.
    pub fn method_text(&self) -> &str {
        match self.method {
            Method::Other => self.text(self.method_name),
            known => known.as_str(),
        }
    }
}

impl Span {
    /// The part between two places.
    pub fn new(range: Range<usize>) -> Self {
        // Heads are limited to 64 KiB, and what is added behind them to as much again.
        Self { start: range.start as u32, end: range.end as u32 }
    }

    /// Where it is.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl Method {
    /// All methods with a name, in the order of the enum.
    pub const NAMES: [&'static str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];

    /// The method a token names; methods are case-sensitive (RFC 9110, 9.1).
    pub fn from_token(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Its name; methods without one share `_OTHER`, as in metrics.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or("_OTHER")
    }

    /// Whether doing it twice is as good as once (RFC 9110, 9.2.2).
    pub fn is_idempotent(self) -> bool {
        matches!(
            self,
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace
        )
    }
}

impl Known {
    /// The name a field is known by; names are compared without case (RFC 9110, 5.1).
    pub fn from_name(name: &[u8]) -> Self {
        let candidates: &[(&str, Self)] = match name.len() {
            2 => &[("te", Self::Te)],
            4 => &[("host", Self::Host), ("date", Self::Date)],
            6 => &[("cookie", Self::Cookie), ("expect", Self::Expect)],
            7 => &[
                ("referer", Self::Referer),
                ("upgrade", Self::Upgrade),
                ("trailer", Self::Trailer),
            ],
            9 => &[("forwarded", Self::Forwarded), ("x-real-ip", Self::XRealIp)],
            10 => &[
                ("user-agent", Self::UserAgent),
                ("connection", Self::Connection),
                ("keep-alive", Self::KeepAlive),
            ],
            11 => &[("retry-after", Self::RetryAfter)],
            12 => &[("content-type", Self::ContentType)],
            13 => &[("authorization", Self::Authorization)],
            14 => {
                &[("content-length", Self::ContentLength), ("http2-settings", Self::Http2Settings)]
            }
            15 => &[("x-forwarded-for", Self::XForwardedFor)],
            16 => &[
                ("proxy-connection", Self::ProxyConnection),
                ("x-forwarded-host", Self::XForwardedHost),
                ("x-forwarded-port", Self::XForwardedPort),
            ],
            17 => &[
                ("transfer-encoding", Self::TransferEncoding),
                ("x-forwarded-proto", Self::XForwardedProto),
            ],
            _ => &[],
        };
        // The first letters of the candidates of one length differ: mostly one comparison is left, or none.
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        candidates
            .iter()
            .find(|(known, _)| known.as_bytes()[0] == first && is_same_name(name, known.as_bytes()))
            .map_or(Self::Other, |(_, known)| *known)
    }

    /// Whether it concerns one connection only and is never passed on (RFC 9110, 7.6.1). Framing fields
    /// are here too: weir writes its own.
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Http2Settings
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

/// Whether a token is this name of letters and hyphens, in any case; both are equally long. Eight letters
/// at a time: setting the bit that tells cases apart makes no other character of a token a letter or a
/// hyphen.
fn is_same_name(token: &[u8], name: &[u8]) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let lower = |eight: &[u8; 8]| u64::from_ne_bytes(*eight) | CASE;
    let (Some(begin), Some(end)) = (token.first_chunk(), token.last_chunk()) else {
        return token.eq_ignore_ascii_case(name);
    };
    let middle = |text: &[u8]| text.get(8..16).and_then(<[u8]>::first_chunk).map(lower);
    name.first_chunk().map(lower) == Some(lower(begin))
        && name.last_chunk().map(lower) == Some(lower(end))
        && middle(token) == middle(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_without_case() {
        assert_eq!(Known::from_name(b"Transfer-ENCODING"), Known::TransferEncoding);
        assert_eq!(Known::from_name(b"transfer-encodinG "), Known::Other);
        assert_eq!(Known::from_name(b""), Known::Other);
        let name = b"Transfer-Encoding";
        for at in 0..name.len() {
            for byte in (b'!'..=b'~').filter(|byte| !byte.eq_ignore_ascii_case(&name[at])) {
                let mut other = *name;
                other[at] = byte;
                assert_eq!(Known::from_name(&other), Known::Other, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn methods_are_case_sensitive_and_named_in_order() {
        for name in Method::NAMES {
            assert_eq!(Method::from_token(name.as_bytes()).as_str(), name);
        }
        assert_eq!(Method::from_token(b"get"), Method::Other);
        assert_eq!(Method::Other.as_str(), "_OTHER");
    }
}
