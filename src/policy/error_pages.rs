//! `policies.NAME.error_pages`: bodies of the operator's own for answers that are errors.
//!
//! They replace the body of weir's own answers and of the endpoints' alike; the status stays. What was said of the
//! body that is gone goes with it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::Filter;
use crate::message::body::Body;
use crate::message::exchange::Exchange;
use crate::message::head::Known;
use crate::message::reply::Reply;

/// `[policies.NAME.error_pages]`: status ("503") or class ("5xx") → file with the body, at most 128 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(BTreeMap<Which, Page>);

/// The answers that a page is for. A status comes before its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Status(u16),
    Class(u16),
}

/// A file with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// As the file says it.
    pub path: PathBuf,
    /// What is in it, once it was read.
    pub body: Arc<[u8]>,
}

impl Config {
    /// What a later one says wins, page by page.
    pub fn merge(&mut self, later: &Self) {
        self.0.extend(later.0.clone());
    }

    /// All pages, with their keys.
    pub fn pages(&mut self) -> impl Iterator<Item = (String, &mut Page)> {
        self.0.iter_mut().map(|(which, page)| (which.to_string(), page))
    }

    /// What does it, if there is anything to do.
    pub fn filter(&self) -> Option<ErrorPages> {
        (!self.0.is_empty()).then(|| ErrorPages(self.0.clone()))
    }
}

/// Replaces bodies.
pub struct ErrorPages(BTreeMap<Which, Page>);

impl Filter for ErrorPages {
    fn on_response(&self, _: &Exchange, reply: &mut Reply) {
        let status = reply.head.status;
        let page =
            self.0.get(&Which::Status(status)).or_else(|| self.0.get(&Which::Class(status / 100)));
        let Some(page) = page else { return };
        for field in &mut reply.head.fields {
            let name = &reply.head.bytes[field.name.range()];
            field.removed |= matches!(field.known, Known::ContentLength | Known::ContentType)
                || OF_THE_BODY.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()));
        }
        reply.head.add(Known::ContentType, "content-type", content_type(&page.path));
        reply.set_body(Body::Shared(Arc::clone(&page.body)));
    }
}

/// Fields that tell of a body (RFC 9110, 8), and are not weir's.
const OF_THE_BODY: [&str; 9] = [
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-md5",
    "accept-ranges",
    "etag",
    "last-modified",
    "trailer",
];

/// What a file is, by its name.
fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("txt") | None => "text/plain; charset=utf-8",
        Some(_) => "application/octet-stream",
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

impl<'de> Deserialize<'de> for Which {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match (&*text, text.parse::<u16>()) {
            ("4xx", _) => Ok(Self::Class(4)),
            ("5xx", _) => Ok(Self::Class(5)),
            (_, Ok(status @ 400..600)) => Ok(Self::Status(status)),
            _ => Err(de::Error::custom(
                "E0103 a page is for an error: write a status such as 503, \"4xx\" or \"5xx\"\nno error",
            )),
        }
    }
}

impl JsonSchema for Which {
    fn schema_name() -> Cow<'static, str> {
        "ErrorStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[45]([0-9]{2}|xx)$" })
    }
}

impl<'de> Deserialize<'de> for Page {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Ok(Self { path, body: Arc::default() })
    }
}

impl JsonSchema for Page {
    fn schema_name() -> Cow<'static, str> {
        "Page".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::head::Head;

    #[test]
    fn a_status_comes_before_its_class_and_the_old_body_is_forgotten() {
        let text = "\"5xx\" = \"b.html\"\n503 = \"a\"";
        let mut config: Config = toml::from_str(text).unwrap();
        config.pages().for_each(|(which, page)| page.body = which.into_bytes().into());
        let pages = config.filter().unwrap();
        let x = Exchange::bare(Head::default());
        for (status, expected) in [(503, "503"), (502, "5xx"), (404, "old"), (200, "old")] {
            let mut reply = Reply::own(Head::default(), status, "old");
            reply.head.add(Known::Other, "ETag", "x");
            pages.on_response(&x, &mut reply);
            let body = match &reply.body {
                Body::Memory(bytes) => bytes,
                Body::Shared(bytes) => &**bytes,
                _ => unreachable!(),
            };
            assert_eq!(body, expected.as_bytes(), "{status}");
            let kept = reply.head.fields.iter().filter(|field| !field.removed).count();
            assert_eq!(kept, if expected == "old" { 3 } else { 2 }, "{status}");
        }
        for wrong in ["200 = \"x\"", "\"6xx\" = \"x\"", "\"\" = \"x\""] {
            assert!(toml::from_str::<Config>(wrong).is_err(), "{wrong}");
        }
        assert!(Config::default().filter().is_none());
    }
}
