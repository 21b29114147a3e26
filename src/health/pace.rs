//! When an endpoint is checked again.

use std::time::Duration;

use super::Config;
use crate::endpoint::condition::Condition;
use crate::endpoint::state::{Standing, Told};

/// The time to the first check of one of so many endpoints: none if it has joined a running pool and waits for that;
/// else those of a pool are spread by `random`, 0 to 1, over an interval if there are many or if they have been checked
/// before.
pub fn first(config: &Config, told: Told, among: usize, random: f64) -> Duration {
    let interval = config.interval.get();
    match (told.standing(), told.condition) {
        (Standing::Newcomer, _) => Duration::ZERO,
        (_, Condition::Unchecked) => {
            let others = u32::try_from(among).unwrap_or(u32::MAX).saturating_sub(1);
            interval.min(APART.saturating_mul(others)).mul_f64(random)
        }
        _ => interval.mul_f64(random),
    }
}

/// What the time of the next check depends on.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Where the endpoint stands after the last check.
    pub condition: Condition,
    /// For how long it has been there.
    pub lasting: Duration,
    /// For how long its pool has had no traffic.
    pub quiet: Duration,
}

/// How long it was last waited, without the spread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    last: Duration,
}

impl Pace {
    /// The time from the beginning of one check to the next: soon while the endpoint may be about to turn, slowly if it
    /// has been down for long or its pool has no traffic. Spread by 20 % either way by `random`,
    /// 0 to 1, so that checks do not march in step.
    pub fn next(&mut self, config: &Config, seen: Seen, random: f64) -> Duration {
        let interval = config.interval.get();
        let slowest = SLOWEST.max(interval);
        self.last = match seen.condition {
            condition if condition.is_turning() => config.fast_interval.get().min(interval),
            Condition::Unhealthy { .. } | Condition::Draining { .. } if seen.lasting > LONG => {
                self.last.max(interval).mul_f64(GROWTH).min(slowest)
            }
            _ if seen.quiet > LONG => slowest,
            _ => interval,
        };
        self.last.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * random)
    }
}

/// How far apart the first checks of a pool are, on average.
const APART: Duration = Duration::from_millis(10);
/// Long down, or long without traffic.
const LONG: Duration = Duration::from_secs(60);
/// The slowest that checks become, unless the interval is longer.
const SLOWEST: Duration = Duration::from_secs(10);
const GROWTH: f64 = 1.5;
const SPREAD: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Seen = Seen {
        condition: Condition::Healthy,
        lasting: Duration::from_secs(3600),
        quiet: Duration::ZERO,
    };
    const DOWN: Seen = Seen { condition: Condition::Unhealthy { passed: 0 }, ..WELL };

    fn millis(time: Duration) -> u128 {
        time.as_millis()
    }

    #[test]
    fn an_interval_is_spread_by_a_fifth_either_way() {
        let (config, mut pace) = (Config::default(), Pace::default());
        let times = [0.0, 0.5, 1.0].map(|random| millis(pace.next(&config, WELL, random)));
        assert_eq!(times, [1600, 2000, 2400]);
    }

    #[test]
    fn checks_of_many_do_not_come_together() {
        let (config, mut random) = (Config::default(), fastrand::Rng::with_seed(3));
        let unchecked = crate::endpoint::state::State::new().told();
        let mut next: Vec<(Duration, Pace)> = (0..100)
            .map(|_| (first(&config, unchecked, 100, random.f64()), Pace::default()))
            .collect();
        for round in 0..20 {
            let near = |one: Duration| {
                next.iter().filter(|o| o.0.abs_diff(one) < Duration::from_millis(5)).count()
            };
            let pairs: usize = next.iter().map(|(at, _)| near(*at) - 1).sum();
            assert!(pairs * 100 <= 100 * 99 * 3, "round {round}: {pairs} of 9900");
            for (at, pace) in &mut next {
                *at += pace.next(&config, WELL, random.f64());
            }
        }
        assert_eq!(first(&config, unchecked, 1, 0.9), Duration::ZERO, "one alone is asked at once");
        assert_eq!(
            millis(first(&config, unchecked, 3000, 0.5)),
            1000,
            "thousands over an interval"
        );
    }

    #[test]
    fn what_may_be_about_to_turn_is_asked_again_soon() {
        let (mut config, mut pace) = (Config::default(), Pace::default());
        for condition in [
            Condition::Suspect { failed: 1 },
            Condition::Unhealthy { passed: 1 },
            Condition::Draining { passed: 1 },
        ] {
            let quiet = Duration::from_secs(900);
            let seen = Seen { condition, quiet, ..WELL };
            assert_eq!(millis(pace.next(&config, seen, 0.5)), 500);
        }
        config.interval = crate::unit::Duration::from_millis(100);
        let seen = Seen { condition: Condition::Suspect { failed: 1 }, ..WELL };
        assert_eq!(millis(pace.next(&config, seen, 0.5)), 100, "never later than usual");
    }

    #[test]
    fn what_is_long_down_is_asked_ever_more_slowly() {
        let (config, mut pace) = (Config::default(), Pace::default());
        let fresh = Seen { lasting: Duration::from_secs(60), ..DOWN };
        assert_eq!(millis(pace.next(&config, fresh, 0.5)), 2000);
        let times = [0; 6].map(|_| millis(pace.next(&config, DOWN, 0.5)));
        assert_eq!(times, [3000, 4500, 6750, 10_000, 10_000, 10_000]);
        assert_eq!(millis(pace.next(&config, WELL, 0.5)), 2000, "and then as before");
    }

    #[test]
    fn a_pool_without_traffic_is_asked_slowly_but_no_oftener_than_it_is_told() {
        let (mut config, mut pace) = (Config::default(), Pace::default());
        let quiet = Seen { quiet: Duration::from_secs(61), ..WELL };
        assert_eq!(millis(pace.next(&config, quiet, 0.5)), 10_000);
        config.interval = crate::unit::Duration::from_secs(30);
        for seen in [WELL, quiet, DOWN] {
            assert_eq!(millis(pace.next(&config, seen, 0.5)), 30_000);
        }
    }
}
