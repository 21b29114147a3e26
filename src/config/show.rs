//! The effective configuration: what holds, where it was said, and what is built in.
//!
//! Called by `weir show`. What it shows can be read again and means the same: so policies stay policies, and
//! what `[defaults.routes]` says that policies may say, too, stays there, since they win over it. A route that
//! is asked for by name is shown with all that holds for its requests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, json};

use super::builtin::{self, NOWHERE};
use super::keys::{is_optional, policy_keys};
use super::load::{Loaded, places};
use super::merge::{over, rules, under};
use super::print::{inline, print};
use super::tree::{Entry, Node, Table, Tree, Value};
use super::{keys, named};
use crate::diagnostic::{nearest, shown};

/// What is to be shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// A part of it: "routes.api", "pools.app.drain".
    pub path: Option<String>,
    /// Also what is built in.
    pub built_in: bool,
}

/// A part of the effective configuration.
pub struct Shown<'a> {
    loaded: &'a Loaded,
    root: Table,
    /// Rules that the listeners of a route disagree on: the rule, and what holds on which of them.
    differ: Vec<String>,
    /// Which defaults or policies a place is in.
    owners: BTreeMap<usize, String>,
}

/// What of a configuration is asked for. Fails with a sentence if there is no such thing.
pub fn show<'a>(loaded: &'a Loaded, view: &View) -> Result<Shown<'a>, String> {
    let path: Vec<&str> = view.path.iter().flat_map(|path| path.split('.')).collect();
    let mut shown =
        Shown { loaded, root: Table::new(), differ: Vec::new(), owners: owners(&loaded.tree) };
    let mut tree = loaded.tree.clone();
    let rules = rules(&tree).filter(|rules| !rules.is_empty());
    tree.root.remove("defaults");
    if let Some(rules) = rules {
        insert(&mut tree.root, &["defaults", "routes"], table_of(rules));
    }
    if let ["routes", name, ..] = path[..] {
        shown.differ = resolve(loaded, &mut tree, name, view.built_in);
    }
    let mut all = tree.clone();
    add_built_in(&mut all, path.first() != Some(&"routes"));
    let tree = if view.built_in { &all } else { &tree };
    // Who asks for a key wants to know what holds, whoever says it.
    let found = if path.is_empty() { Some(&tree.root) } else { None };
    match found {
        Some(root) => shown.root = root.clone(),
        None => match tree.walk(&path).or_else(|| all.walk(&path)) {
            Some((node, _)) => insert(&mut shown.root, &path, node.clone()),
            None => return Err(unknown(&all, &path)),
        },
    }
    Ok(shown)
}

impl Shown<'_> {
    /// As TOML; with `origin`, behind each value stands who said it.
    pub fn toml(&self, origin: bool) -> String {
        let remark = |path: &[&str], node: &Node| origin.then(|| self.origin(path, node));
        let mut text = print(&self.root, &remark);
        for line in &self.differ {
            text.push_str(&format!("# {line}\n"));
        }
        text
    }

    /// As JSON; with `origin`, also who said each value, by its path.
    pub fn json(&self, origin: bool) -> serde_json::Value {
        let mut all = json!({ "schema": 1, "config": table_as_json(&self.root) });
        if origin {
            let mut origins = Map::new();
            self.origins(&self.root, &[], &mut origins);
            all["origins"] = origins.into();
        }
        if !self.differ.is_empty() {
            all["by_listener"] = self.differ.clone().into();
        }
        all
    }

    fn origins(&self, table: &Table, path: &[&str], found: &mut Map<String, serde_json::Value>) {
        for (key, entry) in table {
            let path = [path, &[&**key]].concat();
            match &entry.node.value {
                Value::Table(inner) if !inner.is_empty() => self.origins(inner, &path, found),
                _ => drop(found.insert(path.join("."), self.origin(&path, &entry.node).into())),
            }
        }
    }

    /// Who said a value: "weir.toml:3", "[defaults.pools] weir.toml:9", "command line", "built-in".
    fn origin(&self, path: &[&str], node: &Node) -> String {
        if node.at.start >= NOWHERE {
            return "built-in".to_owned();
        }
        let line = self.loaded.texts.line(node.at.start).unwrap_or_default();
        if line.starts_with("--set:") {
            return "command line".to_owned();
        }
        match self.owners.get(&node.at.start) {
            // Nobody wonders who said it where it was said.
            Some(owner) if !matches!(path[..], ["defaults" | "policies", ..]) => {
                format!("{owner} {line}")
            }
            _ => line,
        }
    }
}

/// Where what defaults and policies say begins, and who they are.
fn owners(tree: &Tree) -> BTreeMap<usize, String> {
    let mut owners = BTreeMap::new();
    for section in ["defaults", "policies"] {
        for name in tree.names(section) {
            let mut inside = BTreeSet::new();
            if let Some((node, _)) = tree.walk(&[section, name]) {
                places(&node.value, &mut inside);
            }
            owners.extend(inside.into_iter().map(|place| (place, format!("[{section}.{name}]"))));
        }
    }
    owners
}

/// Puts into a route all that holds for its requests; answers what depends on the listener.
fn resolve(loaded: &Loaded, tree: &mut Tree, name: &str, built_in: bool) -> Vec<String> {
    let Some(route) = loaded.config.routes.get(name) else { return Vec::new() };
    let named =
        |policy: &str| Some(loaded.tree.walk(&["policies", policy])?.0.value.as_table()?.clone());
    let own =
        loaded.tree.walk(&["routes", name]).and_then(|(node, _)| node.value.as_table().cloned());
    let mut own = own.unwrap_or_default();
    own.retain(|key, _| policy_keys().contains(&key.as_str()));
    let mut on: Vec<(&str, Table)> = Vec::new();
    for (listener, section) in
        loaded.config.listeners.iter().filter(|(name, one)| one.takes(name, route))
    {
        let listed = section.policies.iter().chain(&*route.policies).filter_map(|one| named(one));
        let first = built_in.then(|| builtin::section("policies").cloned()).flatten();
        let mut all = Table::new();
        for part in first.into_iter().chain(rules(&loaded.tree)).chain(listed).chain([own.clone()])
        {
            over(&mut all, part, &["routes", name]);
        }
        on.push((listener, all));
    }
    let mut differ = Vec::new();
    for key in policy_keys() {
        let values: Vec<Option<&Entry>> = on.iter().map(|(_, all)| all.get(*key)).collect();
        let text = |entry: &Option<&Entry>| entry.map(|entry| inline(&entry.node.value));
        if values.windows(2).all(|pair| text(&pair[0]) == text(&pair[1])) {
            if let Some(Some(entry)) = values.first() {
                insert(&mut tree.root, &["routes", name, key], entry.node.clone());
            }
            continue;
        }
        for ((listener, _), value) in on.iter().zip(&values) {
            let value = text(value).unwrap_or_else(|| "built-in".to_owned());
            differ.push(format!("on listener {listener}: {key} = {value}"));
        }
    }
    differ
}

/// Adds what is built in, where it may be written. `rules`: also what holds for routes before all policies.
fn add_built_in(tree: &mut Tree, rules: bool) {
    if let Some(built_in) = builtin::section("policies").filter(|_| rules) {
        let entry = tree.root.entry("defaults".to_owned()).or_insert_with(empty);
        let Value::Table(defaults) = &mut entry.node.value else { return };
        let entry = defaults.entry("routes".to_owned()).or_insert_with(empty);
        if let Value::Table(routes) = &mut entry.node.value {
            under(routes, built_in, &["routes", "*"]);
        }
    }
    let sections: BTreeSet<&str> = keys().iter().filter_map(|key| key.split('.').next()).collect();
    for section in sections.into_iter().filter(|section| *section != "policies") {
        let Some(built_in) = builtin::section(section) else { continue };
        let entry = tree.root.entry(section.to_owned()).or_insert_with(empty);
        let Value::Table(table) = &mut entry.node.value else { continue };
        if !named(section) {
            under(table, built_in, &[section]);
            continue;
        }
        for entry in table.values_mut() {
            let Value::Table(table) = &mut entry.node.value else { continue };
            let mut built_in = built_in.clone();
            // A section that would mean something is not there.
            built_in.retain(|key, _| table.contains_key(key) || !is_section(&[section, "*", key]));
            under(table, &built_in, &[section, "*"]);
        }
    }
}

fn is_section(path: &[&str]) -> bool {
    let path_text = path.join(".");
    is_optional(path) && keys().iter().any(|key| key.starts_with(&format!("{path_text}.")))
}

/// There is no such thing; what there is.
fn unknown(tree: &Tree, path: &[&str]) -> String {
    let known = (1..path.len()).rev().find(|length| tree.walk(&path[..*length]).is_some());
    let (above, rest) = path.split_at(known.unwrap_or_default());
    let name = rest.first().copied().unwrap_or_default();
    let inside: Vec<&str> = match tree.walk(above) {
        Some((Node { value: Value::Table(table), .. }, _)) => {
            table.keys().map(String::as_str).collect()
        }
        Some(_) => Vec::new(),
        None => tree.root.keys().map(String::as_str).collect(),
    };
    let place =
        if above.is_empty() { String::new() } else { format!(" in {}", shown(&above.join("."))) };
    let begin = format!("there is no `{}`{place}", shown(name));
    match nearest(name, inside.iter().copied()) {
        Some(near) => format!("{begin}: write `{}`", shown(&[above, &[near]].concat().join("."))),
        None if inside.is_empty() => format!("{begin}: it is a value"),
        None => {
            let some: Vec<String> = inside.iter().take(12).map(|name| shown(name)).collect();
            format!("{begin}: write one of {}", some.join(", "))
        }
    }
}

fn empty() -> Entry {
    Entry { key: NOWHERE..NOWHERE, node: table_of(Table::new()) }
}

fn table_of(table: Table) -> Node {
    Node { at: NOWHERE..NOWHERE, value: Value::Table(table) }
}

/// Puts a value at a path, with the tables that lead there.
fn insert(root: &mut Table, path: &[&str], node: Node) {
    let Some((last, above)) = path.split_last() else { return };
    let mut table = root;
    for step in above {
        let entry = table.entry((*step).to_owned()).or_insert_with(empty);
        let Value::Table(inner) = &mut entry.node.value else { return };
        table = inner;
    }
    let key = node.at.clone();
    table.insert((*last).to_owned(), Entry { key, node });
}

fn table_as_json(table: &Table) -> serde_json::Value {
    table.iter().map(|(key, entry)| (key.clone(), as_json(&entry.node.value))).collect()
}

fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.clone().into(),
        Value::Boolean(yes) => (*yes).into(),
        Value::Integer(Ok(number)) => (*number).into(),
        Value::Float(Ok(number)) => (*number).into(),
        Value::Integer(Err(_)) | Value::Float(Err(_)) | Value::Date => serde_json::Value::Null,
        Value::List(list) => list.iter().map(|node| as_json(&node.value)).collect(),
        Value::Table(table) => table_as_json(table),
    }
}
