//! `[log]`: what weir says about itself.
//!
//! Lines go through one thread: whoever logs never waits for a reader that does not read, and a reader that
//! is gone is no error. What does not fit is left out. There is one log per process, as there is one place that
//! `tracing` tells; until it is started nothing is said.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use tracing::callsite::rebuild_interest_cache;

mod event;
mod filter;

use super::output::{self, Sink};
use crate::diagnostic::{Code, Fault, coded};
use event::Form;
use filter::Filter;

pub use filter::{Level, MODULES};

/// `[log]`: what weir says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is said at all: "error", "warn", "info", "debug" or "trace". `RUST_LOG` and the command line have the last
    /// word.
    pub level: Level,
    /// Form of a line: "text", "json", or "auto": text on a terminal, else JSON.
    pub format: Format,
    /// Where it is said: "stderr", "stdout" or a path, which is opened anew on SIGUSR1.
    pub output: Output,
    /// Levels of single modules of weir, over `level`: { listener = "debug" }.
    pub levels: BTreeMap<String, Level>,
}

/// Form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    #[default]
    Auto,
    Text,
    Json,
}

/// Where weir says it: "stderr", "stdout", or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output(output::Output);

impl Default for Output {
    fn default() -> Self {
        Self(output::Output::Stderr)
    }
}

impl Output {
    /// The same with its path relative to this directory.
    pub fn within(&mut self, directory: &Path) {
        self.0.within(directory);
    }

    fn is_terminal(&self) -> bool {
        match self.0 {
            output::Output::Stdout => io::stdout().is_terminal(),
            output::Output::Stderr => io::stderr().is_terminal(),
            _ => false,
        }
    }
}

/// The log of this process.
struct Log {
    sender: SyncSender<Message>,
    /// What the command line or the environment say of levels; they have the last word.
    given: Option<Filter>,
    colours: bool,
    obeyed: ArcSwap<Obeyed>,
    /// Where lines go. The lock is for reloads and signals, which may meet.
    output: Mutex<Output>,
    next: Mutex<Option<Sink>>,
}

/// What whoever logs obeys.
struct Obeyed {
    filter: Filter,
    form: Form,
}

enum Message {
    Line(Vec<u8>),
    /// Another output is there.
    Turn,
    /// To be answered when all before it is written.
    Flush(SyncSender<()>),
}

/// An output that was opened for a configuration which is not active yet; `None`: the one there is stays.
#[derive(Default)]
pub struct Opened(Option<Sink>);

static LOG: OnceLock<Log> = OnceLock::new();

/// Starts the log. `level`: what the command line says of levels; without it `RUST_LOG` may. `colours`: standard error
/// takes them.
///
/// # Errors
/// The system gives no thread, or the output cannot be opened.
pub fn start(config: &Config, level: Option<&str>, colours: bool) -> io::Result<()> {
    let sink = config.output.0.open()?;
    let (sender, receiver) = sync_channel(WAITING);
    let environment = std::env::var("RUST_LOG").ok();
    let given = level.or(environment.as_deref()).and_then(Filter::parse);
    let obeyed = Obeyed::new(config, given.as_ref(), colours);
    let log = LOG.get_or_init(|| Log {
        sender,
        given,
        colours,
        obeyed: ArcSwap::from_pointee(obeyed),
        output: Mutex::new(config.output.clone()),
        next: Mutex::new(None),
    });
    std::thread::Builder::new()
        .name(String::from("log"))
        .spawn(move || write_all(&receiver, sink, &log.next))?;
    // Nobody else has set one.
    let _ = tracing::subscriber::set_global_default(event::Events(log));
    Ok(())
}

/// Opens what a configuration needs and is not open yet. Nothing has changed.
///
/// # Errors
/// The output cannot be opened.
pub fn prepare(config: &Config) -> io::Result<Opened> {
    let same = LOG.get().is_none_or(|log| *log.output.lock() == config.output);
    Ok(Opened(if same { None } else { Some(config.output.0.open()?) }))
}

/// From now on this holds.
pub fn obey(config: &Config, opened: Opened) {
    let Some(log) = LOG.get() else { return };
    if let Some(sink) = opened.0 {
        *log.output.lock() = config.output.clone();
        log.turn(sink);
    }
    log.obeyed.store(Obeyed::new(config, log.given.as_ref(), log.colours).into());
    rebuild_interest_cache();
}

/// Opens its file anew: somebody has moved it away. If that fails, lines go where they went.
pub fn reopen() {
    let Some(log) = LOG.get() else { return };
    let output = log.output.lock();
    if !matches!(output.0, output::Output::File(_)) {
        return;
    }
    match output.0.open() {
        Ok(sink) => log.turn(sink),
        Err(error) => tracing::error!(%error, "the log stays in the file it had"),
    }
}

/// Waits until what was said is written, but not for long.
pub fn flush() {
    let Some(log) = LOG.get() else { return };
    let (done, written) = sync_channel(1);
    if log.sender.try_send(Message::Flush(done)).is_ok() {
        let _ = written.recv_timeout(Duration::from_secs(1));
    }
}

impl Log {
    fn turn(&self, sink: Sink) {
        *self.next.lock() = Some(sink);
        // If the thread has too much to do to hear of it, it looks before it goes on.
        let _ = self.sender.try_send(Message::Turn);
    }
}

impl Obeyed {
    fn new(config: &Config, given: Option<&Filter>, colours: bool) -> Self {
        let terminal = config.output.is_terminal();
        let form = match config.format {
            Format::Json => Form::Json,
            Format::Auto if !terminal => Form::Json,
            _ => Form::Text { colours: colours && config.output == Output::default() },
        };
        Self { filter: given.cloned().unwrap_or_else(|| Filter::new(config)), form }
    }
}

fn write_all(messages: &Receiver<Message>, mut sink: Sink, next: &Mutex<Option<Sink>>) {
    for message in messages {
        if let Some(next) = next.lock().take() {
            sink = next;
        }
        match message {
            // Nobody is left to be told that it failed.
            Message::Line(line) => drop(sink.write(&line, 1)),
            Message::Flush(done) => drop(done.try_send(())),
            Message::Turn => {}
        }
    }
}

impl<'de> Deserialize<'de> for Output {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Output;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an output, such as \"stderr\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Output, E> {
                match output::Output::read(text) {
                    Ok(output::Output::Off | output::Output::Syslog(_)) => {
                        let problem = "weir's own log goes to \"stderr\", \"stdout\" or a file: \
                                       write one of them, such as \"/var/log/weir/weir.log\"";
                        let label = "for the access log only";
                        Err(E::custom(coded(&Fault::new(Code::E0104, problem, label))))
                    }
                    Ok(output) => Ok(Output(output)),
                    Err(fault) => Err(E::custom(coded(&fault))),
                }
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Output {
    fn schema_name() -> Cow<'static, str> {
        "LogOutput".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// So many lines may wait.
const WAITING: usize = 1024;
