//! `weir show`: the effective configuration, whole or in part, and who said each value.
//!
//! Called by a person who wonders what holds. It reads the files as `weir check` does, and has no effects.

use std::path::Path;

use super::check::report;
use super::{Exit, say, tell};
use crate::config::{self, Options, View};

/// What to show, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A part of it: a section, a route with all that holds for its requests, a key ("pools.app.drain").
    path: Option<String>,
    /// Say behind each value who said it: a line, defaults, a policy, the command line.
    #[arg(long)]
    origin: bool,
    /// Also show what is built in.
    #[arg(long)]
    defaults: bool,
    /// As a JSON object.
    #[arg(long)]
    json: bool,
}

/// Shows the file that would be run.
pub fn show(args: &Args, file: Option<&Path>, options: &Options) -> Exit {
    let loaded = match config::load_with(&config::find(file), options) {
        Ok(loaded) => loaded,
        Err(report_of) => {
            tell(&report(&report_of));
            return Exit::Config;
        }
    };
    let view = View { path: args.path.clone(), built_in: args.defaults };
    match config::show(&loaded, &view) {
        Ok(shown) if args.json => say(&format!("{}\n", shown.json(args.origin))),
        Ok(shown) => say(&shown.toml(args.origin)),
        Err(problem) => {
            tell(&format!("weir: {problem}\n"));
            return Exit::Usage;
        }
    }
    Exit::Ok
}
