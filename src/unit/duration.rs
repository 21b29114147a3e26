//! A length of time, with its unit.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A length of time, written with its unit: "250ms", "5s", "1m30s", "2h", "30d". At most 365 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// The longest duration the file may name: a year. Longer ones are slips of the pen.
    pub const LONGEST: Self = Self::from_secs(365 * 24 * 3600);

    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// A duration of whole milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    /// The same for the standard library and the clock.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Duration {
    type Err = String;

    /// Fails with a sentence that says what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = humantime::parse_duration(text).map(Self).map_err(|_| {
            "a duration is numbers with units: write \"250ms\", \"5s\", \"1m30s\" or \"2h\""
                .to_owned()
        })?;
        if parsed > Self::LONGEST {
            return Err("a duration is at most 365 days: write \"365d\" or less".to_owned());
        }
        Ok(parsed)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 7] = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        let mut left = self.0.as_nanos();
        if left == 0 {
            return f.write_str("0s");
        }
        for (size, unit) in UNITS {
            if left >= size {
                write!(f, "{}{unit}", left / size)?;
                left %= size;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration in quotes, such as \"5s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                // "0" has no unit either, but there is nothing to mistake.
                if text != "0" && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(E::custom(unitless(text)));
                }
                text.parse()
                    .map_err(|problem| E::custom(format_args!("E0103 {problem}\nno duration")))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
                Err(E::custom(unitless(&number.unsigned_abs().to_string())))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Duration, E> {
                Err(E::custom(unitless("5")))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// A number without a unit, told as `diagnostic::coded` tells it.
fn unitless(number: &str) -> String {
    format!(
        "E0102 a duration needs a unit: write \"{number}s\" or \"{number}ms\"\n\
         seconds or milliseconds?"
    )
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ns|us|ms|s|m|h|d))+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["250ms", "5s", "1m30s", "2h", "30d", "0s"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
        for text in ["", "5", "-5s", "s", "400d", "99999999999999999999s", "1.5.5s"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
