//! The commands: their flags, and what they exit with.
//!
//! `main` hands the arguments to [`main`] and exits with what it returns. Each command is a file
//! beside this one. Results go to stdout, everything else to stderr.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

mod banner;
mod check;
mod demo;
mod explain;
mod file;
mod fmt;
mod health;
mod help;
mod init;
mod man;
mod proxy;
mod reference;
mod run;
mod schema;
mod show;
mod terminal;
mod version;

use terminal::{Colours, Manner, say, say_exactly, tell, whisper};

use crate::config::{self, Options};

/// A reverse-proxy load balancer: one binary, one TOML file.
#[derive(Debug, Parser)]
#[command(name = "weir", version, disable_help_subcommand = true)]
struct Cli {
    /// The configuration; default: ./weir.toml, else /etc/weir/weir.toml.
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "WEIR_CONFIG",
        hide_env_values = true,
        global = true
    )]
    config: Option<PathBuf>,
    /// When to use colours; auto: on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", global = true)]
    color: Colours,
    /// Say only results and errors; log only warnings.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log in detail, as RUST_LOG=debug does.
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Set a key over all files, as pools.app.balance=random. May be given several times.
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    set: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run in the foreground.
    #[command(before_help = "Example: weir run -c /etc/weir/weir.toml")]
    Run(run::Args),
    /// Run without a file: listen here, spread requests over these.
    #[command(before_help = "Example: weir proxy :8080 127.0.0.1:3000 127.0.0.1:3001")]
    Proxy(proxy::Args),
    /// See it work: sample backends, load, a failure, an edited file. Nothing is left behind.
    #[command(before_help = "Example: weir demo")]
    Demo {
        /// Unattended: one JSON object per line, and exit code 1 if a claim does not hold.
        #[arg(long)]
        script: bool,
        /// Keep the configuration it runs in this directory.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Write a first weir.toml, from an example.
    #[command(before_help = "Example: weir init routing")]
    Init(init::Args),
    /// Check a configuration: every error at once, and no side effects.
    #[command(before_help = "Example: weir check --deny-warnings weir.toml")]
    Check(check::Args),
    /// Lay out a configuration: sections in reading order, comments kept.
    #[command(before_help = "Example: weir fmt --check weir.toml")]
    Fmt(fmt::Args),
    /// Show the effective configuration, or a part of it, and who said each value.
    #[command(before_help = "Example: weir show routes.api --origin")]
    Show(show::Args),
    /// Explain a word: a code, a key, a metric, a field or a reason of the access log.
    #[command(before_help = "Example: weir explain E0201")]
    Explain(explain::Args),
    /// Ask a running weir whether it is ready: the exit code is the answer.
    #[command(before_help = "Example: weir health || echo not ready")]
    Health(health::Args),
    /// Print the JSON Schema of the configuration, for editors.
    #[command(before_help = "Example: weir schema > weir.schema.json")]
    Schema,
    /// Print the script by which a shell completes commands and flags.
    #[command(before_help = "Example: weir completions bash > /etc/bash_completion.d/weir")]
    Completions(man::Completions),
    /// Write the man pages of all commands and of weir.toml.
    #[command(before_help = "Example: weir man /usr/local/share/man/man1")]
    Man(man::Man),
    /// Print the version, what is built in, and for which system.
    #[command(before_help = "Example: weir version --json")]
    Version(version::Args),
    /// Print a page: config, routing, reload, signals, 503, from-nginx and others.
    #[command(before_help = "Example: weir help from-nginx")]
    Help(help::Args),
}

/// How weir ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It did not work out: a port in use, no descriptors left.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// No running weir answers.
    Unavailable = 69,
    /// Not permitted: a port, a file.
    Denied = 77,
    /// Invalid configuration.
    Config = 78,
}

impl Exit {
    /// What a failure of the system comes to.
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Failed,
        }
    }

    /// The worse of the two.
    fn or(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Runs the command that the arguments name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = commands(colours(&arguments)).try_get_matches_from(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors. A closed pipe leaves nobody to tell.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8);
        }
    };
    terminal::set(Manner { colours: cli.color, quiet: cli.quiet, verbose: cli.verbose });
    // An empty $WEIR_CONFIG is one that is not set.
    let config = cli.config.filter(|path| !path.as_os_str().is_empty());
    let Some(command) = cli.command else {
        say(GREETING);
        return Exit::Ok as u8;
    };
    let options = Options { set: cli.set, ..Options::default() };
    let exit = match command {
        Command::Run(args) => run::run(&args, config.as_deref(), options),
        Command::Proxy(args) => proxy::proxy(&args, &options.set),
        Command::Demo { script, keep } => demo::demo(script, keep),
        Command::Init(args) => init::init(&args, config),
        Command::Check(args) => check::check(&args, config.as_deref(), &options),
        Command::Fmt(mut args) => {
            if args.files.is_empty() {
                args.files.push(config::find(config.as_deref()));
            }
            fmt::fmt(&args)
        }
        Command::Show(args) => show::show(&args, config.as_deref(), &options),
        Command::Explain(args) => explain::explain(&args),
        Command::Health(args) => health::health(&args, config.as_deref(), &options),
        Command::Schema => schema::schema(),
        Command::Completions(args) => man::completions(&args, commands(cli.color)),
        Command::Man(args) => man::man(&args, commands(cli.color)),
        Command::Version(args) => version::version(&args),
        Command::Help(args) => help::help(&args, commands(cli.color)),
    };
    if terminal::is_lost() { Exit::Failed as u8 } else { exit as u8 }
}

/// Every command with its flags.
fn commands(colours: Colours) -> clap::Command {
    Cli::command().after_help(help::list()).color(match colours {
        Colours::Auto => ColorChoice::Auto,
        Colours::Always => ColorChoice::Always,
        Colours::Never => ColorChoice::Never,
    })
}

/// What `--color` says, before the arguments are understood: what is wrong with them has colours too.
fn colours(arguments: &[OsString]) -> Colours {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let value =
        words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--color")? {
            "" => words.get(at + 1).copied(),
            value => value.strip_prefix('='),
        });
    match value {
        Some("always") => Colours::Always,
        Some("never") => Colours::Never,
        _ => Colours::Auto,
    }
}

/// What weir says of itself to who does not ask for more.
const GREETING: &str = "\
weir: a reverse-proxy load balancer, one binary and one TOML file

Start here:
  weir demo            see it work, with nothing prepared
  weir init            write a first weir.toml
  weir check           look for mistakes in ./weir.toml
  weir run             run it

Then: weir help            all commands, and pages such as weir help from-nginx
";
