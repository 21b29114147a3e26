//! The small values of the configuration file: a name, a duration, one value or a list of them.
//!
//! Every section's struct is made of these. Each knows how it is written in the file and says, when
//! it is written otherwise, what to write instead. They know nothing of what they are used for, nor
//! of diagnostics: what they tell serde begins with a code, as `diagnostic::Fault` documents.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, SeqAccess, Visitor};

/// Name of a listener, a route or a pool: `[a-z0-9][a-z0-9_-]{0,62}`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// They are metric labels and command-line arguments: short enough to read.
    const LONGEST: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands in metrics for a request that no route of the file matched.
    pub fn none() -> Self {
        Self("none".into())
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    /// Fails with a sentence that says what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        let inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let starts = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        if text.len() <= Self::LONGEST
            && text.bytes().next().is_some_and(starts)
            && text.bytes().all(inside)
        {
            return Ok(Self(text.into()));
        }
        let mended = mend(text);
        Err(if text.len() > Self::LONGEST {
            format!("a name is at most {} characters long: write a shorter one", Self::LONGEST)
        } else {
            format!("a name is lower-case letters, digits, `-` and `_`: write `{mended}`")
        })
    }
}

/// The nearest text that is a name; "app" if nothing of `text` can stay.
fn mend(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let mended: String = lower.chars().map(kept).take(Name::LONGEST).collect();
    let mended = mended.trim_matches(['-', '_']);
    if mended.is_empty() { "app".to_owned() } else { mended.to_owned() }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|problem| de::Error::custom(format_args!("E0103 {problem}\nno name")))
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" })
    }
}

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

/// One value or a list of them: `host = "a"` and `host = ["a", "b"]`. Empty when absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for OneOrMany<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(many: Vec<T>) -> Self {
        Self(many)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts, such as \"a\" or [\"a\", \"b\"]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
                Ok(vec![T::deserialize(text.into_deserializer())?])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Vec<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(many))
            }
        }
        deserializer.deserialize_any(Either(PhantomData)).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
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

    #[test]
    fn names_are_lower_case_and_short() {
        for text in ["a", "0", "orders-v2", "a_b"] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
        for text in ["", "-a", "_a", "A", "a.b", "ä", &"a".repeat(64)] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        assert_eq!(mend("My Pool!"), "my-pool");
        assert_eq!(mend("ÄÖ"), "app");
    }
}
