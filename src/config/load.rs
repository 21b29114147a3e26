//! From a file to a checked [`Config`], or to a report of all that is wrong with it.
//!
//! Called by every command that reads the configuration, and by the reload. Four steps: find the
//! file, parse the text, read the values into the structs, check what only the whole can tell.
//! After a broken grammar it stops, since then nobody knows what the rest was meant to be.

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::{Config, Tree, read, validate};
use crate::diagnostic::{At, Code, Diagnostic, Report, Source, shown};

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is worth a second look; often empty.
    pub warnings: Report,
}

/// Which file to read: the one that was named (`-c` or `$WEIR_CONFIG`), else `./weir.toml` if it
/// exists, else `/etc/weir/weir.toml` if that exists, else `./weir.toml`, which will be missed.
pub fn find(explicit: Option<&Path>) -> PathBuf {
    const HERE: &str = "weir.toml";
    const SYSTEM: &str = "/etc/weir/weir.toml";
    match explicit {
        Some(path) => path.to_owned(),
        None if !Path::new(HERE).exists() && Path::new(SYSTEM).exists() => SYSTEM.into(),
        None => HERE.into(),
    }
}

/// Reads and checks a file.
///
/// Fails with a report of all errors; its warnings are then in the report too.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let refused = |diagnostic| {
        let source = Source { name: name.clone(), text: String::new() };
        Report::new(vec![source], vec![diagnostic])
    };
    let bytes = read_file(path).map_err(|error| refused(unreadable(path, &error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let problem = format!("{name} is not UTF-8 in line {line}: save it as UTF-8");
        refused(Diagnostic::new(Code::E0101, None, problem, ""))
    })?;
    parse(&name, &text)
}

/// Reads a regular file of a sane size: anything else could block for ever, or never end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if metadata.len() > LARGEST {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    fs::read(path)
}

/// No configuration is larger than this.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Checks a text; `name` is what the report calls it. Pure. Fails as [`load`] does.
pub fn parse(name: &str, text: &str) -> Result<Loaded, Report> {
    let sources = || vec![Source { name: name.to_owned(), text: text.to_owned() }];
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(Report::new(sources(), broken(text, &errors)));
    }
    let tree = Tree::new(root);
    let (config, mut found) = read(&tree, text);
    let config = config.unwrap_or_default();
    validate(&tree, &config, &mut found);
    let report = Report::new(sources(), found);
    if report.found().iter().any(|one| !one.code.is_warning()) {
        return Err(report);
    }
    Ok(Loaded { config, warnings: report })
}

/// The parser's errors in our words: the first of each line, as the others follow from it.
fn broken(text: &str, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let line = text[..start].matches('\n').count();
        if lines.contains(&line) {
            continue;
        }
        lines.push(line);
        let (problem, label) = syntax(error.message(), text, &span);
        found.push(Diagnostic::new(Code::E0101, Some(At::new(span)), problem, label));
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

/// Why a file could not be read, and what helps.
fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let name = path.display();
    let problem = match error.kind() {
        ErrorKind::NotFound => {
            format!("{name}: no such file: write one, or `weir demo` to look first")
        }
        ErrorKind::IsADirectory => format!("{name} is a directory: name the file in it"),
        ErrorKind::PermissionDenied => {
            // Linux: the owner of /proc/self is who we are.
            let me = fs::metadata("/proc/self")
                .map_or_else(|_| "this user".to_owned(), |process| user(process.uid()));
            match fs::metadata(path) {
                Ok(file) => format!(
                    "{me} may not read {name}, which belongs to {} with mode {:04o}: \
                     write `chmod a+r {name}`, or run weir as its owner",
                    user(file.uid()),
                    file.mode() & 0o7777
                ),
                Err(_) => format!(
                    "{me} may not enter the directory of {name}: \
                     write `chmod a+x` on it, or run weir as its owner"
                ),
            }
        }
        _ => format!("{name} cannot be read, {error}: name another file with -c"),
    };
    Diagnostic::new(Code::E0501, None, problem, "")
}

/// "user www-data (33)", or the number alone if it has no name here.
fn user(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then_some(name)
    });
    name.map_or_else(|| format!("user {number}"), |name| format!("user {name} ({number})"))
}
