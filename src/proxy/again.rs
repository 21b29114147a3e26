//! Once more: the loop around attempts, and the rules for another.

use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::Local;
use super::attempt::{self, Asking, Tries};
use super::error::Error;
use crate::endpoint::{Lease, Outcome};
use crate::message::body::Upload;
use crate::message::exchange::Exchange;
use crate::message::grpc;
use crate::message::reply::Reply;
use crate::net::deadline::Wait;
use crate::policy::Policy;
use crate::pool::Pool;
use crate::pool::broken::Broken;
use crate::pool::downstream::{Downstream, Patience};

/// Sends a request to an endpoint of a pool, or of one it falls back to, and once more to another where that is safe.
///
/// # Errors
/// What became of the last attempt.
pub async fn forward(
    local: &Rc<Local>,
    policy: &Policy,
    first: &Pool,
    x: &mut Exchange,
    client: &Downstream<'_>,
) -> Result<Reply, Error> {
    let timeouts = [policy.timeouts.response, policy.timeouts.total, policy.timeouts.exchange];
    let mut patience = Patience::new(client.deadline, timeouts);
    let mut allowed = None;
    if grpc::is_call(&x.head) {
        allowed = grpc::timeout(&x.head);
        patience = patience.of_call(policy.timeouts.stream_idle, allowed);
    }
    let idempotent = x.head.method.is_idempotent();
    let upload = Upload::new(mem::take(&mut x.body), idempotent, policy.max_body);
    let mut upload = upload.withholding(policy.withheld.request.clone());
    if upload.length() == Some(0) {
        patience.received();
    }
    let mut tries = Tries::default();
    let mut last = None;
    let mut now = x.started;
    loop {
        let Some((pool, lease)) = pick(local, first, &tries, now) else {
            return Err(last.map_or(Error::NoEndpoint, Error::from));
        };
        x.fallback = (pool.name != first.name).then(|| pool.name.clone());
        if let Some(cause) = last.map(Broken::outcome) {
            pool.metrics.of(local.worker).retries[cause as usize].add(1);
        }
        if let Some(allowed) = allowed {
            grpc::set_timeout(&mut x.head, allowed.saturating_sub(now.saturating_sub(x.started)));
        }
        let asked = Asking { pool, client, patience: &patience };
        match attempt::send(local, asked, lease, x, &mut tries, &mut upload, now).await {
            Ok(reply) => return Ok(reply),
            Err(broken) => {
                last = Some(broken);
                let outcome = broken.outcome();
                tries.failed(outcome);
                if !may_retry(outcome, &tries, idempotent) || !upload.is_whole() {
                    return Err(broken.into());
                }
                if client.deadline.passed(Wait::End) {
                    return Err(Error::TotalTimeout);
                }
                upload.rewind();
                now = local.now();
            }
        }
    }
}

/// An endpoint, and its pool: the first of those that fall back to one another which has one to offer.
pub fn pick<'a>(
    local: &Local,
    first: &'a Pool,
    tries: &Tries,
    now: Duration,
) -> Option<(&'a Pool, Lease)> {
    let mut next = Some(first);
    while let Some(pool) = next {
        if let Ok(lease) = tries.pick(local, pool, now) {
            return Some((pool, lease));
        }
        next = pool.fallback.as_deref();
    }
    None
}

/// Whether another attempt is safe: the endpoint has surely not acted, or acting
/// twice is as good as once. What was surely not sent does not use up the one repetition.
fn may_retry(outcome: Outcome, tries: &Tries, idempotent: bool) -> bool {
    let safe = outcome.is_surely_unsent()
        || outcome == Outcome::Reset && idempotent && tries.acted() < ACTED;
    safe && tries.count() < ATTEMPTS
}

/// Attempts in all.
pub const ATTEMPTS: usize = 3;
/// Attempts that an endpoint may have acted on.
const ACTED: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_is_sent_again() {
        let after = |outcomes: &[Outcome], idempotent| {
            let mut tries = Tries::default();
            for outcome in outcomes {
                tries.begin(1);
                tries.failed(*outcome);
            }
            may_retry(outcomes[outcomes.len() - 1], &tries, idempotent)
        };
        for outcome in Outcome::ALL {
            let unsent = matches!(outcome, Outcome::ConnectFailure | Outcome::Refused);
            assert_eq!(after(&[outcome], false), unsent, "a POST, {outcome:?}");
            let idempotent = unsent || outcome == Outcome::Reset;
            assert_eq!(after(&[outcome], true), idempotent, "a GET, {outcome:?}");
            assert_eq!(after(&[Outcome::ConnectFailure, outcome], true), idempotent);
            assert_eq!(
                after(&[Outcome::Reset, outcome], true),
                unsent,
                "after a reset: {outcome:?}"
            );
            assert!(!after(&[Outcome::Refused, Outcome::Refused, outcome], true), "enough");
        }
    }
}
