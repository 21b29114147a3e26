//! One attempt: an endpoint, a connection, the request out, the head of the answer in.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Local;
use crate::endpoint::{Endpoint, Lease, Outcome};
use crate::message::body::Upload;
use crate::message::exchange::Exchange;
use crate::message::reply::Reply;
use crate::pool::broken::Broken;
use crate::pool::connections::Reuse;
use crate::pool::downstream::{Downstream, Patience};
use crate::pool::wire::Wire;
use crate::pool::{self, Pool, Refusal};
use crate::tls::client::Inside;

/// Whom a request has asked so far.
#[derive(Default)]
pub struct Tries {
    ids: [u64; 4],
    count: usize,
    /// How many of them may have acted on the request.
    acted: usize,
    /// The last attempt went over a connection that had been idle.
    reused: bool,
}

impl Tries {
    /// How many attempts were made.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many attempts an endpoint may have acted on.
    pub fn acted(&self) -> usize {
        self.acted
    }

    /// Picks an endpoint that was not asked yet. If there is no other, one that closed an idle connection
    /// may be asked again: that says nothing about the endpoint. If there is none, a backup.
    ///
    /// # Errors
    /// There is nobody to ask.
    pub fn pick(&self, local: &Local, pool: &Pool, now: Duration) -> Result<Lease, Refusal> {
        let pick = |tried: &[u64]| pool.pick(local.random(), now, tried);
        let asked = &self.ids[..self.count.min(self.ids.len())];
        let picked = match (pick(asked), asked) {
            (Err(Refusal), [before @ .., _]) if self.reused => pick(before),
            (picked, _) => picked,
        };
        picked.or_else(|Refusal| pool.pick_backup(local.random(), now, asked))
    }

    /// The last attempt failed.
    pub fn failed(&mut self, outcome: Outcome) {
        self.reused &= matches!(outcome, Outcome::Refused | Outcome::Reset);
        self.acted += usize::from(!outcome.is_surely_unsent());
    }

    /// Another attempt begins, at the endpoint of this id.
    pub fn begin(&mut self, endpoint: u64) {
        if let Some(id) = self.ids.get_mut(self.count) {
            *id = endpoint;
        }
        self.count += 1;
    }
}

/// What all attempts of a request have in common.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Who is asked.
    pub pool: &'a Pool,
    /// For whom.
    pub client: &'a Downstream<'a>,
    /// For how long.
    pub patience: &'a Patience<'a>,
}

/// One attempt at the endpoint of the lease, beginning now.
///
/// # Errors
/// Why there is no answer.
pub async fn send(
    local: &Rc<Local>,
    asking: Asking<'_>,
    lease: Lease,
    x: &mut Exchange,
    tries: &mut Tries,
    upload: &mut Upload,
    now: Duration,
) -> Result<Reply, Broken> {
    let Asking { pool, client, patience } = asking;
    // After a stale connection the next idle one may be as stale: dial. After an endpoint that could not be
    // connected to, those to another are as good as ever; dialling there, too, would heap them up.
    let reuse = match tries.count() {
        _ if tries.reused => Reuse::Never,
        0 if !x.pipelined => Reuse::Heard,
        _ => Reuse::Asked,
    };
    // Protocols are switched in HTTP/1.1 only.
    let inside = if x.head.upgrade.is_empty() { Inside::Http2 } else { Inside::Http1 };
    tries.begin(lease.endpoint.id);
    x.attempts += 1;
    x.endpoint = Some(lease.endpoint.address);
    x.panic |= lease.panic;
    let mut attempt = Attempt::new(local, pool, &lease.endpoint);
    let mut sent = now;
    let answer = match local.connections.connect(lease, pool, reuse, inside, client.deadline).await
    {
        Ok(wire) => {
            tries.reused = wire.is_reused();
            if let Wire::Http2(_) = wire
                && let Some(silence) = patience.silence
            {
                upload.be_patient(silence);
            }
            if !tries.reused {
                sent = local.now();
                let times = &local.shared.buckets;
                pool.metrics.of(local.worker).connect.record(times, sent - now);
                x.connect = Some(sent - now);
            }
            let (limits, mut head) = (pool.config.limits.head(), local.heads.take());
            let answer = wire.send(&x.head, upload, client, patience, &limits, &mut head);
            answer.await.map(|body| Reply { head, body })
        }
        Err(broken) => Err(broken),
    };
    attempt.outcome = match &answer {
        Ok(reply) => {
            x.answered = local.woken.get().max(sent);
            let times = &local.shared.buckets;
            pool.metrics.of(local.worker).response.record(times, x.answered - sent);
            if local.shared.by_endpoint.load(Relaxed) {
                attempt.endpoint.metrics.of(local.worker).answered(times, x.answered - sent);
            }
            if pool.config.health.as_ref().is_some_and(|health| health.hears_fail(&reply.head)) {
                attempt.endpoint.fails.notify_one();
            }
            // The connection counts it when the answer has ended.
            None
        }
        Err(broken) => Some(broken.outcome()),
    };
    answer
}

/// An attempt under way; counted when it is dropped without an answer, also with the client who has left.
struct Attempt<'a> {
    local: &'a Local,
    pool: &'a Pool,
    endpoint: Arc<Endpoint>,
    /// `None`: there is an answer.
    outcome: Option<Outcome>,
}

impl<'a> Attempt<'a> {
    fn new(local: &'a Local, pool: &'a Pool, endpoint: &Arc<Endpoint>) -> Self {
        Self { local, pool, endpoint: Arc::clone(endpoint), outcome: Some(Outcome::ClientGone) }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            pool::count(outcome, self.local.worker, &self.pool.metrics, &self.endpoint);
        }
    }
}
