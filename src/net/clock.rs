//! The one clock of a process: monotonic time since its start, plus an offset that only tests move.
//!
//! Workers read it four times a request that waits once; control tasks sleep on it. Deciders never do: they
//! are handed a time. Everything here may be called from any thread, without a lock.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

/// Monotonic time since the start of the process.
pub struct Clock {
    /// What the system's clock said at the start.
    origin: u64,
    /// Nanoseconds added by `advance`.
    offset: AtomicU64,
    moved: Notify,
}

impl Clock {
    /// A clock that starts at zero now.
    pub fn new() -> Self {
        Self { origin: monotonic(), offset: AtomicU64::new(0), moved: Notify::new() }
    }

    /// Time since the start: about 25 ns.
    pub fn now(&self) -> Duration {
        let passed = monotonic().wrapping_sub(self.origin);
        Duration::from_nanos(passed + self.offset.load(Relaxed))
    }

    /// Moves the clock forward and wakes all who sleep on it. For tests.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.offset.fetch_add(nanos, Relaxed);
        self.moved.notify_waiters();
    }

    /// Sleeps until the clock shows `at`. For control tasks: the request path has `Deadline`s.
    pub async fn sleep_until(&self, at: Duration) {
        loop {
            let mut moved = pin!(self.moved.notified());
            moved.as_mut().enable();
            let Some(left) = at.checked_sub(self.now()).filter(|left| !left.is_zero()) else {
                return;
            };
            // Never a timer of more than a day: a longer one once stalled all of tokio's (tokio#8334).
            let timer = tokio::time::sleep(left.min(DAY));
            tokio::select! { () = timer => {}, () = moved => {} }
        }
    }

    /// Sleeps for a time on this clock.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.now() + time).await;
    }

    /// The work's result, or `None` when it takes longer than `limit` on this clock.
    pub async fn within<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        tokio::select! { output = work => Some(output), () = self.sleep(limit) => None }
    }
}

/// The time of day as HTTP writes it (RFC 9110, 5.6.7), to the second; kept by who looks at it often.
pub struct Date {
    second: u64,
    text: String,
}

impl Default for Date {
    fn default() -> Self {
        let mut date = Self { second: 0, text: String::new() };
        date.look();
        date
    }
}

impl Date {
    /// Looks at the system's clock.
    pub fn look(&mut self) {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = httpdate::fmt_http_date(now);
        }
    }

    /// "Sun, 06 Nov 1994 08:49:37 GMT".
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// The system's monotonic clock, in nanoseconds: read four times a request, so without the detours of `Instant`.
fn monotonic() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
    time.map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_wakes_when_the_clock_is_advanced() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = Clock::new();
            let slept = clock.sleep(Duration::from_secs(3600));
            let moved = async {
                tokio::task::yield_now().await;
                clock.advance(Duration::from_secs(3601));
            };
            tokio::join!(slept, moved);
            assert!(clock.now() > Duration::from_secs(3600));
        });
    }
}
