//! A pool picks the usable, whoever they are at the moment.

use super::*;
use crate::endpoint::Endpoint;
use crate::endpoint::state::Why;
use crate::unit::Name;

fn pool(count: u16) -> Pool {
    let metrics = Arc::new(PoolMetrics::new(1));
    let members = (0..count)
        .map(|at| {
            let address = ([127, 0, 0, 1], 1000 + at).into();
            Candidate { endpoint: Arc::new(Endpoint::new(address, metrics.endpoint())), weight: 1 }
        })
        .collect();
    let config: Config = toml::from_str("endpoints = []").unwrap();
    Pool::new("p".parse::<Name>().unwrap(), config, members, metrics, 0).unwrap()
}

#[test]
fn one_that_went_down_since_the_last_refresh_is_not_picked() {
    let pool = pool(2);
    let down = &pool.members()[0].endpoint;
    down.state.set(Condition::Unhealthy { passed: 0 }, Why::ConnectFailure);
    for random in 0..10 {
        let lease = pool.pick(random, Duration::ZERO, &[]).ok().unwrap();
        assert_eq!(lease.endpoint.id, pool.members()[1].endpoint.id);
    }
    pool.refresh(0);
    assert!(pool.pick(0, Duration::ZERO, &[pool.members()[1].endpoint.id]).is_err());
}

#[test]
fn one_that_leaves_is_asked_again_until_its_time_is_over() {
    let pool = pool(2);
    let [first, second] = [0, 1].map(|at| &pool.members()[at].endpoint);
    second.leaving.by(Duration::from_secs(5));
    let after_first = |now| pool.pick(0, Duration::from_secs(now), &[first.id]);
    assert!(after_first(4).is_ok_and(|lease| lease.endpoint.id == second.id));
    assert!(after_first(5).is_err());
}

#[test]
fn nobody_usable_is_a_refusal() {
    let pool = pool(1);
    let only = &pool.members()[0].endpoint;
    only.state.set(Condition::Unhealthy { passed: 0 }, Why::Timeout);
    assert!(pool.pick(0, Duration::ZERO, &[]).is_err());
    pool.refresh(0);
    assert!(pool.pick(0, Duration::ZERO, &[]).is_err());
    only.state.set(Condition::Healthy, Why::Passed);
    pool.refresh(0);
    assert!(pool.pick(0, Duration::ZERO, &[]).is_ok());
}
