//! Once more: the loop around attempts, and the rules for another.

use std::mem;
use std::rc::Rc;

use super::Local;
use super::attempt::{self, Tries};
use super::error::Error;
use crate::endpoint::Outcome;
use crate::message::body::Upload;
use crate::message::exchange::Exchange;
use crate::message::reply::Reply;
use crate::net::deadline::Deadline;
use crate::pool::http1::Broken;
use crate::route::Route;

/// Sends a request to an endpoint of the route's pool, and once more to another where that is safe.
///
/// # Errors
/// What became of the last attempt.
pub async fn forward(
    local: &Rc<Local>,
    route: &Route,
    x: &mut Exchange,
    deadline: &Deadline,
) -> Result<Reply, Error> {
    let idempotent = x.head.method.is_idempotent();
    let mut upload = Upload::new(mem::take(&mut x.body), idempotent);
    let mut tries = Tries::default();
    let mut last = None;
    let mut now = x.started;
    loop {
        let Ok(lease) = tries.pick(local, &route.pool, now) else {
            return Err(last.map_or(Error::NoEndpoint, Error::from));
        };
        if let Some(cause) = last.map(Broken::outcome) {
            route.pool.metrics.of(local.worker).retries[cause as usize].add(1);
        }
        match attempt::send(local, &route.pool, lease, x, &mut tries, &mut upload, deadline, now)
            .await
        {
            Ok(reply) => return Ok(reply),
            Err(broken) => {
                last = Some(broken);
                let outcome = broken.outcome();
                if !may_retry(outcome, tries.count(), idempotent, upload.is_whole()) {
                    return Err(broken.into());
                }
                tries.retry_after(outcome);
                upload.rewind();
                now = local.now();
            }
        }
    }
}

/// Whether another attempt is safe (algorithms.md, section 5): the endpoint has surely not acted, or
/// acting twice is as good as once; and the body can be sent again.
fn may_retry(outcome: Outcome, attempts: usize, idempotent: bool, whole_body: bool) -> bool {
    let safe = match outcome {
        Outcome::ConnectFailure | Outcome::Refused => true,
        Outcome::Reset => idempotent,
        _ => false,
    };
    safe && whole_body && attempts < ATTEMPTS
}

/// The first attempt and one more.
const ATTEMPTS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_is_sent_again() {
        for outcome in Outcome::ALL {
            let unsent = matches!(outcome, Outcome::ConnectFailure | Outcome::Refused);
            assert_eq!(may_retry(outcome, 1, false, true), unsent, "a POST, {outcome:?}");
            let idempotent = unsent || outcome == Outcome::Reset;
            assert_eq!(may_retry(outcome, 1, true, true), idempotent, "a GET, {outcome:?}");
            assert!(!may_retry(outcome, 1, true, false), "half a body, {outcome:?}");
            assert!(!may_retry(outcome, 2, true, true), "once is enough, {outcome:?}");
        }
    }
}
