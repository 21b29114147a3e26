//! What a value must be: a header's, a query parameter's, a cookie's.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::Regex;

/// What a value must be: "text", { regex = "…" }, { present = true } or { absent = true }.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// This text.
    Is(String),
    /// Something in which the expression is found.
    Regex(Regex),
    /// Whatever it is.
    Present,
    /// Not there.
    Absent,
}

impl Matcher {
    /// Whether a value, or that there is none, is as it must be.
    pub fn accepts(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Is(text), Some(value)) => text.as_bytes() == value,
            (Self::Regex(regex), Some(value)) => regex.is_found_in(value),
            (Self::Present, Some(_)) | (Self::Absent, None) => true,
            _ => false,
        }
    }

    /// Whether no value is accepted by both. `false`: perhaps.
    pub fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => false,
            (Self::Absent, _) | (_, Self::Absent) => true,
            (Self::Is(one), _) => !other.accepts(Some(one.as_bytes())),
            (_, Self::Is(one)) => !self.accepts(Some(one.as_bytes())),
            _ => false,
        }
    }

    /// Whether it accepts all that the other one accepts. `false`: perhaps not.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present, Self::Absent) | (Self::Absent, Self::Present) => false,
            (Self::Present, _) => true,
            (Self::Regex(_), Self::Is(text)) => self.accepts(Some(text.as_bytes())),
            _ => self == other,
        }
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Matcher;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, such as \"1\", or { regex = \"…\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Matcher, E> {
                Ok(Matcher::Is(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Matcher, A::Error> {
                let word = map.next_key::<String>()?;
                let found = match word.as_deref() {
                    Some("regex") => Matcher::Regex(map.next_value()?),
                    Some("present") if map.next_value::<bool>()? => Matcher::Present,
                    Some("absent") if map.next_value::<bool>()? => Matcher::Absent,
                    // `present = false` would be a riddle.
                    Some("present") => return Err(wrong("write { absent = true }")),
                    Some("absent") => return Err(wrong("write { present = true }")),
                    Some(_) => return Err(wrong(FORMS)),
                    None => return Err(de::Error::missing_field("regex")),
                };
                match map.next_key::<String>()? {
                    None => Ok(found),
                    Some(_) => Err(wrong("write one of them")),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn wrong<E: de::Error>(write: &str) -> E {
    E::custom(format_args!("E0103 a value is matched by one word: {write}\nnot something to match"))
}

/// What there is.
const FORMS: &str = "write \"text\", { regex = \"…\" }, { present = true } or { absent = true }";

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "maxProperties": 1 },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Matcher, toml::de::Error> {
        #[derive(Deserialize)]
        struct One {
            x: Matcher,
        }
        toml::from_str::<One>(&format!("x = {text}")).map(|one| one.x)
    }

    #[test]
    fn each_form_accepts_what_it_says() {
        let some: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"1"), Some(b"12")];
        for (text, expected) in [
            ("\"1\"", [false, false, true, false]),
            ("{ regex = \"1\" }", [false, false, true, true]),
            ("{ present = true }", [false, true, true, true]),
            ("{ absent = true }", [true, false, false, false]),
        ] {
            let matcher = read(text).unwrap();
            assert_eq!(some.map(|value| matcher.accepts(value)), expected, "{text}");
        }
        for wrong in ["1", "{}", "{ present = false }", "{ regex = \"(\" }", "{ is = \"1\" }"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("{ regex = \"1\", present = true }").is_err());
    }

    /// What is said of two of them is true of each value.
    #[test]
    fn what_excludes_and_what_covers() {
        let all =
            ["\"1\"", "\"2\"", "{ regex = \"1\" }", "{ present = true }", "{ absent = true }"];
        let all = all.map(|text| read(text).unwrap());
        let values: [Option<&[u8]>; 5] = [None, Some(b""), Some(b"1"), Some(b"2"), Some(b"11")];
        for one in &all {
            for other in &all {
                for value in values {
                    let (this, that) = (one.accepts(value), other.accepts(value));
                    assert!(!(one.excludes(other) && this && that), "{one:?} {other:?}");
                    assert!(!one.covers(other) || !that || this, "{one:?} {other:?} {value:?}");
                }
            }
            assert!(one.covers(one) && !one.excludes(one), "{one:?}");
        }
        assert!(all[0].excludes(&all[1]) && all[3].excludes(&all[4]));
        assert!(all[3].covers(&all[0]) && all[2].covers(&all[0]));
    }
}
