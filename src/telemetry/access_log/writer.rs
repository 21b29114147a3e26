//! The thread where the workers' lines come together, and what turns it to another output while it runs.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::settings::Settings;
use super::{Config, Lines};
use crate::telemetry::output::{Output, Sink};

/// What the writer is handed.
pub enum Message {
    /// Lines of a worker, and how many.
    Lines { lines: Vec<u8>, count: u64 },
    /// Another output is there.
    Turn,
}

/// Where lines come together. `write_all` runs on a thread of its own until every `Lines` is dropped.
pub struct Writer {
    messages: Receiver<Message>,
    sink: Sink,
    next: Arc<Mutex<Option<Sink>>>,
    dropped: Arc<AtomicU64>,
}

/// Changes the log while it runs. Control runtime only.
pub struct Switch {
    settings: Arc<ArcSwap<Settings>>,
    /// Where lines go. The lock is for reloads and signals, which may meet.
    output: Mutex<Output>,
    next: Arc<Mutex<Option<Sink>>>,
    /// The writer ends with the last of the workers, whoever holds a switch.
    writer: Weak<SyncSender<Message>>,
}

/// An output that was opened for a configuration which is not active yet; `None`: the one there is stays.
#[derive(Default)]
pub struct Opened(Option<Sink>);

/// Makes the lines of each worker, their writer, and what changes them. `dropped` counts lines that are lost.
///
/// # Errors
/// The output cannot be opened.
pub fn open(
    config: &Config,
    workers: usize,
    dropped: &Arc<AtomicU64>,
) -> io::Result<(Vec<Lines>, Writer, Switch)> {
    let sink = config.output.open()?;
    let settings = Arc::new(ArcSwap::from_pointee(Settings::new(config)));
    let (sender, messages) = sync_channel(WAITING);
    let sender = Arc::new(sender);
    let lines = (0..workers).map(|_| Lines::new(&settings, &sender, dropped)).collect();
    let next = Arc::new(Mutex::new(None));
    let switch = Switch {
        settings,
        output: Mutex::new(config.output.clone()),
        next: Arc::clone(&next),
        writer: Arc::downgrade(&sender),
    };
    Ok((lines, Writer { messages, sink, next, dropped: Arc::clone(dropped) }, switch))
}

impl Switch {
    /// Opens what a configuration needs and is not open yet. Nothing has changed.
    ///
    /// # Errors
    /// The output cannot be opened.
    pub fn prepare(&self, config: &Config) -> io::Result<Opened> {
        let same = *self.output.lock() == config.output;
        Ok(Opened(if same { None } else { Some(config.output.open()?) }))
    }

    /// From now on this holds.
    pub fn set(&self, config: &Config, opened: Opened) {
        if let Some(sink) = opened.0 {
            *self.output.lock() = config.output.clone();
            self.turn(sink);
        }
        self.settings.store(Arc::new(Settings::new(config)));
    }

    /// Opens its file anew: somebody has moved it away. If that fails, lines go where they went.
    pub fn reopen(&self) {
        let output = self.output.lock();
        if !matches!(*output, Output::File(_)) {
            return;
        }
        match output.open() {
            Ok(sink) => self.turn(sink),
            Err(error) => tracing::error!(%error, "the access log stays in the file it had"),
        }
    }

    fn turn(&self, sink: Sink) {
        *self.next.lock() = Some(sink);
        if let Some(writer) = self.writer.upgrade() {
            // If it has too much to do to hear of it, it looks before it goes on.
            let _ = writer.try_send(Message::Turn);
        }
    }
}

impl Writer {
    /// Writes until every `Lines` is dropped. What cannot be written is counted as dropped; a full disk may
    /// have room again for what comes later.
    pub fn write_all(mut self) {
        let mut failed = false;
        for message in self.messages {
            if let Some(next) = self.next.lock().take() {
                self.sink = next;
                failed = false;
            }
            let Message::Lines { lines, count } = message else { continue };
            if failed {
                // A part of a line may stand there.
                let _ = self.sink.write(b"\n", 0);
            }
            let written = self.sink.write(&lines, count);
            if let Err((lost, error)) = &written {
                self.dropped.fetch_add(*lost, Relaxed);
                if !failed {
                    tracing::error!(%error, "access-log lines are dropped: they cannot be written");
                }
            }
            failed = written.is_err();
        }
    }
}

/// So many full buffers may wait for the writer.
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_that_nobody_takes_are_counted() {
        let dropped = Arc::new(AtomicU64::new(0));
        let (mut lines, writer, _) = open(&Config::default(), 1, &dropped).unwrap();
        drop(writer);
        lines[0].write(&Record::default(), Duration::ZERO);
        lines[0].flush();
        assert_eq!(dropped.load(Relaxed), 1);
    }

    #[test]
    fn lines_wait_until_they_are_old_or_many() {
        let config = Config { output: Output::Off, ..Config::default() };
        let (mut lines, writer, switch) = open(&config, 1, &Arc::default()).unwrap();
        let config = Config { output: Output::Stderr, ..config };
        switch.set(&config, Opened(None));
        let waiting = || writer.messages.try_recv().is_err();
        lines[0].write(&Record::default(), Duration::from_secs(5));
        lines[0].look(Duration::from_millis(5999));
        assert!(waiting());
        lines[0].look(Duration::from_secs(6));
        assert!(!waiting(), "they are a second old");
        for _ in 0..1000 {
            lines[0].write(&Record::default(), Duration::from_secs(7));
        }
        assert!(!waiting(), "they are more than a buffer holds");
    }
}
