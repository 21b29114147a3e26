//! Where an endpoint stands: one state machine, fed by its checks.
//!
//! `Condition::after` is pure; `State` holds what it came to, for workers to read without a lock.
//! Changed by the control runtime only.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

/// Where the state machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is known yet; it serves.
    Unchecked,
    /// Well.
    Healthy,
    /// Well until this many more checks in a row have failed; it serves.
    Suspect { failed: u16 },
    /// Not well; `passed` checks in a row have succeeded since.
    Unhealthy { passed: u16 },
}

/// How many checks in a row change a condition.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Successes that make an unhealthy endpoint healthy.
    pub healthy: u16,
    /// Failures that make a healthy endpoint unhealthy.
    pub unhealthy: u16,
}

impl Condition {
    /// The condition after one more check. The first check of an endpoint decides at once.
    pub fn after(self, passed: bool, thresholds: Thresholds) -> Self {
        match (self, passed) {
            (Self::Unchecked, true) | (Self::Healthy | Self::Suspect { .. }, true) => Self::Healthy,
            (Self::Unchecked, false) => Self::Unhealthy { passed: 0 },
            (Self::Healthy, false) => Self::failing(1, thresholds),
            (Self::Suspect { failed }, false) => Self::failing(failed + 1, thresholds),
            (Self::Unhealthy { passed }, true) if passed + 1 >= thresholds.healthy => Self::Healthy,
            (Self::Unhealthy { passed }, true) => Self::Unhealthy { passed: passed + 1 },
            (Self::Unhealthy { .. }, false) => Self::Unhealthy { passed: 0 },
        }
    }

    fn failing(failed: u16, thresholds: Thresholds) -> Self {
        if failed >= thresholds.unhealthy {
            Self::Unhealthy { passed: 0 }
        } else {
            Self::Suspect { failed }
        }
    }

    /// Whether it takes new requests.
    pub const fn is_usable(self) -> bool {
        !matches!(self, Self::Unhealthy { .. })
    }

    /// All words of `as_str`.
    pub const WORDS: [&'static str; 2] = ["healthy", "unhealthy"];

    /// The word operators see, in metrics and in the log.
    pub const fn as_str(self) -> &'static str {
        if self.is_usable() { "healthy" } else { "unhealthy" }
    }
}

/// Why an endpoint stands where it stands: its last check, in one word of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was not checked yet, checks are off, or weir had no descriptor to check it.
    NotChecked,
    /// It answered as it should.
    Passed,
    /// It could not be connected to.
    ConnectFailure,
    /// It did not answer in time.
    Timeout,
    /// It answered with another status.
    Status,
    /// It gave no valid answer.
    Protocol,
}

impl Why {
    /// Its word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotChecked => "not_checked",
            Self::Passed => "passed",
            Self::ConnectFailure => "connect_failure",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Protocol => "protocol",
        }
    }
}

/// What an endpoint's state machine came to.
pub struct State {
    usable: AtomicBool,
    /// The condition and why. Locked by checks and scrapes only, never on the request path.
    told: Mutex<(Condition, Why)>,
}

impl State {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            usable: AtomicBool::new(true),
            told: Mutex::new((Condition::Unchecked, Why::NotChecked)),
        }
    }

    /// Whether it takes new requests; lock-free.
    pub fn is_usable(&self) -> bool {
        self.usable.load(Relaxed)
    }

    /// Where it stands.
    pub fn condition(&self) -> Condition {
        self.told.lock().0
    }

    /// Why it stands there.
    pub fn why(&self) -> Why {
        self.told.lock().1
    }

    /// It stands here now, for this reason. Answers whether `is_usable` has changed.
    pub fn set(&self, condition: Condition, why: Why) -> bool {
        *self.told.lock() = (condition, why);
        self.usable.swap(condition.is_usable(), Relaxed) != condition.is_usable()
    }

    /// Checks were switched off: nothing is known.
    pub fn forget(&self) -> bool {
        self.set(Condition::Unchecked, Why::NotChecked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { healthy: 2, unhealthy: 3 };

    fn run(from: Condition, checks: &[bool]) -> Condition {
        checks.iter().fold(from, |condition, passed| condition.after(*passed, THRESHOLDS))
    }

    #[test]
    fn the_first_check_decides() {
        assert_eq!(run(Condition::Unchecked, &[true]), Condition::Healthy);
        assert!(!run(Condition::Unchecked, &[false]).is_usable());
    }

    #[test]
    fn three_failures_in_a_row_make_it_unhealthy() {
        assert!(run(Condition::Healthy, &[false, false]).is_usable());
        assert!(run(Condition::Healthy, &[false, false, true, false, false]).is_usable());
        assert!(!run(Condition::Healthy, &[false, false, false]).is_usable());
    }

    #[test]
    fn two_successes_in_a_row_make_it_healthy() {
        let down = Condition::Unhealthy { passed: 0 };
        assert!(!run(down, &[true, false, true]).is_usable());
        assert_eq!(run(down, &[true, true]), Condition::Healthy);
    }

    #[test]
    fn thresholds_of_one_decide_at_once() {
        let once = Thresholds { healthy: 1, unhealthy: 1 };
        assert!(!Condition::Healthy.after(false, once).is_usable());
        assert!(Condition::Unhealthy { passed: 0 }.after(true, once).is_usable());
    }

    #[test]
    fn state_says_when_usable_changes() {
        let state = State::new();
        assert!(!state.set(Condition::Healthy, Why::Passed));
        assert!(state.set(Condition::Unhealthy { passed: 0 }, Why::ConnectFailure));
        assert!(!state.is_usable());
        assert_eq!(state.why(), Why::ConnectFailure);
    }
}
