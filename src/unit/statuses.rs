//! Statuses of answers: single codes, and ranges of them.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// One status, or a range of them: 200, "204", "200-399".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(RangeInclusive<u16>);

impl Statuses {
    /// From the first to the last.
    pub const fn new(first: u16, last: u16) -> Self {
        Self(RangeInclusive::new(first, last))
    }

    /// Whether a status is among them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.contains(&status)
    }

    /// Fails with a sentence that says what to write.
    fn read(text: &str) -> Result<Self, String> {
        let code = |text: &str| {
            let known = |code: &u16| (100..=599).contains(code);
            text.trim().parse().ok().filter(known)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (code(first), code(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self::new(first, last)),
            (Some(first), Some(last)) => {
                Err(format!("a range begins with the smaller code: write \"{last}-{first}\""))
            }
            _ => Err("a status is 100 to 599: write 204, or a range as \"200-399\"".to_owned()),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status or a range of them, such as 204 or \"200-399\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
                let read = Statuses::read(text);
                read.map_err(|problem| E::custom(format_args!("E0103 {problem}\nno status")))
            }

            fn visit_i64<E: de::Error>(self, code: i64) -> Result<Statuses, E> {
                self.visit_str(&code.to_string())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_ranges_hold_what_they_say() {
        for (text, shown) in [("204", "204"), ("200-399", "200-399"), ("200 - 204", "200-204")] {
            assert_eq!(Statuses::read(text).unwrap().to_string(), shown);
        }
        let some = Statuses::read("200-399").unwrap();
        assert!(some.contains(200) && some.contains(399));
        assert!(!some.contains(199) && !some.contains(400));
        for text in ["", "-", "99", "600", "200-", "-200", "2xx", "200-1000", "200-300-400"] {
            assert!(Statuses::read(text).is_err(), "{text}");
        }
        let turned = Statuses::read("399-200").unwrap_err();
        assert!(turned.contains("write \"200-399\""), "{turned}");
    }
}
