//! `weir check`: every error of a configuration, with line and caret.
//!
//! Called by a person, and by a script before a reload. It opens no port, writes no file and asks no
//! network. The report is what was asked for, so it goes to stdout.

use std::io::{self, IsTerminal};
use std::path::Path;

use super::{Exit, say, terminal};
use crate::config::{self, Config};
use crate::diagnostic::{Report, Style};

/// Checks the file, or the one that would be run.
pub fn check(file: Option<&Path>) -> Exit {
    let path = config::find(file);
    match config::load(&path) {
        Ok(loaded) => {
            print(&loaded.warnings);
            say(&format!("ok: {}: {}\n", path.display(), counts(&loaded.config)));
            Exit::Ok
        }
        Err(report) => {
            print(&report);
            Exit::Config
        }
    }
}

fn print(report: &Report) {
    if report.is_empty() {
        return;
    }
    say(&format!("{}{}\n", report.render(style(&io::stdout())), report.summary()));
}

/// Whether a report to this stream has colours.
pub fn style(stream: &impl IsTerminal) -> Style {
    terminal::style(stream)
}

/// "2 listeners, 3 routes, 1 pool".
fn counts(config: &Config) -> String {
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    format!(
        "{}, {}, {}",
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.pools.len(), "pool")
    )
}
