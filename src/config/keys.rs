//! Which keys there are, and what to say about one that is not among them.
//!
//! The list comes from the schema that schemars derives from [`Config`], so there is no second list
//! to keep. Asked by `read.rs` for each unknown or missing key, and by the test of the reference.

use std::sync::LazyLock;

use schemars::schema_for;
use serde_json::Value;

use super::{Config, words};
use crate::diagnostic::{At, Code, Diagnostic, nearest, shown};

/// What the schema says of a key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// "pools.*.endpoints[].weight".
    path: String,
    /// A word, or a table of one key: it is replaced as a whole.
    choice: bool,
    /// Being there means something, even if it is empty.
    optional: bool,
}

/// Every key: "listeners.*.address", "pools.*.endpoints[].weight", and the sections themselves.
pub fn keys() -> &'static [String] {
    static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut paths: Vec<String> = schema().iter().map(|key| key.path.clone()).collect();
        paths.dedup();
        paths
    });
    &PATHS
}

/// Whether a section has tables with names.
pub fn named(section: &str) -> bool {
    section == "defaults"
        || keys()
            .iter()
            .any(|key| key.strip_prefix(section).is_some_and(|rest| rest.starts_with(".*")))
}

/// The keys that a policy may have, and so a route.
pub fn policy_keys() -> &'static [&'static str] {
    static KEYS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let inner = keys().iter().filter_map(|key| key.strip_prefix("policies.*."));
        inner.filter(|key| !key.contains(['.', '['])).collect()
    });
    &KEYS
}

/// Whether the value at a path of the document is a choice.
pub fn is_choice(path: &[&str]) -> bool {
    find(path).is_some_and(|key| key.choice)
}

/// Whether the table at a path of the document means something by being there.
pub fn is_optional(path: &[&str]) -> bool {
    find(path).is_some_and(|key| key.optional)
}

/// What the schema says of a path of the document: there, a name stands where the schema has `*`.
fn find(path: &[&str]) -> Option<&'static Key> {
    let path = match path {
        ["defaults", section, rest @ ..] => [&[*section, "*"], rest].concat(),
        path => path.to_vec(),
    };
    let same = |key: &&Key| {
        let mut steps = key.path.split('.');
        path.iter().all(|name| steps.next().is_some_and(|step| step == *name || step == "*"))
            && steps.next().is_none()
    };
    schema().iter().find(same)
}

fn schema() -> &'static [Key] {
    // Made once: a file may have many unknown keys.
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let schema = schema_for!(Config).to_value();
        let mut found = Vec::new();
        collect(&schema, &schema, "", &mut found);
        found.sort_unstable();
        found
    });
    &KEYS
}

/// The keys of one schema, and of those inside it. Our structs do not contain themselves.
fn collect(root: &Value, schema: &Value, path: &str, found: &mut Vec<Key>) {
    for schema in forms(root, schema) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, inner) in properties.into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let any = |word: &str, value: Value| {
                forms(root, inner).iter().any(|form| form.get(word) == Some(&value))
            };
            let (choice, optional) = (any("maxProperties", 1.into()), any("type", "null".into()));
            found.push(Key { path: path.clone(), choice, optional });
            // Defaults have the keys of what they are for.
            if !path.starts_with("defaults.") {
                collect(root, inner, &path, found);
            }
        }
        // The entries of a map whose names have a pattern, as `unit::Name` has.
        let named = schema.get("patternProperties").and_then(Value::as_object);
        for inner in named.into_iter().flat_map(|patterns| patterns.values()) {
            collect(root, inner, &format!("{path}.*"), found);
        }
        if let Some(inner) = schema.get("items") {
            collect(root, inner, &format!("{path}[]"), found);
        }
    }
}

/// A schema, what it refers to, and its alternatives.
fn forms<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let target = schema.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|name| root.pointer(name.strip_prefix('#')?));
    let words = ["anyOf", "oneOf", "allOf"].into_iter();
    let alternatives = words.filter_map(|word| schema.get(word)?.as_array()).flatten();
    let inner = target.into_iter().chain(alternatives);
    std::iter::once(schema).chain(inner.flat_map(|one| forms(root, one))).collect()
}

/// A key that its section does not have.
pub struct Unknown<'a> {
    /// The names of the tables it stands in.
    pub path: &'a [String],
    /// The key.
    pub key: &'a str,
    /// Where it stands.
    pub at: At,
    /// Whether its value is a table.
    pub table: bool,
    /// The keys its section has.
    pub known: &'a [&'static str],
}

impl Unknown<'_> {
    /// What to say, and the known key that was meant, if that is clear.
    pub fn tell(&self) -> (Diagnostic, Option<&'static str>) {
        let (key, here) = (shown(self.key), section(self.path));
        let new =
            |code, problem, label| Diagnostic::new(code, Some(self.at.clone()), problem, label);
        if let Some(foreign) = words::key(self.key, self.known) {
            let ours = foreign.ours;
            let problem = format!("unknown key `{key}` {here}: write `{ours}`");
            let label = format!("{}'s `{key}` is `{ours}` here", foreign.who);
            return (new(Code::E0201, problem, label), Some(ours));
        }
        let all = keys();
        if self.key == "include" && !self.path.is_empty() {
            let problem = format!(
                "`include` is a top-level key, but stands {}: move it above the first [header]",
                here.replace("in [", "inside [")
            );
            let label = "TOML: everything after a [header] belongs to it".to_owned();
            return (new(Code::E0203, problem, label), None);
        }
        if self.table && !self.path.is_empty() && all.iter().any(|one| one == self.key) {
            let named = all.iter().any(|one| one.starts_with(&format!("{key}.*")));
            let header = if named { format!("[{key}.NAME]") } else { format!("[{key}]") };
            let problem =
                format!("`{key}` is a top-level section, but stands {here}: write it as {header}");
            let label = "TOML: everything after a [header] belongs to it".to_owned();
            return (new(Code::E0203, problem, label), None);
        }
        let inner: Vec<(&str, &str)> = all.iter().filter_map(|one| one.rsplit_once('.')).collect();
        let homes = |key: &str| -> Vec<String> {
            let homes: Vec<&str> =
                inner.iter().filter(|(_, last)| *last == key).map(|(home, _)| *home).collect();
            // A table belongs where there is a table of this name, another value elsewhere.
            let fits = |home: &&str| {
                let table = format!("{home}.{key}.");
                all.iter().any(|one| one.starts_with(&table)) == self.table
            };
            let fitting: Vec<&str> = homes.iter().copied().filter(fits).collect();
            let best = if fitting.is_empty() { homes } else { fitting };
            best.into_iter().map(|home| self.home(home)).collect()
        };
        let elsewhere = homes(self.key);
        // In [defaults] there are sections, and no keys.
        if !elsewhere.is_empty() && self.path != ["defaults"] {
            let problem = format!(
                "`{key}` is a key of {}, but stands {here}: move it there",
                elsewhere.join(" or ")
            );
            let label = format!("belongs in {}", elsewhere.first().map_or("", |home| home));
            return (new(Code::E0202, problem, label), None);
        }
        let lasts: Vec<&str> = inner.iter().map(|(_, last)| *last).collect();
        if let Some(foreign) = words::key(self.key, &lasts) {
            let ours = foreign.ours;
            let problem = format!(
                "unknown key `{key}` {here}: write `{ours}`, in {}",
                homes(ours).join(" or ")
            );
            let label = format!("{}'s `{key}` is `{ours}` here", foreign.who);
            return (new(Code::E0201, problem, label), None);
        }
        let note = format!("keys here: {}", self.known.join(", "));
        if let Some(meant) = nearest(self.key, self.known.iter().copied()) {
            let meant = self.known.iter().find(|known| **known == meant).copied();
            let word = meant.unwrap_or_default();
            let problem = format!("unknown key `{key}` {here}: write `{word}`");
            return (new(Code::E0201, problem, format!("did you mean `{word}`?")), meant);
        }
        let problem =
            format!("unknown key `{key}` {here}: remove it, or write one of the keys here");
        (new(Code::E0201, problem, "nothing knows it".to_owned()).note(note), None)
    }

    /// How a path of the schema's list is written in the file: "pools.*.health" is
    /// "[pools.NAME.health]", or "[pools.app.health]" if the key stands in the pool `app`.
    fn home(&self, path: &str) -> String {
        let name = match self.path {
            [section, name, ..] if path.split('.').next() == Some(section) => shown(name),
            _ => "NAME".to_owned(),
        };
        match path.strip_suffix("[]").and_then(|path| path.rsplit_once('.')) {
            Some((section, key)) => format!("`{key}` of [{}]", section.replace('*', &name)),
            None => format!("[{}]", path.replace('*', &name)),
        }
    }
}

/// A key that its section needs and does not have.
pub fn missing(path: &[String], key: &str, at: Option<At>, pool: Option<&str>) -> Diagnostic {
    let pool = pool.unwrap_or("app");
    let example = match (path.first().map(String::as_str), key) {
        (Some("listeners"), "address") => "address = \":8080\"".to_owned(),
        (_, "address") => "address = \"127.0.0.1:3000\"".to_owned(),
        (_, "endpoints") => "endpoints = [\"127.0.0.1:3000\"]".to_owned(),
        (_, "pool") => format!("pool = \"{}\"", shown(pool)),
        _ => format!("{key} = …"),
    };
    let problem = format!("`{key}` is missing {}: write `{example}`", section(path));
    Diagnostic::new(Code::E0403, at, problem, format!("needs `{key}`"))
}

/// "in [pools.app]", "in an endpoint of [pools.app]", "at the top level".
fn section(path: &[String]) -> String {
    let names: Vec<String> = path.iter().map(|name| shown(name)).collect();
    match &names[..] {
        [] => "at the top level".to_owned(),
        [section, name, key, _, ..] if section == "pools" && key == "endpoints" => {
            format!("in an endpoint of [pools.{name}]")
        }
        names => format!("in [{}]", names.join(".")),
    }
}
