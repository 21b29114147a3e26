//! How weir talks: what is a result and what is not, in colours or without, in the signs of the terminal.
//!
//! Results go to stdout, everything else to stderr. A closed pipe (`weir help | head`) ends nothing: the
//! exit code still counts. `main` sets the manner once, before any command speaks.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::diagnostic::Style;

/// When to use colours. `Auto`: on a terminal, unless `NO_COLOR` or `TERM=dumb` forbids them, or
/// `CLICOLOR_FORCE` wants them anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colours {
    #[default]
    Auto,
    Always,
    Never,
}

/// How this process talks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// When to use colours.
    pub colours: Colours,
    /// Say only results and errors.
    pub quiet: bool,
    /// Log in detail.
    pub verbose: bool,
}

static MANNER: OnceLock<Manner> = OnceLock::new();

/// From now on, talk like this. The first call counts.
pub fn set(manner: Manner) {
    let _ = MANNER.set(manner);
}

fn manner() -> Manner {
    MANNER.get().copied().unwrap_or_default()
}

/// Whether what goes to this stream may have colours.
pub fn style(stream: &impl IsTerminal) -> Style {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let colour = match manner().colours {
        Colours::Always => true,
        Colours::Never => false,
        Colours::Auto if named("NO_COLOR").is_some() => false,
        Colours::Auto if named("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Colours::Auto => stream.is_terminal() && named("TERM").is_none_or(|term| term != "dumb"),
    };
    if colour { Style::Colour } else { Style::Plain }
}

/// The level of the log that the flags ask for.
pub fn level() -> Option<&'static str> {
    match manner() {
        Manner { quiet: true, .. } => Some("warn"),
        Manner { verbose: true, .. } => Some("debug"),
        _ => None,
    }
}

/// Prints a result, in signs that the terminal has.
pub fn say(text: &str) {
    say_exactly(&in_its_signs(text));
}

/// Prints a result to the byte: a file, or what a program reads.
pub fn say_exactly(text: &str) {
    let mut out = io::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // Whoever closes a pipe has read enough.
    let lost = written.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    if let Some(error) = lost.filter(|_| !LOST.swap(true, Relaxed)) {
        tell(&format!("weir: the output cannot be written: {error}\n"));
    }
}

/// Whether some of the output was lost.
pub fn is_lost() -> bool {
    LOST.load(Relaxed)
}

/// Output that could not be written, as on a full disk.
static LOST: AtomicBool = AtomicBool::new(false);

/// Tells the user something that is not the result.
pub fn tell(text: &str) {
    let _ = io::stderr().write_all(in_its_signs(text).as_bytes());
}

/// Tells the user something that is neither the result nor an error: nothing with `--quiet`.
pub fn whisper(text: &str) {
    if !manner().quiet {
        tell(text);
    }
}

/// The text, in ASCII if the locale is not UTF-8.
fn in_its_signs(text: &str) -> String {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") { text.to_owned() } else { ascii(text) }
}

/// The signs that weir itself uses in ASCII; what the user wrote stays.
fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match SIGNS.iter().find(|(sign, _)| *sign == c) {
            Some((_, word)) => plain.push_str(word),
            None => plain.push(c),
        }
    }
    plain
}

const SIGNS: [(char, &str); 16] = [
    ('✔', "ok"),
    ('✘', "x"),
    ('▲', "!"),
    ('→', "->"),
    ('│', "|"),
    ('─', "-"),
    ('━', "-"),
    ('█', "#"),
    ('╸', "-"),
    ('▶', ">"),
    ('·', "-"),
    ('…', "..."),
    ('±', "+-"),
    ('×', "x"),
    ('≥', ">="),
    ('≤', "<="),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_have_words_and_other_letters_stay() {
        assert_eq!(ascii("✔ müde → 1…"), "ok müde -> 1...");
        assert!(SIGNS.iter().all(|(sign, word)| !sign.is_ascii() && word.is_ascii()));
    }
}
