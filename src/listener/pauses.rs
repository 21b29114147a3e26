//! Pauses of a listener: why it accepts no connection, told once when that begins and once when it is over.
//!
//! Every worker of the listener waits for a place on its own, and at the limit each connection that closes ends
//! a wait and begins another. So workers only say that they wait, and their sweeps look whether any does.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::net::places::Waiting;

/// Why a listener does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// As many connections are open as it, or the process, may have.
    Limit,
    /// No descriptor is left.
    Descriptors,
}

impl Cause {
    /// All of them, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Limit, Self::Descriptors];
}

/// What a listener's workers wait for.
#[derive(Default)]
pub struct Pauses([Pause; Cause::ALL.len()]);

#[derive(Default)]
struct Pause {
    /// How many workers wait.
    waiting: AtomicUsize,
    /// That they do has been told.
    told: AtomicBool,
    /// When a sweep last saw one wait: milliseconds of the process's clock.
    seen: AtomicU64,
}

/// What a sweep has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Paused,
    /// Nobody has waited for a while.
    Over,
}

impl Pauses {
    /// A worker waits, until what is returned is dropped.
    pub fn begin(&self, cause: Cause) -> Waiting<'_> {
        Waiting::begin(&self.0[cause as usize].waiting)
    }

    /// A sweep of any worker looks; one of them is told.
    pub fn look(&self, cause: Cause, now: Duration) -> Option<News> {
        let pause = &self.0[cause as usize];
        let now = now.as_millis() as u64;
        if pause.waiting.load(Relaxed) > 0 {
            pause.seen.store(now, Relaxed);
            return (!pause.told.swap(true, Relaxed)).then_some(News::Paused);
        }
        let over = pause.told.load(Relaxed)
            && now.saturating_sub(pause.seen.load(Relaxed)) >= CALM.as_millis() as u64
            && pause.told.swap(false, Relaxed);
        over.then_some(News::Over)
    }
}

/// A pause is over when none has been seen for so long: at the limit, one follows another.
const CALM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_once_and_so_is_its_end() {
        let pauses = Pauses::default();
        let look = |millis| pauses.look(Cause::Limit, Duration::from_millis(millis));
        assert_eq!(look(0), None);
        let (first, second) = (pauses.begin(Cause::Limit), pauses.begin(Cause::Limit));
        assert_eq!(look(5000), Some(News::Paused));
        assert_eq!(look(5100), None);
        drop(first);
        assert_eq!(look(9000), None, "another worker waits still");
        drop(second);
        assert_eq!(look(9900), None, "a connection closed, and the next one came");
        let third = pauses.begin(Cause::Limit);
        assert_eq!(look(10_000), None);
        drop(third);
        assert_eq!(look(10_900), None);
        assert_eq!(look(11_000), Some(News::Over));
        assert_eq!(look(20_000), None);
        assert_eq!(pauses.look(Cause::Descriptors, Duration::ZERO), None, "each on its own");
    }
}
