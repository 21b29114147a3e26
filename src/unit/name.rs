//! Names of listeners, routes, policies and pools.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// Name of a listener, a route, a policy or a pool: `[a-z0-9][a-z0-9_-]{0,62}`. Cheap to clone.
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

#[cfg(test)]
mod tests {
    use super::*;

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
