//! What serde finds wrong with a value, in our words.
//!
//! `read.rs` collects these. Each kind of error becomes one sentence that says what is wrong and what
//! to write. A visitor's `expecting` may end in ", such as X": then X is what to write.

use std::fmt;
use std::ops::Range;

use serde::de::{self, Expected, Unexpected};

use super::{Place, Texts, Unknown, missing, words};
use crate::diagnostic::{At, Code, Diagnostic, Fault, coded, nearest, shown};

/// An error of reading, which gets its place on the way out.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    what: What,
    place: Option<Place>,
    value: Range<usize>,
}

/// What is wrong.
#[derive(Debug)]
pub enum What {
    /// A sentence, perhaps a coded one.
    Told(String),
    /// Another type than wanted.
    Type { got: String, want: String },
    /// The right type, but not this value.
    Value { got: String, want: String },
    /// None of these words.
    Word { got: Option<String>, words: &'static [&'static str] },
    /// A key is missing.
    Missing(&'static str),
    /// A key that is not known.
    Unknown { key: String, known: &'static [&'static str] },
}

impl Error {
    fn new(what: What) -> Self {
        Self(Box::new(Inner { what, place: None, value: 0..0 }))
    }

    /// A number that no integer holds, or one without digits: "0x".
    pub fn no_number(digits: &str) -> Self {
        if digits.is_empty() {
            let problem = "a number without digits: write one such as 4";
            return de::Error::custom(coded(&Fault::new(Code::E0103, problem, "no number")));
        }
        let want = "a number of at most 18 digits".to_owned();
        Self::new(What::Value { got: digits.to_owned(), want })
    }

    /// Something that is no word, where one of `words` is wanted.
    pub fn word(words: &'static [&'static str]) -> Self {
        Self::new(What::Word { got: None, words })
    }

    /// The same with its place, unless it has one: the innermost place counts.
    pub fn at(mut self, place: &Place, value: Range<usize>) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(place.clone());
            self.0.value = value;
        }
        self
    }

    /// Where it is.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// The key that is missing, if that is what is wrong.
    pub fn missing(&self) -> Option<&'static str> {
        match self.0.what {
            What::Missing(key) => Some(key),
            _ => None,
        }
    }

    /// The diagnostic. `pool` is a pool of the file, for an example.
    pub fn tell(&self, place: &Place, texts: &Texts, pool: Option<&str>) -> Diagnostic {
        let at = Some(At::new(self.0.value.clone()));
        let written = texts.slice(self.0.value.clone());
        match &self.0.what {
            What::Told(message) => {
                // A value does not know its key.
                let message = message.replace("{key}", &subject(place));
                Fault::decode(&message)
                    .unwrap_or_else(|| Fault::new(Code::E0103, message.as_str(), ""))
                    .at(at)
            }
            What::Type { got, want } => {
                let (noun, write) = wanted(want, place, written);
                let problem = format!("{} is {noun}, not {got}: write {write}", subject(place));
                Diagnostic::new(Code::E0103, at, problem, got)
            }
            What::Value { got, want } => {
                let (range, write) = match &**want {
                    "u16" if got.starts_with('-') => ("at least 1", "1 or more"),
                    "u16" => ("at most 65535", "65535 or less"),
                    "u32" if got.starts_with('-') => ("at least 0", "0 or more"),
                    "u32" => ("at most 4294967295", "less"),
                    other => (other, "less"),
                };
                let problem = format!("{} is {range}, not {got}: write {write}", subject(place));
                Diagnostic::new(Code::E0105, at, problem, range)
            }
            What::Word { got, words } => word(place, got.as_deref(), words, at),
            What::Missing(key) => missing(&place.names, key, Some(At::new(place.at.clone())), pool),
            What::Unknown { key, known } => {
                let path = &place.names[..place.names.len().saturating_sub(1)];
                Unknown { path, key, at: At::new(place.at.clone()), table: false, known }.tell().0
            }
        }
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Told(message.to_string()))
    }

    fn invalid_type(got: Unexpected<'_>, want: &dyn Expected) -> Self {
        Self::new(What::Type { got: kind(got), want: want.to_string() })
    }

    fn invalid_value(got: Unexpected<'_>, want: &dyn Expected) -> Self {
        let got = match got {
            Unexpected::Signed(number) => number.to_string(),
            other => kind(other),
        };
        Self::new(What::Value { got, want: want.to_string() })
    }

    fn unknown_variant(got: &str, words: &'static [&'static str]) -> Self {
        Self::new(What::Word { got: Some(got.to_owned()), words })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::Unknown { key: key.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(What::Missing(key))
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.what)
    }
}

/// What a value is, for a sentence.
fn kind(got: Unexpected<'_>) -> String {
    match got {
        Unexpected::Bool(_) => "true or false".to_owned(),
        Unexpected::Signed(_) | Unexpected::Unsigned(_) => "a number".to_owned(),
        Unexpected::Float(_) => "a number with a point".to_owned(),
        Unexpected::Str(_) => "a text".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// What the sentence is about: "`pool`", "an element of `endpoints`".
fn subject(place: &Place) -> String {
    let index = |name: &&String| name.parse::<usize>().is_ok();
    match &place.names[..] {
        [.., list, last] if place.names.len() > 2 && index(&last) => {
            format!("an element of `{}`", shown(list))
        }
        [.., last] => format!("`{}`", shown(last)),
        [] => "the file".to_owned(),
    }
}

/// What was wanted, and what to write; `written` is what stands there.
fn wanted(want: &str, place: &Place, written: &str) -> (String, String) {
    if let Some((noun, example)) = want.split_once(", such as ") {
        // A port alone is half of an address: the example with that port.
        let port = written.parse::<u16>().ok().zip(example.rsplit_once(':'));
        let example = match port {
            Some((port, (host, _))) => format!("{host}:{port}\""),
            None => example.to_owned(),
        };
        return (noun.to_owned(), example);
    }
    let bare = written.trim_matches(['"', '\'']);
    let short = !written.is_empty() && written.len() < 40 && !written.contains(['\n', '[', '{']);
    let header = place.names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(".");
    let (noun, write) = match want {
        "a string" if short => ("a text", format!("\"{}\"", shown(bare))),
        "a string" => ("a text", "it in quotes".to_owned()),
        "a sequence" if short => ("a list", format!("[{}]", shown(written))),
        "a sequence" => ("a list", "[\"…\", \"…\"]".to_owned()),
        "a map" if place.names.len() == 1 => ("a table", format!("[{header}.NAME]")),
        "a map" => ("a table", "{ key = value }".to_owned()),
        _ if want.starts_with("struct ") => ("a table", format!("[{header}]")),
        "a boolean" => ("true or false", if bare == "no" { "false" } else { "true" }.to_owned()),
        _ if bare.parse::<u32>().is_ok() => ("a whole number", bare.to_owned()),
        _ => ("a whole number", "one such as 3".to_owned()),
    };
    (noun.to_owned(), write)
}

/// None of the words that the key takes.
fn word(place: &Place, got: Option<&str>, words: &[&str], at: Option<At>) -> Diagnostic {
    let key = subject(place);
    let foreign = got.and_then(|got| words::value(got, words));
    let near = got.and_then(|got| nearest(got, words.iter().copied()));
    let meant = foreign.map(|foreign| foreign.ours).or(near);
    let one = meant.or_else(|| words.first().copied()).unwrap_or_default();
    let many: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let write = if meant.is_some() { format!("\"{one}\"") } else { many.join(" or ") };
    let problem = match got {
        Some(got) => format!("{key} cannot be \"{}\": write {write}", shown(got)),
        None => format!("{key} is a word in quotes: write {}", many.join(" or ")),
    };
    let label = match (foreign, meant) {
        (Some(foreign), _) => format!("{}'s word for \"{one}\"", foreign.who),
        (None, Some(meant)) => format!("did you mean \"{meant}\"?"),
        _ => "not one of the values".to_owned(),
    };
    Diagnostic::new(Code::E0104, at, problem, label)
}
