//! Text with facts of the request in it: `"https://new.example.com{path}{query}"`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::exchange::Exchange;
use crate::net::ip;
use crate::net::stream::Secured;

/// A text with variables in braces. What they stand for is what the client asked, before any rewriting.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// A fact of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    ClientIp,
    Host,
    Method,
    Path,
    /// What `{name}` in the route's path stands for, and which segment of the path that is, once that is known.
    Segment(String, Option<usize>),
    Query,
    RequestId,
    Scheme,
    ClientSubject,
    Cipher,
    ServerName,
    TlsVersion,
}

/// What may stand in braces, and what it is.
pub const VARIABLES: [(&str, &str); 12] = [
    ("client_ip", "the client's address"),
    ("host", "the host that was asked, in lower case, without its port"),
    ("method", "the request's method"),
    ("path", "the path that was asked, normalised"),
    ("path.NAME", "the segment that `{NAME}` stands for in the route's `path`"),
    ("query", "the query that was asked, with its `?`; or nothing"),
    ("request_id", "the request's x-request-id"),
    ("scheme", "how the client speaks to weir: http or https"),
    ("tls.cipher", "the cipher suite of the client's connection; or nothing"),
    ("tls.client_subject", "the subject of the client's certificate, CN=bot; or nothing"),
    ("tls.server_name", "the name that the client has asked for in its handshake; or nothing"),
    ("tls.version", "the version of TLS, 1.3; or nothing"),
];

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// A sentence that says what is wrong with what stands in braces.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut plain = String::new();
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                // Two are one.
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let end = rest.find('}').filter(|_| brace == "{");
            let Some(end) = end else {
                return Err(format!(
                    "a `{brace}` by itself is written twice: write \"{brace}{brace}\""
                ));
            };
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Variable(Variable::new(&rest[..end])?));
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The same place, asked for by https.
    pub fn to_https() -> Self {
        let parts = [
            Part::Text("https://".to_owned()),
            Part::Variable(Variable::Host),
            Part::Variable(Variable::Path),
            Part::Variable(Variable::Query),
        ];
        Self { text: "https://{host}{path}{query}".to_owned(), parts: parts.into() }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Names of segments that it uses.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(Variable::Segment(name, _)) => Some(&**name),
            _ => None,
        })
    }

    /// The same, for a route: which segment of its path a name is.
    #[must_use]
    pub fn within(&self, segment: impl Fn(&str) -> Option<usize>) -> Self {
        let mut bound = self.clone();
        for part in &mut bound.parts {
            if let Part::Variable(Variable::Segment(name, at)) = part {
                *at = segment(name);
            }
        }
        bound
    }

    /// The text, if it says the same of every request.
    pub fn constant(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Writes what it says of a request.
    pub fn write(&self, x: &Exchange, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => variable.write(x, out),
            }
        }
    }
}

impl Variable {
    fn new(name: &str) -> Result<Self, String> {
        Ok(match name {
            "client_ip" => Self::ClientIp,
            "host" => Self::Host,
            "method" => Self::Method,
            "path" => Self::Path,
            "query" => Self::Query,
            "request_id" => Self::RequestId,
            "scheme" => Self::Scheme,
            "tls.cipher" => Self::Cipher,
            "tls.client_subject" => Self::ClientSubject,
            "tls.server_name" => Self::ServerName,
            "tls.version" => Self::TlsVersion,
            _ => match name.strip_prefix("path.") {
                Some(segment) if !segment.is_empty() => Self::Segment(segment.to_owned(), None),
                _ => {
                    let known: Vec<String> =
                        VARIABLES.iter().map(|(name, _)| format!("{{{name}}}")).collect();
                    return Err(format!(
                        "there is no variable `{{{name}}}`: write one of {}, or two braces for one",
                        known.join(" ")
                    ));
                }
            },
        })
    }

    fn write(&self, x: &Exchange, out: &mut Vec<u8>) {
        let head = &x.head;
        let mut secured = |fact: fn(&Secured) -> &str| {
            out.extend_from_slice(x.secured.as_deref().map_or("", fact).as_bytes());
        };
        match self {
            Self::ClientIp => ip::write(x.client.address, out),
            Self::Host => out.extend_from_slice(head.host().as_bytes()),
            Self::Method => out.extend_from_slice(head.method_text().as_bytes()),
            Self::Path => {
                let path = head.slice(x.asked);
                // `OPTIONS *` asks about no path.
                out.extend_from_slice(if path == b"*" { b"/" } else { path });
            }
            Self::Segment(_, Some(at)) => {
                let mut segments = head.slice(x.asked).split(|b| *b == b'/').skip(1);
                out.extend_from_slice(segments.nth(*at).unwrap_or_default());
            }
            Self::Segment(_, None) => {}
            Self::Query => out.extend_from_slice(head.slice(head.query)),
            Self::RequestId => out.extend_from_slice(head.slice(x.request_id)),
            Self::Scheme => out.extend_from_slice(x.client.scheme.as_bytes()),
            Self::Cipher => secured(|tls| &tls.cipher),
            Self::ClientSubject => secured(|tls| &tls.client_subject),
            Self::ServerName => secured(|tls| &tls.server_name),
            Self::TlsVersion => secured(|tls| tls.version),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().any(|b| b < b' ' && b != b'\t' || b == 0x7f) {
            return Err(de::Error::custom(
                "E0103 a header holds no line ends and no control characters: remove them\nnot in a header",
            ));
        }
        Self::new(&text)
            .map_err(|problem| de::Error::custom(format_args!("E0103 {problem}\nno variable")))
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::exchange::Exchange;
    use crate::message::head::{Head, Span};

    #[test]
    fn variables_stand_for_what_the_client_asked() {
        let mut head = Head::default();
        head.host = head.append(b"shop.example");
        head.path = head.append(b"/users/7/posts");
        head.query = head.append(b"?a=b");
        let mut x = Exchange::bare(head);
        x.request_id = x.head.append(b"id-1");
        x.head.path = x.head.append(b"/rewritten");
        let says = |text: &str| {
            let template = Template::new(text).unwrap();
            let template = template.within(|name| (name == "id").then_some(1));
            let mut out = Vec::new();
            template.write(&x, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(says("{scheme}://{host}{path}{query}"), "http://shop.example/users/7/posts?a=b");
        assert_eq!(says("{method} {path.id}|{path.no} {request_id}"), "GET 7| id-1");
        assert_eq!(says("{client_ip}"), "0.0.0.0");
        assert_eq!(says("{{{host}}} }}"), "{shop.example} }");
        assert_eq!(Template::new("a}}").unwrap().constant(), Some("a}"));
        assert_eq!(Template::new("{host}").unwrap().constant(), None);
        assert_eq!(x.head.slice(Span::default()), b"");
    }

    #[test]
    fn what_is_no_variable_is_told() {
        for wrong in ["{", "}", "{}", "{hots}", "{path.}", "a{b", "{host"] {
            assert!(Template::new(wrong).is_err(), "{wrong}");
        }
    }
}
