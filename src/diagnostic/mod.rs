//! An error at a place in the TOML.
//!
//! Whoever reads or checks the configuration collects these; nobody throws one at a time. Line one of
//! each (`problem`) says what is wrong AND what to write instead; the rest only adds to it. Rendering
//! is in `render.rs`, the page of each code in `codes.rs`. Nothing here knows what a pool is.

use std::fmt;
use std::ops::Range;

mod codes;
mod formats;
mod render;

pub use codes::{CODES, Code, Page};
pub use render::{Report, Source, Style};

/// A place in one of the files that were read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Which file: the index into the report's sources.
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl At {
    /// A place in the first file.
    pub fn new(span: Range<usize>) -> Self {
        Self { file: 0, start: span.start, end: span.end }
    }
}

/// Something wrong at a place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Which of the known mistakes it is.
    pub code: Code,
    /// Where; `None` if it is about the file as a whole.
    pub at: Option<At>,
    /// Line one: what is wrong and what to write instead.
    pub problem: String,
    /// The shortest form of it, under the caret.
    pub label: String,
    /// Other places that have to do with it, each with its label.
    pub also: Vec<(At, String)>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// A suggestion that needs more room than line one has.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic at `at`, without notes.
    pub fn new(
        code: Code,
        at: Option<At>,
        problem: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        let (problem, label) = (problem.into(), label.into());
        Self { code, at, problem, label, also: Vec::new(), notes: Vec::new(), help: None }
    }

    /// Adds a note; an empty one is left out.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        if !note.is_empty() {
            self.notes.push(note);
        }
        self
    }

    /// Adds the suggestion.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place; a place that is not known is left out.
    #[must_use]
    pub fn also(mut self, at: Option<At>, label: impl Into<String>) -> Self {
        self.also.extend(at.map(|at| (at, label.into())));
        self
    }
}

/// A mistake in one value, found by a type that does not know where the value stands.
///
/// It travels through serde's error, which is a string, as [`coded`] writes it: code, space, problem;
/// then a line with the label; then, if there is more to say, a line with the help.
/// `"E0106 an endpoint is host:port, not a URL: write \"a:1\"\ndrop `http://`"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which of the known mistakes it is.
    pub code: Code,
    /// What is wrong and what to write instead.
    pub problem: String,
    /// The shortest form of it.
    pub label: String,
    /// More, if line one has not enough room.
    pub help: Option<String>,
}

impl Fault {
    /// A mistake without help.
    pub fn new(code: Code, problem: impl Into<String>, label: impl Into<String>) -> Self {
        Self { code, problem: problem.into(), label: label.into(), help: None }
    }

    /// Reads what [`coded`] has written; `None` for any other message.
    pub fn decode(message: &str) -> Option<Self> {
        let (code, rest) = message.split_once(' ')?;
        let code = code.parse().ok()?;
        let mut lines = rest.splitn(3, '\n');
        let problem = lines.next()?.to_owned();
        let label = lines.next().unwrap_or_default().to_owned();
        Some(Self { code, problem, label, help: lines.next().map(str::to_owned) })
    }

    /// The same with its place.
    pub fn at(self, at: Option<At>) -> Diagnostic {
        Diagnostic { help: self.help, ..Diagnostic::new(self.code, at, self.problem, self.label) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

/// Writes a fault as serde's error message, for `D::Error::custom`.
pub fn coded(fault: &Fault) -> String {
    let line = |text: &str| text.replace('\n', " ");
    let mut message = format!("{} {}\n{}", fault.code, line(&fault.problem), line(&fault.label));
    if let Some(help) = &fault.help {
        message.push('\n');
        message.push_str(&line(help));
    }
    message
}

/// A value as the user wrote it, fit for a sentence: no control characters, not too long.
pub fn shown(value: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::new();
    for c in value.chars().take(LONGEST) {
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    if value.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

/// Of `words`, the one most like `word`: what was probably meant.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace(['-', '.', ' '], "_");
    let word = plain(word);
    let most = match word.chars().count() {
        0..=4 => 1,
        5 => 2,
        _ => 3,
    };
    words
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(d, candidate)| *d <= most && *d < candidate.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    // A word of the file may be long; what is far apart anyway need not be measured.
    if a.len().abs_diff(b.len()) > 8 || a.len() > 64 {
        return usize::MAX;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_its_way_through_serde() {
        let mut fault = Fault::new(Code::E0106, "not a URL:\nwrite \"a:1\"", "drop it");
        fault.help = Some("more".to_owned());
        let read = Fault::decode(&coded(&fault)).unwrap();
        assert_eq!(read.problem, "not a URL: write \"a:1\"");
        assert_eq!((read.code, read.label, read.help), (fault.code, fault.label, fault.help));
        assert_eq!(Fault::decode("expected a string"), None);
    }

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["address", "pool", "protocol"];
        assert_eq!(nearest("adress", words), Some("address"));
        assert_eq!(nearest("Pools", words), Some("pool"));
        assert_eq!(nearest("zzz", words), None);
        assert_eq!(nearest("", words), None);
    }
}
