//! A number, or "auto".

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A number from 1 to `MOST`, or "auto": weir finds a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auto<const MOST: u32> {
    /// What weir finds.
    #[default]
    Auto,
    /// This many.
    Count(u32),
}

impl<const MOST: u32> Auto<MOST> {
    /// The number that is written, or what is found otherwise.
    pub fn or_else(self, find: impl FnOnce() -> usize) -> usize {
        match self {
            Self::Auto => find(),
            Self::Count(count) => count as usize,
        }
    }
}

impl<'de, const MOST: u32> Deserialize<'de> for Auto<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<const MOST: u32>;
        impl<const MOST: u32> Visitor<'_> for Either<MOST> {
            type Value = Auto<MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or \"auto\", such as 4")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Auto<MOST>, E> {
                if text == "auto" {
                    return Ok(Auto::Auto);
                }
                let instead = if text.parse::<u32>().is_ok() { text } else { "\"auto\"" };
                Err(E::custom(format_args!(
                    "E0104 {{key}} is \"auto\" or a number: write {instead}\nneither of them"
                )))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Auto<MOST>, E> {
                match u32::try_from(number) {
                    Ok(count) if (1..=MOST).contains(&count) => Ok(Auto::Count(count)),
                    _ => Err(E::custom(format_args!(
                        "E0105 {{key}} is 1 to {MOST}, not {number}: write \"auto\", \
                         or a number in that range\n1 to {MOST}"
                    ))),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<const MOST: u32> JsonSchema for Auto<MOST> {
    fn schema_name() -> Cow<'static, str> {
        format!("Auto_{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "const": "auto" },
            { "type": "integer", "minimum": 1, "maximum": MOST },
        ] })
    }
}
