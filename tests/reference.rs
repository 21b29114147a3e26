//! `config/reference.toml` tells every key there is, and the defaults it tells are the real ones.

use std::collections::BTreeSet;

use toml::{Table, Value};
use weir::config;
use weir::policy::Policy;

const REFERENCE: &str = include_str!("../config/reference.toml");

const FREE: [&str; 9] = [
    ".key",
    "*.error_pages",
    "log.levels",
    ".header",
    "*.query",
    "*.cookie",
    "*.split",
    ".set",
    ".add",
];

/// The keys of a document, with `*` for names, as `config::keys` writes them.
fn written(table: &Table, path: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let named = matches!(path, "certificates" | "listeners" | "routes" | "policies" | "pools");
        let path = match path {
            "" => key.clone(),
            path if named => format!("{path}.*"),
            path => format!("{path}.{key}"),
        };
        if !named {
            found.insert(path.clone());
        }
        match value {
            // Tables of names that the operator chooses.
            Value::Table(_) if FREE.iter().any(|free| path.ends_with(free)) => {}
            // Defaults have the keys of what they are for.
            _ if path.starts_with("defaults.") => {}
            Value::Table(inner) => written(inner, &path, found),
            Value::Array(list) => {
                for inner in list.iter().filter_map(Value::as_table) {
                    written(inner, &format!("{path}[]"), found);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn it_shows_every_key_and_no_other() {
    let table: Table = toml::from_str(REFERENCE).unwrap();
    let mut shown = BTreeSet::new();
    written(&table, "", &mut shown);
    let known: BTreeSet<String> = config::keys().iter().cloned().collect();
    let missing: Vec<_> = known.difference(&shown).collect();
    let invented: Vec<_> = shown.difference(&known).collect();
    assert!(missing.is_empty(), "not in config/reference.toml: {missing:?}");
    assert!(invented.is_empty(), "in config/reference.toml only: {invented:?}");
}

#[test]
fn it_loads_without_a_word() {
    let loaded = config::parse("reference.toml", REFERENCE).unwrap();
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_defaults_it_shows_are_the_real_ones() {
    // Its [defaults.*] are examples, and would be in everything.
    let reference = REFERENCE.split("# ─── defaults").next().unwrap();
    let mut shown = config::parse("reference.toml", reference).unwrap().config;
    // What a policy does not say is said by those before it: what the first one shows is built in.
    let policy = shown.policies.remove("public").expect("it shows one");
    let [shows, built_in] =
        [policy, weir::policy::Config::default()].map(|config| Policy::new(config, &|_| None));
    assert_eq!(shows.max_body, built_in.max_body);
    assert_eq!(shows.forwarded, built_in.forwarded);
    assert_eq!(shows.upgrade, built_in.upgrade);
    assert_eq!(shows.timeouts, built_in.timeouts);
    assert_eq!(shows.steps.len(), built_in.steps.len());
    // The same file without each line that shows a default: a whole entry on one line, no "e.g.".
    let mut section = "";
    let mut dropped = 0;
    let mut left = String::new();
    for line in reference.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let entry = line.split_once('=').is_some_and(|(key, _)| !key.contains(['#', '{', '[']));
        let example = line.contains("# e.g.") || !line.contains('#') || section.is_empty();
        if entry && !example {
            dropped += 1;
            continue;
        }
        left.push_str(line);
        left.push('\n');
    }
    let mut real = config::parse("reference.toml", &left).unwrap().config;
    let policy = real.policies.remove("public").expect("it shows one");
    assert_eq!(policy, weir::policy::Config::default(), "all its keys show a default");
    assert_eq!(shown, real);
    assert_eq!(dropped, 91, "lines that show a default");
}

#[test]
fn the_examples_are_good_configurations() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let loaded = config::load(&path).unwrap_or_else(|report| {
            panic!("{}", report.render(weir::diagnostic::Style::Plain));
        });
        assert!(loaded.warnings.is_empty(), "{}", path.display());
        count += 1;
    }
    assert!(count > 0);
}
