//! A worker's lines that are not with the writer yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use super::settings::Settings;
use super::stamp::Stamp;
use super::writer::Message;
use super::{Record, line};

/// A worker's lines that are not with the writer yet. Only that worker touches it.
pub struct Lines {
    settings: Cache<Arc<ArcSwap<Settings>>, Arc<Settings>>,
    /// Shared among the workers: the writer ends with the last of them.
    writer: Arc<SyncSender<Message>>,
    dropped: Arc<AtomicU64>,
    stamp: Stamp,
    random: fastrand::Rng,
    buffer: Vec<u8>,
    count: u64,
    /// When the first line of the buffer was written.
    since: Duration,
}

impl Lines {
    /// None yet.
    pub fn new(
        settings: &Arc<ArcSwap<Settings>>,
        writer: &Arc<SyncSender<Message>>,
        dropped: &Arc<AtomicU64>,
    ) -> Self {
        Self {
            settings: Cache::new(Arc::clone(settings)),
            writer: Arc::clone(writer),
            dropped: Arc::clone(dropped),
            stamp: Stamp::new(),
            random: fastrand::Rng::new(),
            buffer: Vec::new(),
            count: 0,
            since: Duration::ZERO,
        }
    }

    /// Whether anybody wants lines.
    pub fn is_on(&mut self) -> bool {
        self.settings.load().is_on
    }

    /// Writes the line of a request that has ended now, if its kind is written.
    pub fn write(&mut self, record: &Record<'_>, now: Duration) {
        let settings = self.settings.load();
        if !settings.is_on || !settings.takes(record, || self.random.u16(..10_000)) {
            return;
        }
        if self.buffer.is_empty() {
            self.buffer.reserve(settings.buffer + LINE);
            self.since = now;
        }
        self.stamp.set(now);
        line::write(record, settings, &self.stamp, &mut self.buffer);
        self.count += 1;
        if self.buffer.len() >= settings.buffer {
            self.flush();
        }
    }

    /// Hands over what is old enough. Called several times a second.
    pub fn look(&mut self, now: Duration) {
        if !self.buffer.is_empty() && now.saturating_sub(self.since) >= self.settings.load().flush {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.buffer);
        let count = std::mem::take(&mut self.count);
        if self.writer.try_send(Message::Lines { lines, count }).is_err() {
            self.dropped.fetch_add(count, Relaxed);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Room for the line with which a buffer runs over.
const LINE: usize = 4096;
