//! What holds for a key that nobody gives: the values that the reference shows.
//!
//! `show.rs` adds them to what is written. A test of the reference proves that they are what the code does.

use std::sync::LazyLock;

use toml::de::DeTable;

use super::merge::under;
use super::named;
use super::tree::{Table, table};

const REFERENCE: &str = include_str!("../../config/reference.toml");
/// Where everything built-in stands: in no text.
pub const NOWHERE: usize = usize::MAX / 2;

/// The built-in values of a section; of one with names, those of each entry.
pub fn section(name: &str) -> Option<&'static Table> {
    static BUILT_IN: LazyLock<Table> = LazyLock::new(read);
    BUILT_IN.get(name).and_then(|entry| entry.node.value.as_table())
}

/// Each line of the reference that gives a value and does not call it an example.
fn read() -> Table {
    let mut all = Table::new();
    let mut header = String::new();
    for line in REFERENCE.lines() {
        if let Some((inside, _)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            let mut names: Vec<&str> = inside.split('.').collect();
            if named(names[0]) && names.len() > 1 {
                names.remove(1);
            }
            header = names.join(".");
        }
        let is_example =
            line.contains("# e.g.") || !line.contains('#') || header.starts_with("defaults");
        let is_entry = line.split_once('=').is_some_and(|(key, _)| !key.contains(['#', '{', '[']));
        if header.is_empty() || is_example || !is_entry {
            continue;
        }
        if let Ok(parsed) = DeTable::parse(&format!("[{header}]\n{line}")) {
            under(&mut all, &table(parsed.get_ref(), NOWHERE), &[]);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::tree::Value;
    use super::*;

    #[test]
    fn the_reference_tells_what_is_built_in() {
        let pools = section("pools").unwrap();
        assert!(matches!(&pools["drain"].node.value, Value::Text(time) if time == "30s"));
        assert!(pools["health"].node.value.as_table().unwrap().contains_key("interval"));
        assert!(!pools.contains_key("endpoints"));
        assert!(section("policies").unwrap().contains_key("timeouts"));
        assert!(section("defaults").is_none());
    }
}
