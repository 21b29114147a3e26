//! `[defaults.*]` and `--set`: what holds where several say something about one thing.
//!
//! Called by `load.rs`, on tables, before any struct is made. One rule: built-in < defaults < policies in
//! their order < the thing itself < the command line. Tables merge key by key; all else is replaced
//! whole, and so are choices, of which a table would otherwise get two keys. Every value keeps its
//! place, so whoever shows it can tell who won.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use toml::de::DeTable;

use super::keys::{is_choice, policy_keys};
use super::syntax::broken;
use super::tree::{Table, Value, table};
use super::{Texts, Tree};
use crate::diagnostic::{At, Code, Diagnostic};
use crate::{listener, policy, pool, route};

/// `[defaults.*]`: the same keys, for everything of a kind, as if they were written in each of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// For every listener.
    #[schemars(schema_with = "part::<listener::Config>")]
    pub listeners: Option<listener::Config>,
    /// For every route; what policies may say holds where no policy of the route or its listener says it.
    #[schemars(schema_with = "part::<route::Config>")]
    pub routes: Option<route::Config>,
    /// For every pool.
    #[schemars(schema_with = "part::<pool::Config>")]
    pub pools: Option<pool::Config>,
    /// What `[defaults.routes]` says that policies may say, too: the first of every route's policies.
    #[serde(skip)]
    pub rules: policy::Config,
}

/// The keys of a section, none of which is required.
fn part<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    schema.remove("required");
    schema
}

/// The sections that may have defaults.
const SECTIONS: [&str; 3] = ["listeners", "routes", "pools"];

/// Puts the defaults under everything of their kind. Not what policies may say: a route's policies win over
/// it, so it cannot stand in the route; it stays where it is.
pub fn defaults(tree: &mut Tree) {
    for section in SECTIONS {
        let Some((found, _)) = tree.walk(&["defaults", section]) else { continue };
        let Some(mut fragment) = found.value.as_table().cloned() else { continue };
        if section == "routes" {
            fragment.retain(|key, _| !policy_keys().contains(&key.as_str()));
        }
        let Some(entries) = tree.root.get_mut(section) else { continue };
        let Value::Table(entries) = &mut entries.node.value else { continue };
        for entry in entries.values_mut() {
            if let Value::Table(entry) = &mut entry.node.value {
                under(entry, &fragment, &[section, "*"]);
            }
        }
    }
}

/// What of a `[defaults.routes]` stays there.
pub fn rules(tree: &Tree) -> Option<Table> {
    let (found, _) = tree.walk(&["defaults", "routes"])?;
    let mut rules = found.value.as_table()?.clone();
    rules.retain(|key, _| policy_keys().contains(&key.as_str()));
    Some(rules)
}

/// Adds what `from` says and `into` does not. `path`: where both are.
pub fn under(into: &mut Table, from: &Table, path: &[&str]) {
    for (key, entry) in from {
        let Some(own) = into.get_mut(key) else {
            into.insert(key.clone(), entry.clone());
            continue;
        };
        let path = [path, &[&**key]].concat();
        if let (Value::Table(own), Value::Table(more)) = (&mut own.node.value, &entry.node.value)
            && !is_choice(&path)
        {
            under(own, more, &path);
        }
    }
}

/// Adds what was set on the command line: `pools.app.balance=random`. What is no value of TOML is a text.
pub fn set(tree: &mut Tree, texts: &mut Texts, assignment: &str, found: &mut Vec<Diagnostic>) {
    let name = || String::from("--set");
    let Some((key, value)) = assignment.split_once('=') else {
        let start = texts.add(name(), assignment.to_owned());
        let at = Some(At::new(start..start + assignment.len()));
        let problem = "`--set` takes a key and its value: write --set pools.app.balance=random";
        return found.push(Diagnostic::new(Code::E0101, at, problem, "no `=`"));
    };
    let mut text = format!("{} = {}", key.trim(), value.trim());
    if !DeTable::parse_recoverable(&text).1.is_empty() {
        text = format!("{} = {}", key.trim(), toml::Value::String(value.trim().to_owned()));
    }
    let start = texts.add(name(), text.clone());
    let (parsed, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        return found.append(&mut broken(&text, start, &errors));
    }
    let given = table(parsed.get_ref(), start);
    if let Some(entry) = given.get("include") {
        let problem = "files are included by files only: remove it, or write it at the top of one";
        let at = Some(At::new(entry.key.clone()));
        return found.push(Diagnostic::new(Code::E0202, at, problem, "not on the command line"));
    }
    over(&mut tree.root, given, &[]);
}

/// Adds what `from` says, also if `into` says otherwise.
pub fn over(into: &mut Table, from: Table, path: &[&str]) {
    for (key, mut entry) in from {
        let path = [path, &[&*key]].concat();
        if let Some(own) = into.get_mut(&key)
            && let Value::Table(own) = &mut own.node.value
            && let Value::Table(more) = &mut entry.node.value
            && !is_choice(&path)
        {
            over(own, std::mem::take(more), &path);
        } else {
            into.insert(key, entry);
        }
    }
}
