//! `weir schema` tells editors what the reader of the file knows, in the words that they know.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use weir::config;

use crate::harness::Spawned;

fn document() -> Value {
    let output = Spawned::run(Path::new("."), &["schema"]);
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// What draft-04 knows and editors use.
const KNOWN: [&str; 22] = [
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "definitions",
    "description",
    "enum",
    "format",
    "items",
    "maxProperties",
    "maximum",
    "minProperties",
    "minimum",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
    "type",
];

/// The words of a schema; `names`: it is a table of schemas by name.
fn words<'a>(schema: &'a Value, names: bool, found: &mut Vec<&'a str>) {
    match schema {
        Value::Object(object) => {
            for (key, inner) in object {
                if !names {
                    found.push(key);
                }
                let tables = ["properties", "patternProperties", "definitions"];
                if names || !["default", "enum"].contains(&&**key) {
                    words(inner, !names && tables.contains(&&**key), found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|one| words(one, false, found)),
        _ => {}
    }
}

/// What a value is not, of all that the schema says; empty if it fits.
fn misfits(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let list = |word: &str| schema[word].as_array().cloned().unwrap_or_default();
    if let Some(target) = schema["$ref"].as_str() {
        wrong.extend(misfits(root, root.pointer(&target[1..]).unwrap(), value, at));
    }
    for one in list("allOf") {
        wrong.extend(misfits(root, &one, value, at));
    }
    for word in ["anyOf", "oneOf"] {
        let ways = list(word);
        let fits = |one: &Value| misfits(root, one, value, at).is_empty();
        if !ways.is_empty() && !ways.iter().any(fits) {
            wrong.push(format!("{at}: none of {word}"));
        }
    }
    let form = match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        _ => "object",
    };
    let types = schema["type"].as_str().map_or_else(|| list("type"), |one| vec![json!(one)]);
    if !types.is_empty() && !types.contains(&json!(form)) {
        wrong.push(format!("{at}: {form}, not {types:?}"));
    }
    if schema["enum"].is_array() && !list("enum").contains(value) {
        wrong.push(format!("{at}: {value} is no word of it"));
    }
    let number = value.as_f64();
    if number.is_some_and(|n| schema["minimum"].as_f64().is_some_and(|least| n < least))
        || number.is_some_and(|n| schema["maximum"].as_f64().is_some_and(|most| n > most))
    {
        wrong.push(format!("{at}: {value} is out of range"));
    }
    if let (Some(text), Some(pattern)) = (value.as_str(), schema["pattern"].as_str())
        && !regex::Regex::new(pattern).unwrap().is_match(text)
    {
        wrong.push(format!("{at}: {text} does not match {pattern}"));
    }
    for one in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
        wrong.extend(misfits(root, &schema["items"], one, at));
    }
    if let Some(object) = value.as_object() {
        for key in list("required").iter().filter_map(Value::as_str) {
            if !object.contains_key(key) {
                wrong.push(format!("{at}: no {key}"));
            }
        }
        for (key, inner) in object {
            let at = format!("{at}.{key}");
            let named = schema["patternProperties"].as_object().into_iter().flatten();
            let named =
                named.filter(|(pattern, _)| regex::Regex::new(pattern).unwrap().is_match(key));
            let own = schema["properties"].get(key);
            let all: Vec<&Value> = own.into_iter().chain(named.map(|(_, inner)| inner)).collect();
            if all.is_empty() && schema["additionalProperties"] == json!(false) {
                wrong.push(format!("{at}: unknown"));
            }
            for one in all {
                wrong.extend(misfits(root, one, inner, &at));
            }
        }
    }
    wrong
}

fn check(text: &str) -> Vec<String> {
    let schema = document();
    let value: Value = toml::from_str(text).unwrap();
    misfits(&schema, &schema, &value, "")
}

#[test]
fn it_is_draft_04_without_null() {
    let schema = document();
    let mut found = Vec::new();
    words(&schema, false, &mut found);
    let unknown: Vec<_> = found.iter().filter(|word| !KNOWN.contains(word)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(!schema.to_string().contains("null"));
}

#[test]
fn good_files_fit() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let examples = std::fs::read_dir(top.join("examples")).unwrap();
    let examples = examples.map(|entry| entry.unwrap().path());
    for path in examples.chain([top.join("reference.toml")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(check(&text), Vec::<String>::new(), "{}", path.display());
    }
    let variable = "[runtime]\ndrain_timeout = \"${DRAIN:-5s}\"\n";
    assert_eq!(check(variable), Vec::<String>::new());
    let table = "[pools.a]\nendpoints = [\"localhost:1\"]\nbalance = { random = {} }\n";
    assert_eq!(check(table), Vec::<String>::new());
}

#[test]
fn mistakes_do_not_fit() {
    for text in [
        "listener = 1",
        "[runtime]\nworkers = 0",
        "[runtime]\ndrain_timeout = 5",
        "[runtime]\ndrain_timeout = \"5\"",
        "[pools.A]\nendpoints = []",
        "[pools.a]\nbalance = \"random\"",
        "[pools.a]\nendpoints = [\"a:1\"]\nbalance = \"leastconn\"",
        "[pools.a]\nendpoints = [{ weight = 1 }]",
        "[access_log]\nformat = \"xml\"",
    ] {
        assert_ne!(check(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn it_knows_the_same_keys_as_the_reader() {
    let schema = document();
    let mut found = BTreeSet::new();
    collect(&schema, &schema, "", &mut found);
    // What `balance` takes is options of a word, not keys of the file.
    found.retain(|key| !key.contains(".balance."));
    // Defaults have the keys of what they are for.
    found.retain(|key| !key.starts_with("defaults.") || key.matches('.').count() == 1);
    let known: BTreeSet<String> = config::keys().iter().cloned().collect();
    assert_eq!(found, known);
}

fn collect(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        collect(root, root.pointer(&target[1..]).unwrap(), path, found);
    }
    for one in
        ["anyOf", "allOf", "oneOf"].iter().filter_map(|word| schema[word].as_array()).flatten()
    {
        collect(root, one, path, found);
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        collect(root, inner, &path, found);
        found.insert(path);
    }
    for inner in
        schema["patternProperties"].as_object().into_iter().flat_map(|named| named.values())
    {
        collect(root, inner, &format!("{path}.*"), found);
    }
    if schema["items"].is_object() {
        collect(root, &schema["items"], &format!("{path}[]"), found);
    }
}
