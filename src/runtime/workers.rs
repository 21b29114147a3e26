//! `runtime.workers`: how many threads serve requests.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::diagnostic::{Code, Fault, coded, shown};

/// How many workers: "auto", or a number from 1 to 1024.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    #[default]
    /// As many as the CPUs this process may use.
    Auto,
    /// This many.
    Count(u16),
}

impl Workers {
    /// The number: "auto" is the CPUs this process may use.
    pub fn count(self) -> usize {
        match self {
            Self::Auto => std::thread::available_parallelism().map_or(1, usize::from),
            Self::Count(count) => usize::from(count.max(1)),
        }
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Workers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or \"auto\", such as 4")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Workers, E> {
                if text == "auto" {
                    return Ok(Workers::Auto);
                }
                let problem = format!("`workers` is \"auto\" or a number, not \"{}\"", shown(text));
                let instead = if text.parse::<u16>().is_ok() { text } else { "\"auto\"" };
                let problem = format!("{problem}: write {instead}");
                Err(E::custom(coded(&Fault::new(Code::E0104, problem, "neither of them"))))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Workers, E> {
                match u16::try_from(number) {
                    Ok(count @ 1..=1024) => Ok(Workers::Count(count)),
                    _ => {
                        let problem = format!(
                            "`workers` is 1 to 1024, not {number}: write \"auto\", \
                             or a number in that range"
                        );
                        Err(E::custom(coded(&Fault::new(Code::E0105, problem, "1 to 1024"))))
                    }
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Workers {
    fn schema_name() -> Cow<'static, str> {
        "Workers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "const": "auto" },
            { "type": "integer", "minimum": 1, "maximum": 1024 },
        ] })
    }
}
