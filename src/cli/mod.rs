//! The commands: their flags, and what they exit with.
//!
//! `main` hands the arguments to [`main`] and exits with what it returns. Each command is a file
//! beside this one. Results go to stdout, everything else to stderr.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

mod check;
mod demo;
mod explain;
mod run;

/// A reverse-proxy load balancer: one binary, one TOML file.
#[derive(Debug, Parser)]
#[command(name = "weir", version)]
struct Cli {
    /// The configuration; default: ./weir.toml, else /etc/weir/weir.toml.
    #[arg(short, long, value_name = "FILE", env = "WEIR_CONFIG", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run in the foreground.
    Run {
        /// The file, if not that of -c.
        file: Option<PathBuf>,
    },
    /// See it work: sample backends, load, a failure, an edited file. Nothing is left behind.
    Demo {
        /// Unattended: one JSON object per line, and exit code 1 if a claim does not hold.
        #[arg(long)]
        script: bool,
        /// Keep the configuration it runs in this directory.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Check a configuration: every error at once, and no side effects.
    Check {
        /// The file, if not that of -c.
        file: Option<PathBuf>,
    },
    /// Explain a code of a report (E0201), a balancing word, or a reason of metrics and logs.
    Explain {
        /// What to explain.
        word: String,
    },
}

/// How weir ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It did not work out: a port in use, no descriptors left.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Invalid configuration.
    Config = 78,
}

/// Runs the command that the arguments name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors. A closed pipe leaves nobody to tell.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8);
        }
    };
    // An empty $WEIR_CONFIG is one that is not set.
    let config = cli.config.filter(|path| !path.as_os_str().is_empty());
    let exit = match cli.command {
        Command::Run { file } => run::run(file.or(config).as_deref()),
        Command::Demo { script, keep } => demo::demo(script, keep),
        Command::Check { file } => check::check(file.or(config).as_deref()),
        Command::Explain { word } => explain::explain(&word),
    };
    exit as u8
}

/// Prints a result. A closed pipe (`weir check | head`) ends nothing: the exit code still counts.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Tells the user something that is not the result.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
