//! A document as TOML that can be read again.
//!
//! Called by `show.rs`. Headers have at most three words; what lies deeper, and choices, are inline.

use super::keys::is_choice;
use super::named;
use super::tree::{Node, Table, Value};

/// Writes a document; behind each value stands what `remark` says of it.
pub fn print(root: &Table, remark: &dyn Fn(&[&str], &Node) -> Option<String>) -> String {
    let mut printer = Printer { out: String::new(), remark };
    printer.body(root, &[]);
    printer.out
}

struct Printer<'a> {
    out: String,
    remark: &'a dyn Fn(&[&str], &Node) -> Option<String>,
}

impl Printer<'_> {
    /// The values of a table, and then the tables in it.
    fn body(&mut self, table: &Table, path: &[&str]) {
        let mut inner = Vec::new();
        for (key, entry) in table {
            let path = [path, &[&**key]].concat();
            match &entry.node.value {
                Value::Table(table) if path.len() <= DEEPEST && !is_choice(&path) => {
                    inner.push((path, table));
                }
                _ => self.line(&path, &entry.node),
            }
        }
        for (path, table) in inner {
            let holds_tables = || table.values().all(|entry| entry.node.value.as_table().is_some());
            // A header for nothing but further headers says nothing.
            let silent = path.len() == 1 && named(path[0])
                || !table.is_empty() && path.len() < DEEPEST && holds_tables();
            if !silent {
                let break_before = if self.out.is_empty() { "" } else { "\n" };
                let header: Vec<String> = path.iter().map(|name| word(name)).collect();
                self.out.push_str(&format!("{break_before}[{}]\n", header.join(".")));
            }
            self.body(table, &path);
        }
    }

    fn line(&mut self, path: &[&str], node: &Node) {
        let key = word(path.last().copied().unwrap_or_default());
        let line = format!("{key} = {}", inline(&node.value));
        match (self.remark)(path, node) {
            Some(remark) => self.out.push_str(&format!("{line:<35} # {remark}\n")),
            None => self.out.push_str(&format!("{line}\n")),
        }
    }
}

/// The most words in a header.
const DEEPEST: usize = 3;

/// A value on one line.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Boolean(yes) => yes.to_string(),
        Value::Integer(Ok(number)) => number.to_string(),
        Value::Float(Ok(number)) => toml::Value::Float(*number).to_string(),
        Value::Integer(Err(digits)) | Value::Float(Err(digits)) => digits.clone(),
        // No key takes one, so there is none in a configuration that can be shown.
        Value::Date => String::new(),
        Value::List(list) => {
            let all: Vec<String> = list.iter().map(|node| inline(&node.value)).collect();
            format!("[{}]", all.join(", "))
        }
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let entry = |(key, value): (&String, &super::tree::Entry)| {
                format!("{} = {}", word(key), inline(&value.node.value))
            };
            format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A key as it is written.
fn word(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { quoted_plainly(key) }
}

/// A text in quotes, in which no dollar sign begins a variable.
fn quoted(text: &str) -> String {
    let mut safe = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        safe.push(c);
        if c == '$' && matches!(rest.peek(), Some('$' | '{')) {
            safe.push('$');
        }
    }
    quoted_plainly(&safe)
}

fn quoted_plainly(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
