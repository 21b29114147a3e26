//! `policies.NAME.upgrade`: what a connection may become (RFC 9110, 7.8).

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// A protocol that a connection may be upgraded to, as `Upgrade` names it: "websocket".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol(String);

impl Protocol {
    /// RFC 6455.
    pub fn websocket() -> Self {
        Self("websocket".to_owned())
    }

    /// Its name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?.to_ascii_lowercase();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-./+_".contains(&byte);
        let problem = match &*name {
            // It would hide requests from weir (RFC 9113, 3.1).
            "h2c" => {
                "E0104 `h2c` is never passed on: remove it, HTTP/2 is chosen per hop\nnot this"
            }
            "connect" => {
                "E0104 this version does not offer the CONNECT method: remove it\nnot offered"
            }
            _ if name.is_empty() || !name.bytes().all(is_token) => {
                "E0103 a protocol is named as in the `Upgrade` header: write \"websocket\"\n\
                 no protocol"
            }
            _ => return Ok(Self(name)),
        };
        Err(de::Error::custom(problem))
    }
}

impl JsonSchema for Protocol {
    fn schema_name() -> Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9./+_-]+$" })
    }
}
