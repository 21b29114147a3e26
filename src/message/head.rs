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

/// Version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// Its number, as `Via` and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
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
    XRequestId,
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
        // Heads are limited to 128 KiB, and what is added behind them to less than that again.
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
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        // Length and first letter leave one name to compare, or none.
        let (known, candidate) = match (name.len(), first) {
            (2, b't') => (Self::Te, "te"),
            (4, b'd') => (Self::Date, "date"),
            (4, b'h') => (Self::Host, "host"),
            (6, b'c') => (Self::Cookie, "cookie"),
            (6, b'e') => (Self::Expect, "expect"),
            (7, b'r') => (Self::Referer, "referer"),
            (7, b't') => (Self::Trailer, "trailer"),
            (7, b'u') => (Self::Upgrade, "upgrade"),
            (9, b'f') => (Self::Forwarded, "forwarded"),
            (9, b'x') => (Self::XRealIp, "x-real-ip"),
            (10, b'c') => (Self::Connection, "connection"),
            (10, b'k') => (Self::KeepAlive, "keep-alive"),
            (10, b'u') => (Self::UserAgent, "user-agent"),
            (11, b'r') => (Self::RetryAfter, "retry-after"),
            (12, b'c') => (Self::ContentType, "content-type"),
            (12, b'x') => (Self::XRequestId, "x-request-id"),
            (13, b'a') => (Self::Authorization, "authorization"),
            (14, b'c') => (Self::ContentLength, "content-length"),
            (14, b'h') => (Self::Http2Settings, "http2-settings"),
            (15, b'x') => (Self::XForwardedFor, "x-forwarded-for"),
            (16, b'p') => (Self::ProxyConnection, "proxy-connection"),
            (16, b'x') if name[12].eq_ignore_ascii_case(&b'h') => {
                (Self::XForwardedHost, "x-forwarded-host")
            }
            (16, b'x') => (Self::XForwardedPort, "x-forwarded-port"),
            (17, b't') => (Self::TransferEncoding, "transfer-encoding"),
            (17, b'x') => (Self::XForwardedProto, "x-forwarded-proto"),
            _ => return Self::Other,
        };
        if is_same_name(name, candidate.as_bytes()) { known } else { Self::Other }
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
        for (name, known) in [
            ("Transfer-Encoding", Known::TransferEncoding),
            ("X-Forwarded-Port", Known::XForwardedPort),
            ("X-Forwarded-Host", Known::XForwardedHost),
            ("X-REAL-IP", Known::XRealIp),
            ("x-request-ID", Known::XRequestId),
            ("Host", Known::Host),
        ] {
            assert_eq!(Known::from_name(name.as_bytes()), known);
            for at in 0..name.len() {
                for byte in b'!'..=b'~' {
                    let mut other = name.as_bytes().to_vec();
                    other[at] = byte;
                    let same = other.eq_ignore_ascii_case(name.as_bytes());
                    assert_eq!(Known::from_name(&other) == known, same, "{byte} at {at}");
                }
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
