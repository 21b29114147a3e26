//! Deadlines of connections: coarse ticks found by one sweep per worker.
//!
//! A timer of the runtime costs 175 ns each time one waits; a `Deadline` is a cell that a sweep every
//! 100 ms compares with the clock. So it is never early, and up to two sweeps late. Everything here
//! stays on its worker.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

/// How often a worker looks for deadlines that have passed.
pub const SWEEP: Duration = Duration::from_millis(100);

/// What a connection waits for, each with a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The next step, whoever has to take it: re-armed for what is waited for now.
    Step,
    /// The client, to send more of its request's body.
    Body,
    /// The end: no step puts it off.
    End,
}

/// When one connection has waited long enough. One per connection.
pub struct Deadline {
    /// In nanoseconds of the clock: cheaper to reckon with than a `Duration`.
    due: [Cell<u64>; 3],
    passed: [Cell<bool>; 3],
    waker: RefCell<Option<Waker>>,
    now: Rc<Cell<u64>>,
}

impl Deadline {
    /// From now on, wait at most this long for that.
    pub fn arm(&self, wait: Wait, patience: Duration) {
        // The last sweep may lie one sweep back.
        let due = self.now.get().saturating_add(nanos(patience)).saturating_add(nanos(SWEEP));
        self.set(wait, due);
    }

    /// Wait for that until a time of the process's clock.
    pub fn arm_until(&self, wait: Wait, at: Duration) {
        self.set(wait, nanos(at));
    }

    fn set(&self, wait: Wait, due: u64) {
        self.passed[wait as usize].set(false);
        self.due[wait as usize].set(due);
    }

    /// Nothing of that kind is waited for.
    pub fn disarm(&self, wait: Wait) {
        self.set(wait, u64::MAX);
    }

    /// Whether the sweep has found that the time is over.
    pub fn passed(&self, wait: Wait) -> bool {
        self.passed[wait as usize].get()
    }

    /// The time of the last sweep: no read of the clock.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now.get())
    }

    /// The task to wake when the time is over; a task calls this once, it keeps its waker for life.
    pub fn belongs_to(&self, cx: &Context<'_>) {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// All deadlines of a worker.
pub struct Deadlines {
    all: RefCell<Vec<Weak<Deadline>>>,
    now: Rc<Cell<u64>>,
}

impl Deadlines {
    /// None yet; the coarse time starts at `now`.
    pub fn new(now: Duration) -> Self {
        Self { all: RefCell::default(), now: Rc::new(Cell::new(nanos(now))) }
    }

    /// The time of the last sweep.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now.get())
    }

    /// A new deadline, disarmed. It leaves the sweep when it is dropped.
    pub fn add(&self) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            due: [const { Cell::new(u64::MAX) }; 3],
            passed: [const { Cell::new(false) }; 3],
            waker: RefCell::new(None),
            now: Rc::clone(&self.now),
        });
        self.all.borrow_mut().push(Rc::downgrade(&deadline));
        deadline
    }

    /// Wakes every connection whose time is over.
    pub fn sweep(&self, now: Duration) {
        let now = nanos(now);
        self.now.set(now);
        self.all.borrow_mut().retain(|deadline| {
            let Some(deadline) = deadline.upgrade() else { return false };
            let mut late = false;
            for (due, passed) in deadline.due.iter().zip(&deadline.passed) {
                late |= due.get() <= now && !passed.replace(true);
            }
            if late {
                deadline.wake();
            }
            true
        });
    }

    /// Wakes every connection, so that it looks around: the worker is asked to stop.
    pub fn wake_all(&self) {
        for deadline in self.all.borrow().iter().filter_map(Weak::upgrade) {
            deadline.wake();
        }
    }
}

/// A time in nanoseconds; some 584 years are for ever.
const fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos() as u64)
}

/// A time over 5 s, ± 10 % by a random number: connections that begin together do not all end together.
pub fn jitter(time: Duration, random: u64) -> Duration {
    let nanos = nanos(time);
    if time <= Duration::from_secs(5) || nanos == u64::MAX {
        return time;
    }
    let least = nanos - nanos / 10;
    Duration::from_nanos(least.saturating_add(nanos / 10_000 * (random % 2001)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_at_its_time_and_not_before() {
        let all = Deadlines::new(Duration::ZERO);
        let deadline = all.add();
        all.sweep(Duration::from_secs(9));
        assert!(!deadline.passed(Wait::Step), "disarmed at first");
        deadline.arm(Wait::Step, Duration::from_secs(1));
        deadline.arm(Wait::End, Duration::MAX);
        all.sweep(Duration::from_secs(10));
        assert!(!deadline.passed(Wait::Step));
        all.sweep(Duration::from_secs(10) + SWEEP);
        assert!(deadline.passed(Wait::Step));
        assert!(!deadline.passed(Wait::Body) && !deadline.passed(Wait::End), "each on its own");
        deadline.arm(Wait::Step, Duration::from_secs(1));
        assert!(!deadline.passed(Wait::Step), "armed again");
        deadline.disarm(Wait::Step);
        all.sweep(Duration::from_secs(1000));
        assert!(!deadline.passed(Wait::Step), "disarmed");
    }

    #[test]
    fn a_long_time_is_spread_by_a_tenth() {
        let time = Duration::from_secs(75);
        assert_eq!(jitter(time, 0), Duration::from_millis(67_500));
        assert_eq!(jitter(time, 1000), time);
        assert_eq!(jitter(time, 2000), Duration::from_millis(82_500));
        assert_eq!(jitter(Duration::from_secs(5), 0), Duration::from_secs(5));
        assert_eq!(jitter(Duration::MAX, 2000), Duration::MAX);
    }

    #[test]
    fn forgets_those_that_are_dropped() {
        let all = Deadlines::new(Duration::ZERO);
        drop(all.add());
        all.sweep(Duration::ZERO);
        assert!(all.all.borrow().is_empty());
    }
}
