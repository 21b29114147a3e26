//! `pools.NAME.endpoints`: the members of a pool as the file names them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::diagnostic::coded;
use crate::net::address::Address;

/// One endpoint as the file names it: "host:port", or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it listens.
    pub address: Address,
    /// Its share of the load against the others; 1 to 65535, default 1.
    pub weight: u16,
    /// Used when no other endpoint is healthy.
    pub backup: bool,
}

/// An endpoint written as a table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Long {
    /// "host:port".
    address: Address,
    /// Its share of the load against the others; 1 to 65535.
    #[serde(default = "one")]
    weight: u16,
    /// Whether it is used only when no other endpoint is healthy.
    #[serde(default)]
    backup: bool,
}

fn one() -> u16 {
    1
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an endpoint in quotes or a table, such as \"127.0.0.1:3000\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Member, E> {
                let address = text.parse().map_err(|fault| E::custom(coded(&fault)))?;
                Ok(Member { address, weight: one(), backup: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Member, A::Error> {
                let long = Long::deserialize(MapAccessDeserializer::new(map))?;
                let Long { address, weight, backup } = long;
                Ok(Member { address, weight, backup })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Member {
    fn schema_name() -> Cow<'static, str> {
        "Member".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<Long>()] })
    }
}
