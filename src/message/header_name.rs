//! The name of a header, as the file says it.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::head::{Head, Known};
use crate::unit::Matcher;

/// The name of a header, compared without case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent)]
pub struct HeaderName(String);

impl HeaderName {
    /// A name; `None`: no field can have it.
    pub fn new(text: &str) -> Option<Self> {
        is_token(text).then(|| Self(text.to_ascii_lowercase()))
    }

    /// In lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What weir knows it as.
    pub fn known(&self) -> Known {
        Known::from_name(self.0.as_bytes())
    }

    /// Whether it is this name, in any case.
    pub fn names(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.0.as_bytes())
    }

    /// The value of the first field of this name that is passed on.
    pub fn first<'h>(&self, head: &'h Head) -> Option<&'h [u8]> {
        let mut fields = head.fields.iter().filter(|field| !field.removed);
        let found = fields.find(|field| self.names(head.slice(field.name)))?;
        Some(head.slice(found.value))
    }

    /// Whether all fields of this name are as they must be; if there is none, whether that is. What is not passed on
    /// does not count, unless it speaks of the connection, such as Upgrade.
    pub fn meets(&self, head: &Head, matcher: &Matcher) -> bool {
        let mut values = head
            .fields
            .iter()
            .filter(|field| !field.removed || field.known.is_hop_by_hop())
            .filter(|field| self.names(head.slice(field.name)))
            .map(|field| head.slice(field.value))
            .peekable();
        match values.peek() {
            None => matcher.accepts(None),
            Some(_) => values.all(|value| matcher.accepts(Some(value))),
        }
    }
}

/// Whether a text is a token (RFC 9110, 5.6.2).
pub fn is_token(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_letter)
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| {
            de::Error::custom(
                "E0103 the name of a header is letters, digits and hyphens: write \"x-name\"\n\
                 no name of a header",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_of_a_name_count() {
        let mut head = Head::default();
        head.add(Known::Other, "X-Beta", "1");
        head.add(Known::Other, "x-beta", "1");
        head.add(Known::Other, "x-old", "1");
        head.fields[2].removed = true;
        let name = |text: &str| HeaderName::new(text).unwrap();
        let is = |text: &str| Matcher::Is(text.to_owned());
        assert!(name("x-BETA").meets(&head, &is("1")) && !name("x-beta").meets(&head, &is("2")));
        assert!(!name("x-beta").meets(&head, &Matcher::Absent));
        assert!(name("x-old").meets(&head, &Matcher::Absent), "it is not passed on");
        assert_eq!(name("x-beta").first(&head), Some(&b"1"[..]));
        head.add(Known::Other, "x-beta", "2");
        assert!(!name("x-beta").meets(&head, &is("1")) && !name("x-beta").meets(&head, &is("2")));
        assert!(name("x-beta").meets(&head, &Matcher::Present));
        assert_eq!(name("x-old").first(&head), None);
        assert!(HeaderName::new("a b").is_none() && HeaderName::new("").is_none());
    }
}
