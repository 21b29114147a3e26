//! The parsed file with the place of every key and value.
//!
//! `read.rs` makes the structs of it; `validate.rs` asks it where something stands, by path. A path
//! that the file does not have leads to the nearest thing above it that the file does have.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{At, Diagnostic};

/// The root table of a file.
pub struct Tree<'a> {
    root: DeTable<'a>,
}

impl<'a> Tree<'a> {
    /// Of a parsed file.
    pub fn new(root: Spanned<DeTable<'a>>) -> Self {
        Self { root: root.into_inner() }
    }

    /// The root table.
    pub fn root(&self) -> &DeTable<'a> {
        &self.root
    }

    /// The names in a section: the keys of a top-level table.
    pub fn names(&self, section: &str) -> Vec<&str> {
        let table = self.root.get(section).and_then(|value| value.get_ref().as_table());
        table.map_or_else(Vec::new, |table| table.keys().map(|key| &**key.get_ref()).collect())
    }

    /// Where the value at `path` stands. A step into a list is its index.
    pub fn value(&self, path: &[&str]) -> Option<At> {
        self.find(path).map(|(_, value)| value)
    }

    /// Where the key at `path` stands; of an element of a list, the element.
    pub fn key(&self, path: &[&str]) -> Option<At> {
        self.find(path).map(|(key, _)| key)
    }

    /// Whether the file says something at `path`.
    pub fn has(&self, path: &[&str]) -> bool {
        self.walk(path).is_some()
    }

    /// The keys of the table at `path`.
    pub fn keys(&self, path: &[&str]) -> Vec<&str> {
        let table = self.walk(path).and_then(|(value, _)| value.get_ref().as_table());
        table.map_or_else(Vec::new, |table| table.keys().map(|key| &**key.get_ref()).collect())
    }

    /// The text at `path`, and where it stands; also one text of a list of them.
    pub fn text(&self, path: &[&str]) -> Option<(&str, At)> {
        let (value, _) = self.walk(path)?;
        Some((value.get_ref().as_str()?, At::new(value.span())))
    }

    /// The integer at `path`, and where it stands.
    pub fn integer(&self, path: &[&str]) -> Option<(i64, At)> {
        let (value, _) = self.walk(path)?;
        let digits = value.get_ref().as_integer()?;
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok()?;
        Some((number, At::new(value.span())))
    }

    /// How many elements the list at `path` has; 0 if it is no list.
    pub fn count(&self, path: &[&str]) -> usize {
        let found = self.walk(path);
        found.and_then(|(value, _)| value.get_ref().as_array()).map_or(0, |list| list.len())
    }

    /// Whether something in the table at `path` is wrong already, so that what was read of it is
    /// not all that was written.
    pub fn is_wrong(&self, path: &[&str], found: &[Diagnostic]) -> bool {
        let table = self.walk(path).and_then(|(value, _)| value.get_ref().as_table());
        table.is_some_and(|table| is_wrong(table, found))
    }

    fn find(&self, path: &[&str]) -> Option<(At, At)> {
        let (value, key) = self.walk(path).or_else(|| {
            let (_, above) = path.split_last()?;
            self.walk(above)
        })?;
        Some((key, At::new(value.span())))
    }

    fn walk(&self, path: &[&str]) -> Option<(&Spanned<DeValue<'a>>, At)> {
        let (first, rest) = path.split_first()?;
        let (key, mut value) = self.root.get_key_value(*first)?;
        let mut at = At::new(key.span());
        for step in rest {
            match value.get_ref() {
                DeValue::Table(table) => {
                    let (key, next) = table.get_key_value(*step)?;
                    (at, value) = (At::new(key.span()), next);
                }
                DeValue::Array(list) => {
                    value = list.get(step.parse::<usize>().ok()?)?;
                    at = At::new(value.span());
                }
                _ => return None,
            }
        }
        Some((value, at))
    }
}

/// A table that dotted keys make has no place of its own, so each of its entries is looked at.
fn is_wrong(table: &DeTable<'_>, found: &[Diagnostic]) -> bool {
    table.iter().any(|(key, value)| {
        let (start, end) = (key.span().start, value.span().end);
        let inside = |at: &At| start <= at.start && at.start < end;
        found.iter().filter_map(|one| one.at.as_ref()).any(inside)
            || value.get_ref().as_table().is_some_and(|table| is_wrong(table, found))
    })
}

/// Where a value is in the file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The names of the tables and the key that lead to it; an index for an element of a list.
    pub names: Vec<String>,
    /// What to pass over in the next round.
    pub id: usize,
    /// Its key; for an element of a list, the value.
    pub at: Range<usize>,
}
