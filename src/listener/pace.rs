//! How fast the body of a request comes, and for how long its client may be silent. Pure.

use std::time::Duration;

/// How fast a body comes. Only time spent waiting for the client counts.
#[derive(Debug, Default)]
pub struct Pace {
    /// Since when the client is waited for.
    since: Option<Duration>,
    waited: Duration,
    received: u64,
}

impl Pace {
    /// The client is waited for; whether it was not before.
    pub fn wait(&mut self, now: Duration) -> bool {
        self.since.is_none() && self.since.replace(now).is_none()
    }

    /// So many bytes have come; whether they were waited for.
    pub fn go_on(&mut self, now: Duration, bytes: usize) -> bool {
        self.received += bytes as u64;
        let since = self.since.take();
        self.waited += since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        since.is_some()
    }

    /// How long the client may be silent now: never longer than `silence`, and not so long that in all it would
    /// have sent fewer than `rate` bytes a second after its grace. 0: at any rate.
    pub fn patience(&self, silence: Duration, rate: u64) -> Duration {
        if rate == 0 {
            return silence;
        }
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / rate);
        silence.min((GRACE + earned).saturating_sub(self.waited))
    }
}

/// A body may begin as slowly as it likes for so long.
const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_drip_of_bytes_does_not_extend_the_time() {
        let mut pace = Pace::default();
        let mut now = Duration::ZERO;
        loop {
            assert!(pace.wait(now));
            let patience = pace.patience(seconds(30), 240);
            if patience < seconds(1) {
                break;
            }
            now += seconds(1);
            assert!(pace.go_on(now, 1));
        }
        assert_eq!(now, seconds(5), "a byte a second is too slow");
    }

    #[test]
    fn bytes_earn_time_and_the_endpoints_slowness_costs_none() {
        let mut pace = Pace::default();
        assert!(pace.wait(seconds(1)));
        assert!(!pace.wait(seconds(2)), "it was waited for already");
        assert!(pace.go_on(seconds(3), 2400));
        assert_eq!(pace.patience(seconds(30), 240), seconds(5 + 10 - 2));
        assert_eq!(pace.patience(seconds(9), 240), seconds(9), "silence has its own limit");
        // A minute passes while nobody waits for the client.
        assert!(!pace.go_on(seconds(63), 2400));
        assert_eq!(pace.patience(seconds(30), 240), seconds(5 + 20 - 2));
        assert_eq!(pace.patience(seconds(30), 0), seconds(30));
    }
}
