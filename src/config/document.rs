//! From a file and all it includes to one document.
//!
//! Called by `load.rs`. Every file is a part of it once, however often it is named. Sections of
//! several files are put together by name; what two of them define is an error that shows both.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::syntax::broken;
use super::tree::{Entry, Node, Table, Value, table};
use super::world::{World, is_glob, unreadable};
use super::{Texts, named};
use crate::diagnostic::{At, Code, Diagnostic, shown};

/// The document while its files are read.
pub struct Reading<'a> {
    /// Where files come from.
    pub world: &'a mut World,
    /// What was read.
    pub texts: Texts,
    /// What is wrong.
    pub found: Vec<Diagnostic>,
    root: Table,
    /// The files that are part of it, by where they really are.
    parts: BTreeSet<PathBuf>,
    /// How many files include one another to the one that is read.
    depth: usize,
}

/// Files that include one another.
const DEEPEST: usize = 32;

impl<'a> Reading<'a> {
    /// Nothing yet.
    pub fn new(world: &'a mut World) -> Self {
        let (texts, root) = (Texts::default(), Table::new());
        Self { world, texts, found: Vec::new(), root, parts: BTreeSet::new(), depth: 0 }
    }

    /// The root table of all that was read.
    pub fn finish(self) -> (Table, Texts, Vec<Diagnostic>) {
        (self.root, self.texts, self.found)
    }

    /// Adds a file and all that it includes. `named` is where its name stands, if another file names it.
    pub fn file(&mut self, path: &Path, named: Option<&Range<usize>>) {
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !self.parts.insert(place) {
            return;
        }
        let bytes = match self.world.read(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.missing(path, &error, named),
        };
        let name = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => self.text(name, text, path),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
                let problem = format!("{name} is not UTF-8 in line {line}: save it as UTF-8");
                let at = named.map(|at| At::new(at.clone()));
                self.found.push(Diagnostic::new(Code::E0101, at, problem, "named here"));
            }
        }
    }

    fn missing(&mut self, path: &Path, error: &io::Error, named: Option<&Range<usize>>) {
        let mut found = unreadable(path, error, named.is_some());
        found.at = named.map(|at| At::new(at.clone()));
        "named here".clone_into(&mut found.label);
        self.found.push(found);
    }

    /// Adds a text and all that it includes, relative to `path`.
    pub fn text(&mut self, name: String, text: String, path: &Path) {
        let start = self.texts.add(name, text.clone());
        let (parsed, errors) = DeTable::parse_recoverable(&text);
        if !errors.is_empty() {
            return self.found.append(&mut broken(&text, start, &errors));
        }
        let mut part = table(parsed.get_ref(), start);
        let include = part.remove("include");
        self.unite(part);
        let Some(include) = include else { return };
        if self.depth == DEEPEST {
            let problem = format!(
                "files that include files are followed {DEEPEST} deep, and this is deeper: name them in the first one"
            );
            let at = Some(At::new(include.key.clone()));
            return self.found.push(Diagnostic::new(Code::E0105, at, problem, "too deep"));
        }
        self.depth += 1;
        self.include(&include.node, path.parent().unwrap_or(path));
        self.depth -= 1;
    }

    fn include(&mut self, node: &Node, directory: &Path) {
        let one = std::slice::from_ref(node);
        let names = if let Value::List(list) = &node.value { list } else { one };
        for node in names {
            let at = || Some(At::new(node.at.clone()));
            let Some(name) = node.value.as_text().filter(|name| !name.is_empty()) else {
                let problem = "`include` names files: write [\"conf.d/*.toml\"]";
                self.found.push(Diagnostic::new(Code::E0103, at(), problem, "no name of a file"));
                continue;
            };
            let path = directory.join(name);
            if !is_glob(name) {
                self.file(&path, Some(&node.at));
            } else if name.contains("**") || name.contains(['[', '{']) {
                let problem = "a glob has `*` for any characters and `?` for one, and no other signs: \
                               write each directory, such as \"conf.d/*/*.toml\"";
                self.found.push(Diagnostic::new(Code::E0103, at(), problem, "no such glob"));
            } else {
                match self.world.matches(&path) {
                    Ok(paths) => paths.iter().for_each(|path| self.file(path, Some(&node.at))),
                    Err((directory, error)) => self.missing(&directory, &error, Some(&node.at)),
                }
            }
        }
    }

    /// Adds the sections of a file, name by name.
    fn unite(&mut self, part: Table) {
        for (section, entry) in part {
            let Some(before) = self.root.get_mut(&section) else {
                self.root.insert(section, entry);
                continue;
            };
            match (&mut before.node.value, entry.node.value) {
                (Value::Table(all), Value::Table(more)) if named(&section) => {
                    for (name, entry) in more {
                        let Some(first) = all.get(&name) else {
                            all.insert(name, entry);
                            continue;
                        };
                        let what = format!("[{section}.{}]", shown(&name));
                        self.found.push(twice(&self.texts, &what, &entry, first));
                    }
                }
                (_, value) => {
                    let entry = Entry { key: entry.key, node: Node { at: entry.node.at, value } };
                    let what = match entry.node.value {
                        Value::Table(_) => format!("[{}]", shown(&section)),
                        _ => format!("`{}`", shown(&section)),
                    };
                    self.found.push(twice(&self.texts, &what, &entry, before));
                }
            }
        }
    }
}

fn twice(texts: &Texts, what: &str, second: &Entry, first: &Entry) -> Diagnostic {
    let there = texts.line(first.key.start).unwrap_or_default();
    let problem = format!("{what} is also in {there}: remove one, or write both as one");
    let at = |entry: &Entry| Some(At::new(entry.key.clone()));
    Diagnostic::new(Code::E0204, at(second), problem, "the second one")
        .also(at(first), "the first one")
        .note("all files are one document; none comes before another")
}
