//! The parsed document with the place of every key and value.
//!
//! `document.rs` makes it of all files, `merge.rs` puts defaults into it, `read.rs` makes the structs
//! of it; `validate.rs` asks it where something stands, by path. A path that it does not have leads
//! to the nearest thing above it that it does have.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{At, Diagnostic};

/// A table: its entries by key.
pub type Table = BTreeMap<String, Entry>;

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub key: Range<usize>,
    /// Its value.
    pub node: Node,
}

/// A value and where it stands, in the places of `Texts`.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub at: Range<usize>,
    /// What it is.
    pub value: Value,
}

/// A value of TOML.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// true or false.
    Boolean(bool),
    /// A whole number; the digits, if they make none.
    Integer(Result<i64, String>),
    /// A number with a point; the same.
    Float(Result<f64, String>),
    /// A date or a time, which no key takes.
    Date,
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

impl Value {
    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The table that was parsed of a text whose places begin at `start`.
pub fn table(parsed: &DeTable<'_>, start: usize) -> Table {
    let entry = |(key, value): (&Spanned<_>, &_)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        (
            name.clone().into_owned(),
            Entry { key: moved(key.span(), start), node: node(value, start) },
        )
    };
    parsed.iter().map(entry).collect()
}

fn node(parsed: &Spanned<DeValue<'_>>, start: usize) -> Node {
    let value = match parsed.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            Value::Integer(read.map_err(|_| number.as_str().to_owned()))
        }
        DeValue::Float(number) => {
            Value::Float(number.as_str().parse().map_err(|_| number.as_str().to_owned()))
        }
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => Value::List(list.iter().map(|one| node(one, start)).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, start)),
    };
    Node { at: moved(parsed.span(), start), value }
}

fn moved(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

/// The root table of the document.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The root table.
    pub root: Table,
}

impl Tree {
    /// The names in a section: the keys of a top-level table.
    pub fn names(&self, section: &str) -> Vec<&str> {
        let table = self.root.get(section).and_then(|entry| entry.node.value.as_table());
        table.map_or_else(Vec::new, |table| table.keys().map(String::as_str).collect())
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
        let table = self.walk(path).and_then(|(node, _)| node.value.as_table());
        table.map_or_else(Vec::new, |table| table.keys().map(String::as_str).collect())
    }

    /// The text at `path`, and where it stands; also one text of a list of them.
    pub fn text(&self, path: &[&str]) -> Option<(&str, At)> {
        let (node, _) = self.walk(path)?;
        Some((node.value.as_text()?, At::new(node.at.clone())))
    }

    /// The integer at `path`, and where it stands.
    pub fn integer(&self, path: &[&str]) -> Option<(i64, At)> {
        let (node, _) = self.walk(path)?;
        let Value::Integer(Ok(number)) = node.value else { return None };
        Some((number, At::new(node.at.clone())))
    }

    /// How many elements the list at `path` has; 0 if it is no list.
    pub fn count(&self, path: &[&str]) -> usize {
        match self.walk(path) {
            Some((Node { value: Value::List(list), .. }, _)) => list.len(),
            _ => 0,
        }
    }

    /// Whether something in the table at `path` is wrong already, so that what was read of it is
    /// not all that was written.
    pub fn is_wrong(&self, path: &[&str], found: &[Diagnostic]) -> bool {
        let table = self.walk(path).and_then(|(node, _)| node.value.as_table());
        !found.is_empty() && table.is_some_and(|table| is_wrong(table, found))
    }

    fn find(&self, path: &[&str]) -> Option<(At, At)> {
        let (node, key) = self.walk(path).or_else(|| {
            let (_, above) = path.split_last()?;
            self.walk(above)
        })?;
        Some((At::new(key), At::new(node.at.clone())))
    }

    /// The node at `path`, and its key.
    pub fn walk(&self, path: &[&str]) -> Option<(&Node, Range<usize>)> {
        let (first, rest) = path.split_first()?;
        let entry = self.root.get(*first)?;
        let (mut at, mut node) = (entry.key.clone(), &entry.node);
        for step in rest {
            match &node.value {
                Value::Table(table) => {
                    let entry = table.get(*step)?;
                    (at, node) = (entry.key.clone(), &entry.node);
                }
                Value::List(list) => {
                    node = list.get(step.parse::<usize>().ok()?)?;
                    at = node.at.clone();
                }
                _ => return None,
            }
        }
        Some((node, at))
    }
}

/// A table that dotted keys make has no place of its own, so each of its entries is looked at.
fn is_wrong(table: &Table, found: &[Diagnostic]) -> bool {
    table.values().any(|entry| {
        let (start, end) = (entry.key.start, entry.node.at.end);
        let inside = |at: &At| start <= at.start && at.start < end;
        found.iter().filter_map(|one| one.at.as_ref()).any(inside)
            || entry.node.value.as_table().is_some_and(|table| is_wrong(table, found))
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
