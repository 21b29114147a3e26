//! A pool picks the usable, whoever they are at the moment.

use std::future::Future;

use super::*;
use crate::endpoint::Endpoint;
use crate::endpoint::condition::Condition;
use crate::endpoint::state::Why;

/// A pool of these endpoints, as the file names them, and what it says besides.
fn pool(endpoints: &str, more: &str) -> Pool {
    let metrics = Arc::new(PoolMetrics::new(1));
    let config: Config = toml::from_str(&format!("endpoints = [{endpoints}]\n{more}")).unwrap();
    let member = |member: &Member| {
        let endpoint = Arc::new(Endpoint::new(member.address.get(), metrics.endpoint()));
        Candidate { endpoint, weight: u32::from(member.weight) }
    };
    let members = config.endpoints.iter().map(member).collect();
    Pool::new("p".parse::<Name>().unwrap(), config, members, metrics, None, None, 0).unwrap()
}

const TWO: &str = "'127.0.0.1:1001', '127.0.0.1:1002'";
const NEVER: &str = "limits.panic_below = '0%'";
const DOWN: Condition = Condition::Unhealthy { passed: 0 };

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Pool {
    fn endpoint(&self, at: usize) -> &Arc<Endpoint> {
        &self.members[at].endpoint
    }

    fn turn(&self, at: usize, condition: Condition, now: u64) {
        let why = if condition == Condition::Healthy { Why::Passed } else { Why::Timeout };
        self.endpoint(at).state.set(condition, why, Duration::from_secs(now));
        self.refresh(Duration::from_secs(now), 0);
    }

    /// How often each is picked of so many times.
    fn picks(&self, times: u64) -> Vec<usize> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut counts = vec![0; self.members.len()];
        for _ in 0..times {
            let lease = self.pick(random.u64(..), Duration::ZERO, &[]).unwrap_or_else(|_| panic!());
            let id = lease.endpoint.id;
            let at = self.members.iter().position(|one| one.endpoint.id == id);
            counts[at.unwrap()] += 1;
        }
        counts
    }
}

#[test]
fn one_that_went_down_since_the_last_refresh_is_not_picked() {
    let pool = pool(TWO, NEVER);
    pool.endpoint(0).state.set(DOWN, Why::ConnectFailure, Duration::ZERO);
    assert_eq!(pool.picks(10), [0, 10]);
    pool.refresh(Duration::ZERO, 0);
    assert!(pool.pick(0, Duration::ZERO, &[pool.endpoint(1).id]).is_err());
}

#[test]
fn one_that_leaves_is_asked_again_until_its_time_is_over() {
    let pool = pool(TWO, NEVER);
    let [first, second] = [0, 1].map(|at| pool.endpoint(at));
    second.leaving.by(at(5));
    let after_first = |now| pool.pick(0, Duration::from_secs(now), &[first.id]);
    assert!(after_first(4).is_ok_and(|lease| lease.endpoint.id == second.id));
    assert!(after_first(5).is_err());
}

#[test]
fn nobody_usable_is_a_refusal_unless_health_is_ignored() {
    let (never, panics) = (pool("'127.0.0.1:1001'", NEVER), pool("'127.0.0.1:1001'", ""));
    for pool in [&never, &panics] {
        pool.endpoint(0).state.set(DOWN, Why::Timeout, Duration::ZERO);
        assert!(pool.pick(0, Duration::ZERO, &[]).is_err(), "not before its picker says so");
        pool.refresh(Duration::ZERO, 0);
    }
    assert!(never.pick(0, Duration::ZERO, &[]).is_err());
    assert!(panics.pick(0, Duration::ZERO, &[]).is_ok_and(|lease| lease.panic));
    panics.turn(0, Condition::Draining { passed: 0 }, 1);
    assert!(panics.pick(0, Duration::ZERO, &[]).is_err(), "never one that drains");
    for pool in [&never, &panics] {
        pool.turn(0, Condition::Healthy, 2);
        assert!(pool.pick(0, Duration::ZERO, &[]).is_ok_and(|lease| !lease.panic));
    }
}

#[test]
fn an_endpoint_that_comes_back_gets_its_share_slowly_whatever_the_balance() {
    for kind in balance::WORDS {
        let pool = pool(TWO, &format!("balance = '{kind}'"));
        pool.turn(0, DOWN, 0);
        pool.turn(0, Condition::Healthy, 100);
        let least = kind == "least-requests";
        for (now, part) in [(100, 0.1), (103, 0.3), (105, 0.5), (110, 1.0)] {
            pool.refresh(at(now), 0);
            if least {
                // It looks at who has how much to do: as many for each as its weight says.
                let mut leases = Vec::new();
                for turn in 0..110 {
                    leases.push(pool.pick(turn, Duration::ZERO, &[]).ok().unwrap());
                }
                let [first, second] = [0, 1].map(|at| pool.endpoint(at).in_flight());
                let found = f64::from(first) / f64::from(second);
                assert!((found - part).abs() < 0.1, "{kind} at {now}: {first} to {second}");
            } else {
                let picks = pool.picks(11_000);
                let found = picks[0] as f64 / picks[1] as f64;
                assert!((found - part).abs() < 0.04, "{kind} at {now}: {picks:?}");
            }
        }
    }
}

#[test]
fn backups_are_asked_when_nobody_else_is_ready_or_nobody_else_is_left() {
    let pool = pool("'127.0.0.1:1001', { address = '127.0.0.1:1002', backup = true }", "");
    assert_eq!(pool.picks(10), [10, 0]);
    let tried = [pool.endpoint(0).id];
    assert!(pool.pick(0, Duration::ZERO, &tried).is_err());
    let backup = pool.pick_backup(0, Duration::ZERO, &tried);
    assert!(backup.is_ok_and(|lease| lease.endpoint.id == pool.endpoint(1).id));
    pool.turn(0, DOWN, 1);
    assert_eq!(pool.picks(10), [0, 10]);
    assert!(pool.pick_backup(0, Duration::ZERO, &[]).is_err(), "they are the first");
    pool.turn(0, Condition::Healthy, 2);
    assert_eq!(pool.picks(10), [10, 0]);
    pool.turn(1, DOWN, 3);
    assert!(pool.pick_backup(0, Duration::ZERO, &tried).is_err());
}

#[test]
fn pickers_are_made_anew_when_time_asks_for_them_and_not_for_ever() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (pool, clock) = (pool(TWO, ""), Clock::new());
        let mut keeping = std::pin::pin!(pool.keep(&clock));
        let mut poll = async || {
            for _ in 0..3 {
                std::future::poll_fn(|cx| {
                    assert!(keeping.as_mut().poll(cx).is_pending());
                    std::task::Poll::Ready(())
                })
                .await;
            }
        };
        poll().await;
        assert_eq!(pool.turning.lock().due, None);
        pool.endpoint(0).state.set(DOWN, Why::Timeout, clock.now());
        pool.endpoint(0).state.set(Condition::Healthy, Why::Passed, clock.now());
        pool.refresh(clock.now(), 0);
        assert!(pool.turning.lock().due.is_some());
        poll().await;
        assert_eq!(pool.endpoint(0).state.told().word(), "warming");
        clock.advance(at(5));
        poll().await;
        assert_eq!(pool.endpoint(0).state.told().share(), 50);
        clock.advance(at(6));
        poll().await;
        assert_eq!(pool.endpoint(0).state.told().word(), "healthy");
        assert_eq!(pool.turning.lock().due, None);
    });
}
