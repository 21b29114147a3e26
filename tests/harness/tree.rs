//! The source tree as tests of it see it: text files, and what their code names.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the repository.
pub struct File {
    /// From the top, with slashes.
    pub path: String,
    pub text: String,
}

impl File {
    /// A broken rule and where.
    pub fn at(&self, line: usize, rule: &str) -> String {
        format!("{}:{line}: {rule}", self.path)
    }

    /// The lines of a text of it that break a rule: what the rule says of each.
    pub fn broken(&self, text: &str, rule: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let lines = text.lines().enumerate();
        lines.filter_map(|(at, line)| Some(self.at(at + 1, &rule(line)?))).collect()
    }

    pub fn stem(&self) -> String {
        Path::new(&self.path).file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// Its text without comments; lines stay where they are.
    pub fn code(&self) -> String {
        let code = |line: &str| {
            let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
            line[..comment.map_or(line.len(), |(at, _)| at)].to_owned() + "\n"
        };
        self.text.lines().map(code).collect()
    }

    /// What its code names behind a prefix, also in braces, and in which line.
    pub fn paths(&self, prefix: &str) -> Vec<(usize, String)> {
        let code = self.code();
        let mut found = Vec::new();
        for (start, _) in code.match_indices(prefix) {
            let line = code[..start].matches('\n').count() + 1;
            let rest = &code[start + prefix.len()..];
            let mut depth = 0;
            let mut outside = |c: char| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0
            };
            let end = if rest.starts_with('{') { rest.find(&mut outside) } else { None };
            let Some(end) = end else {
                found.push((line, word(rest)));
                continue;
            };
            let names =
                rest[1..end].split(|c| outside(c) && c == ',').map(|part| word(part.trim()));
            found.extend(names.filter(|name| !name.is_empty()).map(|name| (line, name)));
        }
        found
    }
}

pub fn rust() -> Vec<File> {
    ["src", "tests", "benches"].iter().flat_map(|folder| files(folder)).collect()
}

/// The Rust files below a folder.
pub fn files(folder: &str) -> Vec<File> {
    below(&top().join(folder)).into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// All text files at or below a path.
pub fn below(path: &Path) -> Vec<File> {
    if path.is_dir() {
        return entries(path).iter().flat_map(|path| below(path)).collect();
    }
    let Ok(text) = fs::read_to_string(path) else { return Vec::new() };
    let path = path.strip_prefix(top()).unwrap().to_string_lossy().replace('\\', "/");
    vec![File { path, text }]
}

pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut entries: Vec<PathBuf> = entries.collect();
    entries.sort();
    entries
}

pub fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

pub fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

pub fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a line names this, not as a part of a longer word before it.
pub fn words(line: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    line.match_indices(name).any(|(at, _)| {
        !line[..at].ends_with(part) && !line[at + name.len()..].starts_with(char::is_alphanumeric)
    })
}

/// The name that a text begins with.
pub fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The functions of a file as rustfmt leaves them: where each begins, and its number of lines.
pub fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begins = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| {
            word.starts_with("pub") || ["async", "const", "unsafe"].contains(word)
        });
        words.next() == Some("fn")
    };
    let length = |at: usize| {
        let end = lines[at..].iter().position(|line| {
            let code = line.trim_end();
            indent(line) == indent(lines[at]) && (code.ends_with('}') || code.ends_with(';'))
        });
        end.map_or(0, |end| end + 1)
    };
    (0..lines.len()).filter(|at| begins(lines[*at])).map(|at| (at, length(at))).collect()
}
