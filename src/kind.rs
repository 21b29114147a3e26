//! How an extension point lists what it offers: a table of rows, one per word of the TOML.
//!
//! `balance` holds such a table. The configuration reads a [`Choice`], its check and its compilation
//! call [`build`], `weir explain` shows each row's `about`. A new kind is a row, nothing here changes.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::diagnostic::{Code, Fault, coded, nearest, shown};

/// What picks an implementation: a word, or a table of one key with that kind's options.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The word.
    pub name: String,
    /// Its options; empty when the word stands alone.
    pub options: toml::Table,
}

impl Default for Choice {
    /// Balancing is the only extension point with a default so far.
    fn default() -> Self {
        Self { name: "round-robin".to_owned(), options: toml::Table::new() }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Choice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a table of one key, such as \"round-robin\"")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Choice, E> {
                Ok(Choice { name: word.to_owned(), options: toml::Table::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Choice, A::Error> {
                let Some((name, options)) = map.next_entry::<String, _>()? else {
                    return Err(one_key::<A::Error>("round-robin"));
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(one_key::<A::Error>(&name));
                }
                Ok(Choice { name, options })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn one_key<E: de::Error>(name: &str) -> E {
    let problem = format!(
        "a choice is one word with its options, not none or several: write \"{}\"",
        shown(name)
    );
    E::custom(coded(&Fault::new(Code::E0103, problem, "one key is wanted")))
}

impl JsonSchema for Choice {
    fn schema_name() -> Cow<'static, str> {
        "Choice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "maxProperties": 1 },
        ] })
    }
}

/// One row of an extension point's table.
pub struct Kind<T: ?Sized> {
    /// The word in the TOML: "least-requests".
    pub name: &'static str,
    /// One sentence; shown by `weir explain`.
    pub about: &'static str,
    /// TOML that uses it; a test loads it.
    pub example: &'static str,
    /// Makes what the word names, or says what is wrong with its options.
    pub build: fn(Options) -> Result<Box<T>, Fault>,
}

/// The options of a choice, on their way to the kind that owns them.
pub struct Options {
    name: String,
    table: toml::Table,
}

impl Options {
    /// For a kind that takes none. Fails if there are some.
    pub fn none(self) -> Result<(), Fault> {
        let Some(key) = self.table.keys().next() else { return Ok(()) };
        let problem =
            format!("`{0}` takes no options, so no `{1}`: write \"{0}\"", self.name, shown(key));
        Err(Fault::new(Code::E0201, problem, "drop the table"))
    }

    /// For a kind with options: reads them; keys it does not know are errors.
    pub fn read<P: DeserializeOwned>(self) -> Result<P, Fault> {
        P::deserialize(self.table).map_err(|error| {
            let message = error.message();
            Fault::decode(message).unwrap_or_else(|| {
                let problem = format!(
                    "`{0}` does not take this ({message}): `weir explain {0}` shows what to write",
                    self.name
                );
                Fault::new(Code::E0103, problem, "an option of it")
            })
        })
    }
}

/// Makes what `choice` names. Fails for a word that no row has, and as the row itself fails.
pub fn build<T: ?Sized>(kinds: &[Kind<T>], choice: &Choice) -> Result<Box<T>, Fault> {
    let Some(kind) = kinds.iter().find(|kind| kind.name == choice.name) else {
        let names = || kinds.iter().map(|kind| kind.name);
        let meant = nearest(&choice.name, names()).or_else(|| names().next()).unwrap_or_default();
        let problem = format!("no kind `{}` here: write `{meant}`", shown(&choice.name));
        return Err(Fault::new(Code::E0104, problem, format!("did you mean `{meant}`?")));
    };
    (kind.build)(Options { name: choice.name.clone(), table: choice.options.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Draws {
        choices: usize,
    }

    impl Default for Draws {
        fn default() -> Self {
            Self { choices: 2 }
        }
    }

    const KINDS: &[Kind<usize>] = &[
        Kind {
            name: "plain",
            about: "takes no options",
            example: "balance = \"plain\"",
            build: |options| options.none().map(|()| Box::new(0)),
        },
        Kind {
            name: "draws",
            about: "takes one",
            example: "balance = { draws = { choices = 3 } }",
            build: |options| Ok(Box::new(options.read::<Draws>()?.choices)),
        },
    ];

    fn built(text: &str) -> Result<usize, Fault> {
        let table: toml::Table = toml::from_str(text).unwrap();
        let choice = Choice::deserialize(table["balance"].clone()).unwrap();
        build(KINDS, &choice).map(|made| *made)
    }

    #[test]
    fn a_choice_is_a_word_or_a_table_of_one_key() {
        for (row, made) in KINDS.iter().zip([0, 3]) {
            assert_eq!(built(row.example), Ok(made), "{}: {}", row.name, row.about);
        }
        assert_eq!(built("balance = \"draws\""), Ok(2));
        let two: toml::Table = toml::from_str("b = { plain = {}, draws = {} }").unwrap();
        assert!(Choice::deserialize(two["b"].clone()).is_err());
    }

    #[test]
    fn what_a_kind_does_not_take_is_an_error() {
        assert_eq!(built("balance = { plain = { a = 1 } }").unwrap_err().code, Code::E0201);
        assert_eq!(built("balance = { draws = { a = 1 } }").unwrap_err().code, Code::E0103);
        let fault = built("balance = \"plane\"").unwrap_err();
        assert_eq!((fault.code, fault.label.contains("plain")), (Code::E0104, true));
    }
}
