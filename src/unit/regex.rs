//! A regular expression.

use std::borrow::Cow;
use std::fmt;

use regex::bytes::{Captures, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// A regular expression whose time is linear in what it searches: without look-around and back-references.
/// It searches bytes: `.` is any of them, `\w` and `\d` are ASCII; `^` and `$` tie it to the ends.
#[derive(Clone)]
pub struct Regex(regex::bytes::Regex);

impl Regex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text)
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(LARGEST)
            .build();
        built.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "this regular expression is too large: write a shorter one, or smaller repetitions"
                    .to_owned()
            }
            other => {
                // The last line tells the reason; those before it draw the place, which we do ourselves.
                let told = other.to_string();
                let reason = told.lines().last().unwrap_or_default();
                let reason = reason.trim_start_matches("error: ").trim();
                format!("this is no regular expression ({reason}): write one in the syntax of RE2")
            }
        })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is found in a text.
    pub fn is_found_in(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    /// Its groups, where it is found first.
    pub fn captures<'t>(&self, text: &'t [u8]) -> Option<Captures<'t>> {
        self.0.captures(text)
    }

    /// Whether it has a group of this number or name.
    pub fn has_group(&self, group: &str) -> bool {
        match group.parse::<usize>() {
            Ok(number) => number < self.0.captures_len(),
            Err(_) => self.0.capture_names().flatten().any(|name| name == group),
        }
    }

    /// How many groups it has, besides the whole.
    pub fn groups(&self) -> usize {
        self.0.captures_len() - 1
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Regex {}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<'de> Deserialize<'de> for Regex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(|problem| {
            de::Error::custom(format_args!("E0107 {problem}\nnot a regular expression"))
        })
    }
}

impl JsonSchema for Regex {
    fn schema_name() -> Cow<'static, str> {
        "Regex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "regex" })
    }
}

/// Bytes of a compiled expression: what a text costs is in proportion to it.
const LARGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_expression_is_told() {
        assert!(Regex::new("a+").unwrap().is_found_in(b"\xffbaab"));
        assert!(!Regex::new("^a+$").unwrap().is_found_in(b"baab"));
        let wrong = Regex::new("(a").unwrap_err();
        assert!(wrong.contains("unclosed group"), "{wrong}");
        assert!(Regex::new(r"(\w{100}){100}").unwrap_err().contains("too large"));
        assert!(Regex::new(r"/\w{8}-\w{4}-\w{4}-\w{4}-\w{12}").is_ok());
        let evil = Regex::new("^evil.*bot$").unwrap();
        assert!(evil.is_found_in(b"evil\xff bot") && evil.is_found_in(b"evil\nbot"));
        assert!(Regex::new(r"(a)\1").is_err(), "a back-reference");
    }
}
