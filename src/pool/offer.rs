//! Which endpoints of a pool are offered to requests: those that are ready, backups if there are none, and all that
//! there are if too few are well. Pure: counts and the time in, an answer out.

use std::time::Duration;

use crate::endpoint::state::Standing;
use crate::unit::Percent;

/// How many endpoints of a tier stand where. Those that drain are on neither side, and newcomers not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    ready: usize,
    newcomers: usize,
    unwell: usize,
}

/// What is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The backups, instead of the others.
    pub backup: bool,
    /// Those that stand here or better.
    pub worst: Standing,
    /// Health is ignored.
    pub panic: bool,
}

/// What the file says of it.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Fewer ready ones than this: health is ignored.
    pub panic_below: Percent,
    /// There is another pool for when this one has nothing to offer.
    pub fallback: bool,
}

/// Whether a pool panics, and since when it would not any more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Panic {
    on: bool,
    calm_since: Option<Duration>,
}

impl Tier {
    /// One more endpoint.
    pub fn count(&mut self, standing: Standing) {
        match standing {
            Standing::Ready => self.ready += 1,
            Standing::Newcomer => self.newcomers += 1,
            Standing::Unwell => self.unwell += 1,
            Standing::Draining => {}
        }
    }

    /// How many are ready, and of how many.
    pub const fn ratio(&self) -> (usize, usize) {
        (self.ready, self.ready + self.unwell)
    }

    /// Whether so many are ready that health counts.
    const fn carries(&self, panic_below: Percent) -> bool {
        let (ready, all) = self.ratio();
        ready > 0 && ready >= panic_below.least_of(all)
    }
}

impl Panic {
    /// What is offered of the endpoints and of the backups; `None`: nothing.
    pub fn offer(&mut self, tiers: [Tier; 2], rules: Rules, now: Duration) -> Option<Offer> {
        let of = |has: fn(&Tier) -> usize| tiers.iter().position(|tier| has(tier) > 0);
        let offer = |tier, worst, panic| Some(Offer { backup: tier > 0, worst, panic });
        if let Some(tier) = of(|tier| tier.ready) {
            let lower = tiers[tier + 1..].iter().any(|tier| tier.carries(rules.panic_below));
            let panics = self.panics(tiers[tier], lower, rules.panic_below, now);
            return offer(tier, if panics { Standing::Unwell } else { Standing::Ready }, panics);
        }
        *self = Self::default();
        if let Some(tier) = of(|tier| tier.newcomers) {
            return offer(tier, Standing::Newcomer, false);
        }
        if rules.fallback || rules.panic_below.is_zero() {
            return None;
        }
        let tier = of(|tier| tier.unwell)?;
        self.on = true;
        offer(tier, Standing::Unwell, true)
    }

    /// Whether a tier with this many ready ones panics. It comes at once, and goes when a few more have been ready for
    /// a while, so that one endpoint at the border does not turn it on and off.
    fn panics(&mut self, tier: Tier, lower: bool, below: Percent, now: Duration) -> bool {
        let (ready, all) = tier.ratio();
        let least = below.least_of(all);
        if ready < least && !lower {
            *self = Self { on: true, calm_since: None };
        } else if self.on {
            if ready < least.max(below.plus(MARGIN).of(all)) && !lower {
                self.calm_since = None;
            } else if now.saturating_sub(*self.calm_since.get_or_insert(now)) >= CALM {
                *self = Self::default();
            }
        }
        self.on
    }

    /// When it is over, if nothing changes until then.
    pub fn ends(&self) -> Option<Duration> {
        self.calm_since.map(|since| since + CALM)
    }
}

/// Percent more than where a panic begins.
const MARGIN: u8 = 5;
/// For how long.
const CALM: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { panic_below: Percent::new(50), fallback: false };
    const NONE: Tier = Tier { ready: 0, newcomers: 0, unwell: 0 };

    fn tier(ready: usize, unwell: usize) -> Tier {
        Tier { ready, newcomers: 0, unwell }
    }

    fn once(tiers: [Tier; 2], rules: Rules) -> Option<(bool, Standing, bool)> {
        let offer = Panic::default().offer(tiers, rules, Duration::ZERO)?;
        Some((offer.backup, offer.worst, offer.panic))
    }

    #[test]
    fn one_of_two_is_no_panic_and_one_of_three_is() {
        assert_eq!(once([tier(1, 1), NONE], RULES), Some((false, Standing::Ready, false)));
        assert_eq!(once([tier(1, 2), NONE], RULES), Some((false, Standing::Unwell, true)));
        let never = Rules { panic_below: Percent::default(), ..RULES };
        assert_eq!(once([tier(1, 99), NONE], never), Some((false, Standing::Ready, false)));
    }

    #[test]
    fn nobody_ready_is_the_other_pool_or_else_panic_unless_that_is_off() {
        assert_eq!(once([tier(0, 1), NONE], RULES), Some((false, Standing::Unwell, true)));
        let never = Rules { panic_below: Percent::default(), ..RULES };
        assert_eq!(once([tier(0, 3), NONE], never), None);
        assert_eq!(once([tier(0, 3), NONE], Rules { fallback: true, ..RULES }), None);
        assert_eq!(once([NONE, NONE], RULES), None, "all drain");
    }

    #[test]
    fn who_drains_is_on_neither_side() {
        let mut counted = Tier::default();
        for standing in [Standing::Ready, Standing::Draining, Standing::Draining] {
            counted.count(standing);
        }
        assert_eq!(counted.ratio(), (1, 1));
        assert_eq!(once([counted, NONE], RULES), Some((false, Standing::Ready, false)));
    }

    #[test]
    fn newcomers_serve_only_if_there_is_nobody_else_and_are_no_reason_to_panic() {
        let with = |ready, unwell| Tier { ready, newcomers: 9, unwell };
        assert_eq!(once([with(1, 0), NONE], RULES), Some((false, Standing::Ready, false)));
        assert_eq!(once([with(0, 1), NONE], RULES), Some((false, Standing::Newcomer, false)));
        assert_eq!(once([with(0, 1), tier(1, 0)], RULES), Some((true, Standing::Ready, false)));
    }

    #[test]
    fn backups_stand_in_when_nobody_else_is_ready_and_keep_a_pool_from_panic() {
        assert_eq!(once([tier(0, 3), tier(1, 1)], RULES), Some((true, Standing::Ready, false)));
        assert_eq!(once([tier(1, 3), tier(1, 0)], RULES), Some((false, Standing::Ready, false)));
        assert_eq!(once([tier(1, 3), tier(1, 2)], RULES), Some((false, Standing::Unwell, true)));
        assert_eq!(once([tier(0, 3), tier(1, 2)], RULES), Some((true, Standing::Unwell, true)));
        assert_eq!(once([tier(0, 3), tier(0, 1)], RULES), Some((false, Standing::Unwell, true)));
    }

    #[test]
    fn panic_comes_at_once_and_goes_when_it_has_been_calm_for_a_while() {
        let mut panic = Panic::default();
        let mut at = |seconds, ready: usize| {
            let tiers = [tier(ready, 100 - ready), NONE];
            let offer = panic.offer(tiers, RULES, Duration::from_secs(seconds)).unwrap();
            (offer.panic, panic.ends().map(|ends| ends.as_secs()))
        };
        assert_eq!(at(0, 50), (false, None));
        assert_eq!(at(1, 49), (true, None));
        assert_eq!(at(2, 54), (true, None), "not enough more");
        assert_eq!(at(10, 55), (true, Some(15)));
        assert_eq!(at(14, 54), (true, None), "and back");
        assert_eq!(at(20, 55), (true, Some(25)));
        assert_eq!(at(25, 55), (false, None));
        assert_eq!(at(26, 50), (false, None));
    }

    #[test]
    fn a_small_pool_need_not_be_whole_again() {
        let mut panic = Panic::default();
        let mut at = |seconds, ready| {
            let tiers = [tier(ready, 2 - ready), NONE];
            panic.offer(tiers, RULES, Duration::from_secs(seconds)).unwrap().panic
        };
        assert!(at(0, 0) && at(1, 1));
        assert!(!at(6, 1));
    }
}
