//! What weir says about itself, on stderr.
//!
//! Lines go through one thread: whoever logs never waits for a reader that does not read, and a reader that
//! is gone is no error. What does not fit is left out.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts the log, from `level` on; without one `RUST_LOG` sets the level, per module if wanted.
///
/// # Errors
/// The system gives no thread.
pub fn start(level: Option<&str>, colours: bool) -> io::Result<Log> {
    let (sender, receiver) = sync_channel(WAITING);
    std::thread::Builder::new().name(String::from("log")).spawn(move || write_all(&receiver))?;
    let filter = match level {
        Some(level) => EnvFilter::new(level),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines(sender.clone()))
        .with_ansi(colours)
        .with_target(false)
        .log_internal_errors(false)
        .init();
    Ok(Log(sender))
}

/// The log, to be flushed at the end.
pub struct Log(SyncSender<Message>);

enum Message {
    Line(Vec<u8>),
    /// To be answered when all before it is written.
    Flush(SyncSender<()>),
}

impl Log {
    /// Waits until what was said is written, but not for long.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_secs(1));
        }
    }
}

fn write_all(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            // Nobody is left to be told that it failed.
            Message::Line(line) => drop(io::stderr().write_all(&line)),
            Message::Flush(done) => drop(done.try_send(())),
        }
    }
}

/// Hands lines to the thread; one write is one line.
#[derive(Clone)]
struct Lines(SyncSender<Message>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.try_send(Message::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// So many lines may wait.
const WAITING: usize = 1024;
