//! From the tree to the structs, past every mistake on the way.
//!
//! serde stops at the first error. So this is a deserializer of our own over the parsed tree: an
//! error knows its place and its kind, an unknown key is told and passed over (or read as the key
//! that was meant), and after an error the whole is read again without the value at fault. What the
//! structs derive is thus the only list of keys and types. The sentences are in `wrong.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use super::tree::{Entry, Node as Parsed, Table, Value};
use super::{Config, Error, Place, Texts, Tree, Unknown, merge, named};
use crate::diagnostic::{At, Diagnostic};
use crate::policy;

/// How often a part is read before we give up: more errors than anybody wants to see at once.
const ROUNDS: usize = 200;

/// Everything that is wrong, the configuration that is left without it, and whether some of that stands under a
/// key that was guessed. `unset`: values to pass over.
pub fn read(
    tree: &Tree,
    texts: &Texts,
    unset: BTreeSet<usize>,
) -> (Option<Config>, Vec<Diagnostic>, bool) {
    let reader = Reader { skipped: RefCell::new(unset), ..Reader::default() };
    let reading = Reading { reader: &reader, texts, pool: tree.names("pools").first().copied() };
    let mut found = Vec::new();
    let mut config = reading.rounds(&tree.root, 1, &mut found);
    if config.is_none() {
        // Entry by entry, so that a mistake costs no more in a large file than in a small one.
        for (section, entry) in tree.root.iter().filter(|(section, _)| named(section)) {
            for (name, inner) in entry.node.value.as_table().into_iter().flatten() {
                let alone = Table::from([(name.clone(), inner.clone())]);
                let node = Parsed { at: entry.node.at.clone(), value: Value::Table(alone) };
                let alone = Entry { key: entry.key.clone(), node };
                let alone = Table::from([(section.clone(), alone)]);
                reading.rounds(&alone, ROUNDS, &mut found);
            }
        }
        config = reading.rounds(&tree.root, ROUNDS, &mut found);
    }
    if let (Some(config), Some(rules)) = (&mut config, merge::rules(tree)) {
        // Whatever is wrong with it has been told, and is passed over.
        let rules = Parsed { at: 0..0, value: Value::Table(rules) };
        let place = Place { names: Vec::new(), id: usize::MAX, at: 0..0 };
        let read = policy::Config::deserialize(Node { reader: &reader, value: &rules, place });
        config.defaults.rules = read.unwrap_or_default();
    }
    found.append(&mut reader.found.borrow_mut());
    let guessed = reader.unknown.borrow().iter().any(|(_, meant)| meant.is_some());
    (config, found, guessed)
}

/// What is told of mistakes.
struct Reading<'a> {
    reader: &'a Reader,
    texts: &'a Texts,
    /// A pool of the file, for an example.
    pool: Option<&'a str>,
}

impl Reading<'_> {
    /// Reads a document as often as it takes, each time without the value at fault, but not more often than this.
    fn rounds(&self, root: &Table, most: usize, found: &mut Vec<Diagnostic>) -> Option<Config> {
        for _ in 0..most {
            let place = Place { names: Vec::new(), id: usize::MAX, at: 0..0 };
            let entries = Entries::new(self.reader, root, &place, None);
            match Config::deserialize(Root(entries)) {
                Ok(read) => return Some(read),
                Err(error) => self.note(&error, place, found),
            }
        }
        None
    }

    fn note(&self, error: &Error, root: Place, found: &mut Vec<Diagnostic>) {
        let place = error.place().cloned().unwrap_or(root);
        // A key that is missing because its value was wrong has been told already. And defaults need not be whole.
        let missing = error.missing().map(|key| below(&place.names, key));
        let told = missing.is_some_and(|names| {
            matches!(&names[..], [first, _, _] if first == "defaults")
                || self.reader.dropped.borrow().contains(&names)
        });
        if !told {
            found.push(error.tell(&place, self.texts, self.pool));
        }
        self.reader.dropped.borrow_mut().insert(place.names);
        self.reader.skipped.borrow_mut().insert(place.id);
    }
}

/// A path and one step more.
fn below(names: &[String], step: &str) -> Vec<String> {
    [names, &[step.to_owned()]].concat()
}

/// What is known from the rounds before.
#[derive(Default)]
struct Reader {
    /// Entries to pass over, by the place where their key (or, in a list, their value) starts.
    skipped: RefCell<BTreeSet<usize>>,
    /// The same by path: a key that is missing for this reason has been told already.
    dropped: RefCell<BTreeSet<Vec<String>>>,
    /// Unknown keys that have been told, with the key that was meant.
    unknown: RefCell<Vec<(usize, Option<&'static str>)>>,
    found: RefCell<Vec<Diagnostic>>,
}

/// The whole file, as a deserializer.
struct Root<'x>(Entries<'x>);

impl<'de> Deserializer<'de> for Root<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.0)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.known = Some(known);
        visitor.visit_map(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// One value, as a deserializer.
struct Node<'x> {
    reader: &'x Reader,
    value: &'x Parsed,
    place: Place,
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::Boolean(yes) => visitor.visit_bool(*yes),
            Value::Integer(Ok(number)) => visitor.visit_i64(*number),
            Value::Float(Ok(number)) => visitor.visit_f64(*number),
            Value::Integer(Err(digits)) | Value::Float(Err(digits)) => {
                Err(Error::no_number(digits))
            }
            Value::Date => Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            Value::List(list) => visitor.visit_seq(Elements {
                reader: self.reader,
                place: &self.place,
                left: list.iter().enumerate(),
            }),
            Value::Table(table) => {
                visitor.visit_map(Entries::new(self.reader, table, &self.place, None))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Table(table) = &self.value.value else {
            return self.deserialize_any(visitor);
        };
        let entries = Entries::new(self.reader, table, &self.place, Some(known));
        visitor.visit_map(entries)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.value.value {
            Value::Text(word) => {
                let word: StrDeserializer<'_, Error> = (&**word).into_deserializer();
                visitor.visit_enum(word)
            }
            _ => Err(Error::word(words)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl Node<'_> {
    /// The value that `seed` makes of it; an error that has no place yet gets this one.
    fn read<'de, T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let (place, value) = (self.place.clone(), self.value.at.clone());
        seed.deserialize(self).map_err(|error| error.at(&place, value))
    }
}

/// The elements of a list that are not passed over.
struct Elements<'x> {
    reader: &'x Reader,
    place: &'x Place,
    left: std::iter::Enumerate<std::slice::Iter<'x, Parsed>>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        for (index, value) in self.left.by_ref() {
            let at = value.at.clone();
            if self.reader.skipped.borrow().contains(&at.start) {
                continue;
            }
            let names = below(&self.place.names, &index.to_string());
            let place = Place { names, id: at.start, at };
            return Node { reader: self.reader, value, place }.read(seed).map(Some);
        }
        Ok(None)
    }
}

/// The entries of a table that are known and not passed over.
struct Entries<'x> {
    reader: &'x Reader,
    table: &'x Table,
    left: std::collections::btree_map::Iter<'x, String, Entry>,
    place: Place,
    /// The keys of the struct that is read; `None` if any will do.
    known: Option<&'static [&'static str]>,
    /// Keys read under another name, so that none is read twice.
    meant: Vec<&'static str>,
    /// The entry whose key was read last, under the name it was read as.
    next: Option<(Place, &'x Parsed)>,
}

impl<'x> Entries<'x> {
    fn new(
        reader: &'x Reader,
        table: &'x Table,
        place: &Place,
        known: Option<&'static [&'static str]>,
    ) -> Self {
        let (left, place) = (table.iter(), place.clone());
        Self { reader, table, left, place, known, meant: Vec::new(), next: None }
    }

    /// The key as it is to be read; `None` to pass over it.
    fn read_as<'k>(&mut self, key: &'k str, at: &Range<usize>, value: &Value) -> Option<&'k str> {
        let Some(known) = self.known.filter(|known| !known.contains(&key)) else {
            return Some(key);
        };
        let mut unknown = self.reader.unknown.borrow_mut();
        let told = unknown.iter().find(|(start, _)| *start == at.start).map(|(_, meant)| *meant);
        let meant = told.unwrap_or_else(|| {
            let (start, table) = (at.start, value.as_table().is_some());
            let (at, path) = (At::new(at.clone()), &self.place.names[..]);
            let (diagnostic, meant) = Unknown { path, key, at, table, known }.tell();
            self.reader.found.borrow_mut().push(diagnostic);
            unknown.push((start, meant));
            meant
        })?;
        // What was meant is read too: its value may be wrong as well, and nothing is missing then.
        if self.table.contains_key(meant) || self.meant.contains(&meant) {
            return None;
        }
        self.meant.push(meant);
        Some(meant)
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        while let Some((key, entry)) = self.left.next() {
            let (at, value) = (entry.key.clone(), &entry.node);
            if self.reader.skipped.borrow().contains(&at.start) {
                // The same value may be missed elsewhere, if it is a default.
                let names = below(&self.place.names, key);
                self.reader.dropped.borrow_mut().insert(names);
                continue;
            }
            let Some(name) = self.read_as(key, &at, &value.value) else { continue };
            let names = below(&self.place.names, name);
            let place = Place { names, id: at.start, at: at.clone() };
            let name: StrDeserializer<'_, Error> = name.into_deserializer();
            let key = seed.deserialize(name).map_err(|error| error.at(&place, at))?;
            self.next = Some((place, value));
            return Ok(Some(key));
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        match self.next.take() {
            Some((place, value)) => Node { reader: self.reader, value, place }.read(seed),
            None => Err(de::Error::custom("a value before its key")),
        }
    }
}
