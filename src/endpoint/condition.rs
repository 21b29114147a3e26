//! Where an endpoint stands: a pure state machine, fed with what its checks come to.

/// Where the state machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is known yet.
    Unchecked,
    /// Well.
    Healthy,
    /// Well until this many more checks in a row have failed.
    Suspect { failed: u16 },
    /// Not well; `passed` checks in a row have succeeded since.
    Unhealthy { passed: u16 },
    /// It has asked for no new requests; `passed` checks in a row have succeeded since.
    Draining { passed: u16 },
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answered as it should.
    Passed,
    /// It did not.
    Failed,
    /// It says itself that it is not well.
    SaysFail,
    /// It asks for no new requests.
    Drain,
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
    /// The condition after one more check. The first check of an endpoint decides at once. One that drains is not
    /// made unhealthy by failures: that it goes was to be expected.
    pub fn after(self, verdict: Verdict, thresholds: Thresholds) -> Self {
        match (self, verdict) {
            (_, Verdict::Drain) => Self::Draining { passed: 0 },
            (Self::Unchecked | Self::Healthy | Self::Suspect { .. }, Verdict::Passed) => {
                Self::Healthy
            }
            (Self::Unhealthy { passed } | Self::Draining { passed }, Verdict::Passed)
                if passed + 1 >= thresholds.healthy =>
            {
                Self::Healthy
            }
            (Self::Unhealthy { passed }, Verdict::Passed) => Self::Unhealthy { passed: passed + 1 },
            (Self::Draining { passed }, Verdict::Passed) => Self::Draining { passed: passed + 1 },
            (Self::Draining { .. }, Verdict::Failed | Verdict::SaysFail) => {
                Self::Draining { passed: 0 }
            }
            (Self::Unchecked | Self::Unhealthy { .. }, Verdict::Failed)
            | (_, Verdict::SaysFail) => Self::Unhealthy { passed: 0 },
            (Self::Healthy, Verdict::Failed) => Self::failing(1, thresholds),
            (Self::Suspect { failed }, Verdict::Failed) => Self::failing(failed + 1, thresholds),
        }
    }

    fn failing(failed: u16, thresholds: Thresholds) -> Self {
        if failed >= thresholds.unhealthy {
            Self::Unhealthy { passed: 0 }
        } else {
            Self::Suspect { failed }
        }
    }

    /// Whether the next check comes soon: it may be the one that turns the condition.
    pub const fn is_turning(self) -> bool {
        match self {
            Self::Suspect { .. } => true,
            Self::Unhealthy { passed } | Self::Draining { passed } => passed > 0,
            Self::Unchecked | Self::Healthy => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Drain, Failed, Passed, SaysFail};
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { healthy: 2, unhealthy: 3 };
    const DOWN: Condition = Condition::Unhealthy { passed: 0 };

    fn run(from: Condition, checks: &[Verdict]) -> Condition {
        checks.iter().fold(from, |condition, verdict| condition.after(*verdict, THRESHOLDS))
    }

    #[test]
    fn the_first_check_decides() {
        assert_eq!(run(Condition::Unchecked, &[Passed]), Condition::Healthy);
        assert_eq!(run(Condition::Unchecked, &[Failed]), DOWN);
        assert_eq!(run(Condition::Unchecked, &[Drain]), Condition::Draining { passed: 0 });
    }

    #[test]
    fn three_failures_in_a_row_make_it_unhealthy() {
        assert_eq!(run(Condition::Healthy, &[Failed, Failed]), Condition::Suspect { failed: 2 });
        let hiccups = [Failed, Failed, Passed, Failed, Failed];
        assert_eq!(run(Condition::Healthy, &hiccups), Condition::Suspect { failed: 2 });
        assert_eq!(run(Condition::Healthy, &[Failed, Failed, Failed]), DOWN);
    }

    #[test]
    fn its_own_word_counts_at_once() {
        for before in [Condition::Unchecked, Condition::Healthy, DOWN] {
            assert_eq!(run(before, &[SaysFail]), DOWN);
        }
        assert_eq!(run(DOWN, &[Passed, SaysFail, Passed]), Condition::Unhealthy { passed: 1 });
    }

    #[test]
    fn two_successes_in_a_row_make_it_healthy() {
        assert_eq!(run(DOWN, &[Passed, Failed, Passed]), Condition::Unhealthy { passed: 1 });
        assert_eq!(run(DOWN, &[Passed, Passed]), Condition::Healthy);
    }

    #[test]
    fn one_that_drains_does_so_until_it_passes() {
        for from in [Condition::Healthy, Condition::Suspect { failed: 1 }, DOWN] {
            assert_eq!(run(from, &[Drain]), Condition::Draining { passed: 0 });
        }
        let drains = Condition::Draining { passed: 0 };
        assert_eq!(run(drains, &[Failed, Failed, Failed, Failed, SaysFail]), drains);
        assert_eq!(run(drains, &[Passed, Drain, Passed]), Condition::Draining { passed: 1 });
        assert_eq!(run(drains, &[Passed, Passed]), Condition::Healthy);
    }

    #[test]
    fn thresholds_of_one_decide_at_once() {
        let once = Thresholds { healthy: 1, unhealthy: 1 };
        assert_eq!(Condition::Healthy.after(Failed, once), DOWN);
        assert_eq!(DOWN.after(Passed, once), Condition::Healthy);
    }

    #[test]
    fn flapping_counts_no_further_than_a_row() {
        let mut condition = Condition::Healthy;
        for _ in 0..10_000 {
            condition = run(condition, &[Failed, Failed, Passed]);
            assert_eq!(condition, Condition::Healthy);
        }
        let always = Thresholds { healthy: u16::MAX, unhealthy: u16::MAX };
        for verdict in [Failed, Passed] {
            let mut condition = Condition::Unhealthy { passed: 0 };
            (0..100_000).for_each(|_| condition = condition.after(verdict, always));
            condition = Condition::Healthy;
            (0..100_000).for_each(|_| condition = condition.after(verdict, always));
        }
    }
}
