//! `${NAME}` and `${NAME:-default}` inside string values, after parsing.
//!
//! Called by `load.rs` once the document is whole: so a variable can change a value, and never a key,
//! a type or the structure. `$$` is a dollar sign; any other use of it stays as it is.

use std::collections::BTreeSet;

use super::Texts;
use super::tree::{Node, Table, Value};
use super::world::World;
use crate::diagnostic::{At, Code, Diagnostic, shown};

/// Puts values in place of the variables of a document.
pub struct Variables<'a> {
    /// Where they come from.
    pub world: &'a World,
    /// What was read.
    pub texts: &'a Texts,
    /// A variable that is not set is no error: its value is not checked.
    pub allow_unset: bool,
    /// What is wrong.
    pub found: Vec<Diagnostic>,
    /// Values to pass over, by where they begin (of an entry, where its key does).
    pub unset: BTreeSet<usize>,
}

impl Variables<'_> {
    /// All values of a table.
    pub fn fill(&mut self, table: &mut Table) {
        for entry in table.values_mut() {
            self.node(&mut entry.node, entry.key.start);
        }
    }

    fn node(&mut self, node: &mut Node, id: usize) {
        match &mut node.value {
            Value::Text(text) if text.contains('$') => match filled(text, self.world) {
                Ok(filled) => *text = filled,
                Err(Wrong::Unset(_)) if self.allow_unset => drop(self.unset.insert(id)),
                Err(wrong) => {
                    let found = self.wrong(&wrong, node);
                    self.unset.insert(id);
                    self.found.push(found);
                }
            },
            Value::List(list) => {
                for node in list {
                    let id = node.at.start;
                    self.node(node, id);
                }
            }
            Value::Table(table) => self.fill(table),
            _ => {}
        }
    }

    fn wrong(&self, wrong: &Wrong, node: &Node) -> Diagnostic {
        let (code, sign, problem, label) = match wrong {
            Wrong::Unset(name) => {
                let name = shown(name);
                let problem = format!(
                    "the variable `{name}` is not set: write `${{{name}:-a default}}`, or set it"
                );
                (Code::E0108, format!("${{{name}"), problem, "not set")
            }
            Wrong::Form => {
                let problem = "a variable is `${NAME}` or `${NAME:-default}`: write it so, or `$$` \
                               for a dollar sign";
                (Code::E0103, String::from("${"), problem.to_owned(), "no variable")
            }
        };
        // The variable within its text, if it stands there as it is.
        let written = self.texts.slice(node.at.clone());
        let at = match written.find(&sign) {
            Some(start) => {
                let rest = &written[start..];
                let length = rest.find('}').map_or(sign.len(), |end| end + 1);
                node.at.start + start..node.at.start + start + length
            }
            None => node.at.clone(),
        };
        Diagnostic::new(code, Some(At::new(at)), problem, label)
    }
}

#[derive(Debug, PartialEq)]
enum Wrong {
    /// A variable that is not set and has no default.
    Unset(String),
    /// It begins as one and is none.
    Form,
}

/// A text with its variables filled in.
fn filled(text: &str, world: &World) -> Result<String, Wrong> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(sign) = rest.find('$') {
        filled.push_str(&rest[..sign]);
        rest = &rest[sign + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        // `$1`, `${1}` and the `$` at the end of a pattern are somebody else's.
        let begins =
            |inside: &&str| inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let Some(inside) = rest.strip_prefix('{').filter(begins) else {
            filled.push('$');
            continue;
        };
        let (inside, after) = inside.split_once('}').ok_or(Wrong::Form)?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Wrong::Form);
        }
        let value = world.variable(name).or_else(|| default.map(str::to_owned));
        filled.push_str(&value.ok_or_else(|| Wrong::Unset(name.to_owned()))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_no_other_dollar_sign_is_touched() {
        let world = World::real();
        let home = std::env::var("PATH").unwrap();
        for (text, wanted) in [
            ("a ${PATH} b", format!("a {home} b")),
            ("${WEIR_NO_SUCH:-x:y}${WEIR_NO_SUCH:-}", "x:y".to_owned()),
            ("$$ $1 ${1} $ $x ^a$", "$ $1 ${1} $ $x ^a$".to_owned()),
            ("$${PATH}", "${PATH}".to_owned()),
        ] {
            assert_eq!(filled(text, &world), Ok(wanted), "{text}");
        }
        let unset = Wrong::Unset("WEIR_NO_SUCH".to_owned());
        assert_eq!(filled("${WEIR_NO_SUCH}", &world), Err(unset));
        assert_eq!(filled("${PATH", &world), Err(Wrong::Form));
        assert_eq!(filled("${A-B}", &world), Err(Wrong::Form));
    }
}
