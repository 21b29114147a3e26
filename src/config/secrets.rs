//! Secrets that stand where only their places should: no report shows them, and so no log.
//!
//! Called by `load.rs` before anything is told. A report shows the lines around a mistake, so it is the texts that are
//! made unreadable.

use std::ops::Range;

use super::tree::{Node, Value};
use super::{Texts, Tree};

/// The sections that have a secret, in `key`, and their other keys.
const SECTIONS: [(&[&str], &[&str]); 2] = [
    (&["certificates"], &["cert", "hosts", "self_signed"]),
    (&["pools", "tls"], &["server_name", "ca", "verify", "cert"]),
];

/// Hides what may be a secret.
pub fn mask(tree: &Tree, texts: &mut Texts) {
    for (section, others) in SECTIONS {
        for name in tree.names(section[0]) {
            let path = [&[section[0], name], &section[1..]].concat();
            let Some((Node { value: Value::Table(table), .. }, _)) = tree.walk(&path) else {
                continue;
            };
            if tree.has(&path) {
                // A key that is not known may be meant as the one of the secret.
                let secrets = table.iter().filter(|(key, _)| !others.contains(&&***key));
                secrets.for_each(|(_, entry)| hide(&entry.node, texts));
            }
        }
    }
}

/// Hides a value, unless it says where a secret is.
fn hide(node: &Node, texts: &mut Texts) {
    if let Value::Table(table) = &node.value
        && let [(word, entry)] = &table.iter().collect::<Vec<_>>()[..]
        && let Value::Text(text) = &entry.node.value
        && match word.as_str() {
            "file" | "credential" => !text.contains('\n'),
            "env" => is_variable(text),
            _ => false,
        }
    {
        return;
    }
    hide_all(node, texts);
}

fn hide_all(node: &Node, texts: &mut Texts) {
    match &node.value {
        Value::Table(table) => table.values().for_each(|entry| hide_all(&entry.node, texts)),
        Value::List(list) => list.iter().for_each(|node| hide_all(node, texts)),
        _ => texts.mask(node.at.clone()),
    }
}

/// The same where the grammar is broken, so that nobody knows what is what: by lines.
pub fn mask_lines(texts: &mut Texts) {
    for at in texts.lines(is_secret) {
        texts.mask(at);
    }
}

/// What of a line may be a secret; `within`: of several lines that are one.
fn is_secret(line: &str, within: &mut bool) -> Option<Range<usize>> {
    let ends = line.contains("-----END") || line.contains("\"\"\"") || line.contains("'''");
    if *within {
        *within = !ends;
        return Some(0..line.len());
    }
    let (key, value) = line.split_once('=')?;
    let is_key = key.trim().trim_matches('"').ends_with("key");
    let begins = value.contains("-----BEGIN") || value.contains("\"\"\"") || value.contains("'''");
    *within = is_key && begins && !value.contains("-----END");
    let place = value.trim_start();
    let elsewhere = ["file", "env", "credential"].iter().any(|word| {
        let inside = place.strip_prefix('{').map(str::trim_start);
        inside.is_some_and(|inside| inside.starts_with(word))
    });
    (is_key && !elsewhere).then(|| key.len() + 1..line.len())
}

/// Whether it looks like the name of a variable, and not like a secret.
pub fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
