//! What is wrong with the grammar, in our words.
//!
//! Called by `document.rs` with what the TOML parser says of a file.

use std::ops::Range;

use crate::diagnostic::{At, Code, Diagnostic, shown};

/// The parser's errors in our words: the first of each line, as the others follow from it. The places of
/// `text` begin at `start`.
pub fn broken(text: &str, start: usize, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let begin = text.floor_char_boundary(span.start.min(text.len()));
        let line = text[..begin].matches('\n').count();
        if lines.contains(&line) {
            continue;
        }
        lines.push(line);
        let (problem, label) = syntax(error.message(), text, &span);
        let at = At::new(span.start + start..span.end + start);
        found.push(Diagnostic::new(Code::E0101, Some(at), problem, label));
    }
    found
}

/// What is wrong with the grammar at `span`, and what to write.
fn syntax(message: &str, text: &str, span: &Range<usize>) -> (String, &'static str) {
    let there = shown(text.get(span.clone()).unwrap_or_default().trim());
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line..].lines().next().unwrap_or_default().trim();
    if line.ends_with('{') && !line.contains('=') {
        return ("blocks in braces are not TOML: write [pools.NAME]".to_owned(), "a block");
    }
    if line == "}" {
        return ("blocks in braces are not TOML: remove `}`".to_owned(), "a block ends");
    }
    match line.split_once(':') {
        Some((key, _)) if !key.contains(['=', '"', '\'', '[', '#', ' ']) => {
            let problem = format!("`=` stands after a key, not `:`: write `{} = …`", shown(key));
            return (problem, "`=` is missing");
        }
        _ => {}
    }
    match SYNTAX.iter().find(|row| message.starts_with(row.0)) {
        Some(("duplicate key", _, label)) => {
            (format!("`{there}` stands twice in one table: remove one"), label)
        }
        Some(("string values must be quoted", ..)) if there.is_empty() => {
            ("a key without a value: write one after the `=`".to_owned(), "nothing follows")
        }
        Some(("string values must be quoted", problem, label)) => {
            (format!("{problem}: write \"{there}\""), label)
        }
        Some((_, problem, label)) => ((*problem).to_owned(), label),
        None => (format!("not TOML, {message}: write `key = value` or [table]"), ""),
    }
}

/// How the parser's message begins; what is wrong and what to write; the label.
const SYNTAX: &[(&str, &str, &str)] = &[
    ("duplicate key", "", "the second one"),
    ("string values must be quoted", "a text stands in quotes", "no quotes"),
    ("unclosed table", "a [header] is not closed: write `]` at its end", "`]` is missing"),
    ("unclosed array table", "a [[header]] is not closed: write `]]`", "`]]` is missing"),
    ("unclosed array", "a list is not closed: write `]` after its last value", "`]` is missing"),
    ("unclosed inline table", "a table is not closed: write `}` at its end", "`}` is missing"),
    (
        "missing comma between array",
        "a comma is missing in the list: write `,` before this",
        "`,` is missing",
    ),
    (
        "missing comma between key",
        "a comma is missing in the table: write `,` before this",
        "`,` is missing",
    ),
    ("extra comma", "a comma too many: remove it", "remove it"),
    ("key with no value", "a key without a value: write `key = value`", "`= value` is missing"),
    ("missing value", "a key without a value: write one after the `=`", "nothing follows"),
    ("missing assignment", "`=` is missing: write `key = value`", "`=` is missing"),
    ("extra `=`", "one `=` too many: write `key = value`", "remove it"),
    ("unexpected `=`", "a list has values, not keys: write `{ key = value }`", "in a list"),
    ("invalid basic string", "a text is not closed: write `\"` at its end", "`\"` is missing"),
    ("invalid literal string", "a text is not closed: write `'` at its end", "`'` is missing"),
    ("invalid unquoted key", "a key is letters, digits, `_` and `-`: write it so", "no key"),
    ("unquoted keys cannot be empty", "a key is missing: write one here", "no key"),
    ("unexpected key or value", "two things in one line: write one per line", "a new line"),
    ("missing escaped value", "no such escape: write `\\\\` for a backslash", "no escape"),
    ("too few unicode", "no such escape: write `\\u` with four digits", "no escape"),
    ("invalid inline table", "a table goes on or ends here: write `,` or `}`", "`,` or `}`"),
    ("carriage return", "a carriage return alone ends no line: remove it", "remove it"),
    ("invalid comment character", "a control character: remove it", "remove it"),
    ("unexpected leading zero", "a number has no zero in front: write it without", "a zero"),
    ("`_` may only go", "`_` stands between digits only: remove it", "remove it"),
    ("redundant", "a sign or prefix too many: remove it", "remove it"),
    ("radix must be", "0x, 0o and 0b are lower case: write them so", "lower case"),
    ("integers with a radix", "0x, 0o and 0b have no sign: remove it", "remove it"),
    ("invalid key-value pair", "no key here: write `key = value` or [table]", "no key"),
    ("unexpected content", "something follows the value: write it on a new line", "a new line"),
    ("cannot recurse", "tables and lists lie too deep in one another: write fewer", "too deep"),
    ("recursion limit", "tables and lists lie too deep in one another: write fewer", "too deep"),
];
