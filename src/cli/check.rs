//! `weir check`: every error of a configuration, with line and caret.
//!
//! Called by a person, and by a script before a reload. It opens no port, writes no file and asks no
//! network. The report is what was asked for, so it goes to stdout.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{Exit, say, terminal};
use crate::config::{self, Loaded, Options};
use crate::diagnostic::{Report, Style};

/// What to check, and how to tell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The files, each a configuration of its own, if not that of -c.
    files: Vec<PathBuf>,
    /// A warning is an error.
    #[arg(long)]
    deny_warnings: bool,
    /// Pass over values with variables that are not set here.
    #[arg(long)]
    allow_unset_env: bool,
    /// How to tell: for people, as one JSON object per configuration, or as annotations of GitHub's checks.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Github,
}

/// Checks the files, or the one that would be run.
pub fn check(args: &Args, file: Option<&Path>, options: &Options) -> Exit {
    let options = Options { allow_unset_env: args.allow_unset_env, ..options.clone() };
    let mut files = args.files.clone();
    if files.is_empty() {
        files.push(config::find(file));
    }
    let mut exit = Exit::Ok;
    for path in files {
        let (report_of, good) = match config::load_with(&path, &options) {
            Ok(loaded) => (loaded.warnings.clone(), Some(loaded)),
            Err(report) => (report, None),
        };
        let good = good.filter(|_| !args.deny_warnings || report_of.is_empty());
        if good.is_none() {
            exit = Exit::Config;
        }
        let name = path.display().to_string();
        match args.format {
            Format::Json => say(&format!("{}\n", report_of.json(&name, good.is_some()))),
            Format::Github => say(&report_of.github()),
            Format::Human => {
                say(&report(&report_of));
                if let Some(loaded) = good {
                    say(&format!("ok: {name}{}\n", counts(&loaded)));
                }
            }
        }
    }
    exit
}

/// A report for people, as it is printed; nothing of an empty one.
pub fn report(report: &Report) -> String {
    if report.is_empty() {
        return String::new();
    }
    format!("{}{}\n", report.render(style(&io::stdout())), report.summary())
}

/// Whether a report to this stream has colours.
pub fn style(stream: &impl IsTerminal) -> Style {
    terminal::style(stream)
}

/// " and 2 more files: 2 listeners, 3 routes, 1 pool".
fn counts(loaded: &Loaded) -> String {
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let more = match loaded.files.saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {}", count(more, "more file")),
    };
    let config = &loaded.config;
    format!(
        "{more}: {}, {}, {}",
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.pools.len(), "pool")
    )
}
