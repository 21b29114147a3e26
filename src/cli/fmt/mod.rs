//! `weir fmt`: one layout for every configuration. Sections in reading order, one blank line between them,
//! comments kept; never another meaning.
//!
//! Called by a person, an editor and a hook before a commit. Files are replaced in one step, mode and links
//! kept. What is not TOML is answered with its report and left alone.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde_json::json;
use toml::de::DeTable;

use super::check::style;
use super::file::replace;
use super::{Exit, say_exactly, tell, whisper};
use crate::config;

mod diff;
mod layout;
mod lines;
mod tokens;
mod value;

pub use layout::layout;

/// `weir fmt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The files; `-` reads stdin and writes stdout. Without one, that of -c.
    pub files: Vec<PathBuf>,
    /// Write nothing; name the files that would change, and exit with 1 if there is one.
    #[arg(long)]
    check: bool,
    /// Write nothing; show what would change.
    #[arg(long)]
    diff: bool,
    /// Name each file as JSON, and whether it was laid out already.
    #[arg(long, conflicts_with = "diff")]
    json: bool,
}

/// Lays out the files.
pub fn fmt(args: &Args) -> Exit {
    let mut exit = Exit::Ok;
    let mut told = Vec::new();
    for path in &args.files {
        let name = if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() };
        let done = read(path, &name).and_then(|text| {
            let laid = same_meaning(&name, &text, layout(&text))?;
            args.tell(path, &name, &text, &laid)
        });
        if let Ok(differs) = done {
            told.push(json!({ "file": name, "changed": differs }));
        }
        match done {
            Ok(true) if args.check => exit = exit.or(Exit::Failed),
            Ok(_) => {}
            Err(refused) => exit = exit.or(refused),
        }
    }
    if args.json {
        say_exactly(&format!("{}\n", json!({ "schema": 1, "files": told })));
    }
    exit
}

impl Args {
    /// Shows or writes what became of a file; whether it differs.
    fn tell(&self, path: &Path, name: &str, text: &str, laid: &str) -> Result<bool, Exit> {
        let differs = text != laid;
        if self.diff && differs {
            say_exactly(&diff::diff(name, text, laid));
        }
        if self.check && !self.diff && !self.json && differs {
            say_exactly(&format!("{name}\n"));
        }
        if self.check && differs {
            whisper(&format!("{name} is not laid out: weir fmt {name}\n"));
        }
        if self.check || self.diff {
            return Ok(differs);
        }
        if is_stdin(path) {
            say_exactly(laid);
        } else if differs {
            replace(path, laid).map_err(|error| {
                tell(&format!("weir: {name} cannot be written, {error}: nothing was changed\n"));
                Exit::of(&error)
            })?;
            whisper(&format!("{name}: laid out\n"));
        }
        Ok(differs)
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The text of a file that is TOML; else its report has been told.
fn read(path: &Path, name: &str) -> Result<String, Exit> {
    let refused = |report: crate::diagnostic::Report| {
        tell(&format!("{}{}\n", report.render(style(&io::stderr())), report.summary()));
        Exit::Config
    };
    let text = if is_stdin(path) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else if fs::metadata(path).is_ok_and(|file| !file.is_file()) {
        Err(ErrorKind::InvalidInput.into())
    } else {
        fs::read_to_string(path)
    };
    match text {
        Ok(text) if DeTable::parse_recoverable(&text).1.is_empty() => Ok(text),
        Ok(text) => Err(config::parse(name, &text).map_or_else(refused, |_| Exit::Config)),
        Err(error) if is_stdin(path) => {
            tell(&format!("weir: stdin cannot be read: {error}\n"));
            Err(Exit::Failed)
        }
        // Loading it says why it cannot be read.
        Err(_) => Err(config::load(path).map_or_else(refused, |_| Exit::Failed)),
    }
}

/// The layout, if it says what the text says.
fn same_meaning(name: &str, text: &str, laid: String) -> Result<String, Exit> {
    let meaning = |text: &str| toml::from_str::<toml::Table>(text).ok();
    if meaning(&laid).is_some_and(|after| meaning(text) == Some(after)) {
        return Ok(laid);
    }
    tell(&format!("weir: {name} is left as it is: a bug in weir would have changed its meaning\n"));
    Err(Exit::Failed)
}

#[cfg(test)]
mod tests;
