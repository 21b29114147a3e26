//! Until when something may go on that a reload has taken out: a listener, an endpoint.
//!
//! The control runtime says so once; workers look at it, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Whether something leaves, and by when: milliseconds of the process's clock.
pub struct Leaving(AtomicU64);

impl Default for Leaving {
    /// It stays.
    fn default() -> Self {
        Self(AtomicU64::new(STAYS))
    }
}

impl Leaving {
    /// From now on it leaves, and what is under way there may go on until then.
    pub fn by(&self, at: Duration) {
        let at = u64::try_from(at.as_millis()).unwrap_or(STAYS);
        self.0.store(at.min(STAYS - 1), Relaxed);
    }

    /// Whether it leaves: nothing new begins there.
    pub fn has_begun(&self) -> bool {
        self.0.load(Relaxed) != STAYS
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Duration) -> bool {
        let by = self.0.load(Relaxed);
        by != STAYS && u128::from(by) <= now.as_millis()
    }
}

const STAYS: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_has_its_time_and_what_stays_has_no_end() {
        let (stays, leaves) = (Leaving::default(), Leaving::default());
        leaves.by(Duration::from_secs(30));
        assert!(!stays.has_begun() && !stays.is_over(Duration::MAX));
        assert!(leaves.has_begun() && !leaves.is_over(Duration::from_millis(29_999)));
        assert!(leaves.is_over(Duration::from_secs(30)));
        leaves.by(Duration::MAX);
        assert!(leaves.has_begun() && !leaves.is_over(Duration::from_secs(1 << 40)));
    }
}
