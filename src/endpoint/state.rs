//! What an endpoint's state machine came to, for workers to read without a lock.
//!
//! Changed by the control runtime only. It belongs to the endpoint, so it outlives reloads.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::condition::Condition;

/// Whether an endpoint takes new requests. The order counts: who is offered may be of one of them or better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Standing {
    /// It does.
    Ready,
    /// It has joined a running pool and was not checked yet: only if there is nobody else.
    Newcomer,
    /// It is not well: only if health is ignored.
    Unwell,
    /// It has asked for none: never.
    Draining,
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
    /// It and weir came to no TLS.
    Tls,
    /// It did not answer in time.
    Timeout,
    /// It answered with another status.
    Status,
    /// It answered with another header.
    Header,
    /// It answered without the text.
    Body,
    /// It gave no valid answer.
    Protocol,
    /// It said that it is not well.
    SaysFail,
    /// It asked for no new requests.
    Drain,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NotChecked,
        Self::Passed,
        Self::ConnectFailure,
        Self::Tls,
        Self::Timeout,
        Self::Status,
        Self::Header,
        Self::Body,
        Self::Protocol,
        Self::SaysFail,
        Self::Drain,
    ];

    /// Its word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotChecked => "not_checked",
            Self::Passed => "passed",
            Self::ConnectFailure => "connect_failure",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Header => "header",
            Self::Body => "body",
            Self::Protocol => "protocol",
            Self::SaysFail => "says_fail",
            Self::Drain => "drain",
        }
    }
}

/// How an endpoint joins a pool that is running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joining {
    /// It takes no requests before its first check, if there is somebody else.
    pub waits: bool,
    /// It gets its full share slowly.
    pub warms: bool,
}

/// What an endpoint's state machine came to.
pub struct State {
    standing: AtomicU8,
    /// Locked by checks and scrapes only, never on the request path.
    told: Mutex<Told>,
}

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Where its state machine stands.
    pub condition: Condition,
    /// What its last check came to.
    pub why: Why,
    /// When its standing changed last.
    pub since: Duration,
    joining: Joining,
    warms_since: Option<Duration>,
    /// Its part of its weight, when that was last looked at: of a hundred.
    share: u8,
}

impl State {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            standing: AtomicU8::new(Standing::Ready as u8),
            told: Mutex::new(Told {
                condition: Condition::Unchecked,
                why: Why::NotChecked,
                since: Duration::ZERO,
                joining: Joining::default(),
                warms_since: None,
                share: FULL,
            }),
        }
    }

    /// It joins a running pool; said before anybody else knows of it.
    pub fn join(&self, joining: Joining) {
        let mut told = self.told.lock();
        told.joining = joining;
        self.standing.store(told.standing() as u8, Relaxed);
    }

    /// Whether it takes requests when those of this standing do; lock-free.
    pub fn is_within(&self, worst: Standing) -> bool {
        self.standing.load(Relaxed) <= worst as u8
    }

    /// Whether it takes new requests.
    pub fn is_ready(&self) -> bool {
        self.is_within(Standing::Ready)
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.told.lock().standing()
    }

    /// What is known of it.
    pub fn told(&self) -> Told {
        *self.told.lock()
    }

    /// Where its state machine stands.
    pub fn condition(&self) -> Condition {
        self.told().condition
    }

    /// Why it stands there.
    pub fn why(&self) -> Why {
        self.told().why
    }

    /// It stands here now, for this reason. Answers whether its standing has changed.
    pub fn set(&self, condition: Condition, why: Why, now: Duration) -> bool {
        let mut told = self.told.lock();
        let before = told.standing();
        let joined = condition == Condition::Healthy && told.joining.warms;
        (told.condition, told.why) = (condition, why);
        if condition != Condition::Unchecked {
            told.joining = Joining::default();
        }
        let after = told.standing();
        if before != after {
            told.since = now;
        }
        if after != Standing::Ready {
            told.warms_since = None;
        } else if joined || before > Standing::Newcomer {
            told.warms_since = Some(now);
        }
        self.standing.store(after as u8, Relaxed);
        before != after
    }

    /// Checks are off, so nothing is known, and who has joined begins now.
    pub fn forget(&self, now: Duration) {
        let mut told = self.told.lock();
        if told.condition != Condition::Unchecked {
            told.since = now;
        }
        if told.joining.warms {
            told.warms_since = Some(now);
        }
        told.joining = Joining::default();
        (told.condition, told.why) = (Condition::Unchecked, Why::NotChecked);
        self.standing.store(Standing::Ready as u8, Relaxed);
    }

    /// Its part of its weight now, of a hundred, when the whole is reached in this time:
    /// in proportion to the time since it joined or became healthy, but never under a tenth.
    pub fn share(&self, now: Duration, slow_start: Duration) -> u8 {
        let mut told = self.told.lock();
        told.share = match told.warms_since {
            Some(since) if now.saturating_sub(since) < slow_start => {
                let part = now.saturating_sub(since).as_secs_f64() / slow_start.as_secs_f64();
                ((part * f64::from(FULL)) as u8).clamp(LEAST, FULL - 1)
            }
            _ => {
                told.warms_since = None;
                FULL
            }
        };
        told.share
    }
}

impl Told {
    /// Whether it takes new requests.
    pub fn standing(&self) -> Standing {
        match self.condition {
            Condition::Unchecked if self.joining.waits => Standing::Newcomer,
            Condition::Unchecked | Condition::Healthy | Condition::Suspect { .. } => {
                Standing::Ready
            }
            Condition::Unhealthy { .. } => Standing::Unwell,
            Condition::Draining { .. } => Standing::Draining,
        }
    }

    /// Its part of its weight, of a hundred, when that was last looked at.
    pub fn share(&self) -> u8 {
        self.share
    }

    /// The same of one.
    pub fn part(&self) -> f64 {
        f64::from(self.share) / f64::from(FULL)
    }

    /// All words of `word`.
    pub const WORDS: [&'static str; 4] = ["healthy", "warming", "unhealthy", "draining"];

    /// The word operators see, in metrics and in the log.
    pub fn word(&self) -> &'static str {
        match self.standing() {
            Standing::Ready if self.share < FULL => "warming",
            Standing::Ready => "healthy",
            Standing::Newcomer | Standing::Unwell => "unhealthy",
            Standing::Draining => "draining",
        }
    }
}

/// All of a share.
pub const FULL: u8 = 100;
/// The least share of who warms up.
const LEAST: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Condition = Condition::Unhealthy { passed: 0 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn state_says_when_its_standing_changes() {
        let state = State::new();
        assert!(!state.set(Condition::Healthy, Why::Passed, at(1)));
        assert!(state.set(DOWN, Why::ConnectFailure, at(2)));
        assert!(!state.set(DOWN, Why::Timeout, at(3)));
        assert!(!state.is_ready() && state.is_within(Standing::Unwell));
        assert_eq!((state.why(), state.told().since), (Why::Timeout, at(2)));
        assert!(state.set(Condition::Draining { passed: 0 }, Why::Drain, at(4)));
        assert!(!state.is_within(Standing::Unwell), "not even if health is ignored");
    }

    #[test]
    fn a_share_rises_in_proportion_to_time_from_a_tenth_on() {
        let (state, window) = (State::new(), at(10));
        state.set(DOWN, Why::Timeout, at(5));
        state.set(Condition::Healthy, Why::Passed, at(100));
        let shares: Vec<u8> =
            [100, 101, 102, 105, 109, 110].map(|now| state.share(at(now), window)).to_vec();
        assert_eq!(shares, [10, 10, 20, 50, 90, 100]);
        assert_eq!(state.share(at(101), window), 100, "what is over is over");
    }

    #[test]
    fn who_was_there_from_the_start_has_all_of_its_share() {
        let state = State::new();
        state.set(Condition::Healthy, Why::Passed, at(1));
        assert_eq!((state.share(at(1), at(10)), state.told().word()), (100, "healthy"));
        state.set(Condition::Suspect { failed: 1 }, Why::Timeout, at(2));
        state.set(Condition::Healthy, Why::Passed, at(3));
        assert_eq!(state.share(at(3), at(10)), 100, "it was never away");
    }

    #[test]
    fn who_joins_waits_for_its_first_check_and_then_warms_up() {
        let state = State::new();
        state.join(Joining { waits: true, warms: true });
        assert_eq!((state.standing(), state.told().word()), (Standing::Newcomer, "unhealthy"));
        assert!(state.set(Condition::Healthy, Why::Passed, at(7)));
        assert_eq!((state.share(at(8), at(10)), state.told().word()), (10, "warming"));
        let unchecked = State::new();
        unchecked.join(Joining { waits: false, warms: true });
        unchecked.forget(at(7));
        assert_eq!((unchecked.share(at(12), at(10)), unchecked.is_ready()), (50, true));
        unchecked.forget(at(13));
        assert_eq!(unchecked.share(at(13), at(10)), 60, "it joins once");
    }

    #[test]
    fn no_slow_start_is_a_full_share_at_once() {
        let state = State::new();
        state.set(DOWN, Why::Timeout, at(5));
        state.set(Condition::Healthy, Why::Passed, at(6));
        assert_eq!(state.share(at(6), Duration::ZERO), 100);
    }
}
