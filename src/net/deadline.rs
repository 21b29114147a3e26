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

/// When one connection has waited long enough. One per connection, re-armed for what it waits for now.
pub struct Deadline {
    due: Cell<Duration>,
    passed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    now: Rc<Cell<Duration>>,
}

impl Deadline {
    /// From now on, wait at most this long.
    pub fn arm(&self, patience: Duration) {
        self.passed.set(false);
        // The last sweep may lie one sweep back.
        self.due.set(self.now.get() + patience + SWEEP);
    }

    /// Whether the sweep has found that the time is over.
    pub fn passed(&self) -> bool {
        self.passed.get()
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
    now: Rc<Cell<Duration>>,
}

impl Deadlines {
    /// None yet; the coarse time starts at `now`.
    pub fn new(now: Duration) -> Self {
        Self { all: RefCell::default(), now: Rc::new(Cell::new(now)) }
    }

    /// A new deadline, disarmed. It leaves the sweep when it is dropped.
    pub fn add(&self) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            due: Cell::new(Duration::MAX),
            passed: Cell::new(false),
            waker: RefCell::new(None),
            now: Rc::clone(&self.now),
        });
        self.all.borrow_mut().push(Rc::downgrade(&deadline));
        deadline
    }

    /// Wakes every connection whose time is over.
    pub fn sweep(&self, now: Duration) {
        self.now.set(now);
        self.all.borrow_mut().retain(|deadline| {
            let Some(deadline) = deadline.upgrade() else { return false };
            if deadline.due.get() <= now && !deadline.passed.replace(true) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_at_its_time_and_not_before() {
        let all = Deadlines::new(Duration::ZERO);
        let deadline = all.add();
        all.sweep(Duration::from_secs(9));
        assert!(!deadline.passed(), "disarmed at first");
        deadline.arm(Duration::from_secs(1));
        all.sweep(Duration::from_secs(10));
        assert!(!deadline.passed());
        all.sweep(Duration::from_secs(10) + SWEEP);
        assert!(deadline.passed());
        deadline.arm(Duration::from_secs(1));
        assert!(!deadline.passed(), "armed again");
    }

    #[test]
    fn forgets_those_that_are_dropped() {
        let all = Deadlines::new(Duration::ZERO);
        drop(all.add());
        all.sweep(Duration::ZERO);
        assert!(all.all.borrow().is_empty());
    }
}
