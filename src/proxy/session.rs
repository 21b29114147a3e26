//! The way of a session: a connection of a client that is carried to an endpoint as it is, whatever it says.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Local;
use super::again::{ATTEMPTS, pick};
use super::attempt::Tries;
use super::error::Error;
use crate::endpoint::Outcome;
use crate::message::body::Body;
use crate::message::exchange::{Arrival, Client, Exchange};
use crate::message::head::Head;
use crate::net::deadline::{Deadline, Wait};
use crate::policy::Filter;
use crate::pool::connections::Reuse;
use crate::pool::{self, Pool};
use crate::route::{Route, Target};
use crate::tls::client::Inside;
use crate::unit::Name;

/// What became of a session on its way to an endpoint.
#[derive(Default)]
pub struct Way {
    /// How many endpoints were asked.
    pub attempts: u8,
    /// The last of them.
    pub endpoint: Option<SocketAddr>,
    /// How long it took to connect to it.
    pub connect: Option<Duration>,
    /// Its pool.
    pub pool: Option<Name>,
    /// An endpoint was asked although it may not be well.
    pub panic: bool,
}

/// Connects a client to an endpoint of its listener's pool, or of one it falls back to; to another one if that does not
/// work. What is answered is to be a tunnel.
///
/// # Errors
/// The client may not come, or there is nobody to connect it to.
pub async fn connect(
    local: &Rc<Local>,
    route: &Route,
    client: Client,
    deadline: &Deadline,
    way: &mut Way,
) -> Result<Body, Error> {
    let arrival = Arrival { at: local.now(), pipelined: false };
    let mut x = Exchange::new(Head::default(), Body::Empty, client, arrival);
    // All else that policies say is of requests.
    if let Some(access) = route.policy.config().access.filter() {
        access.on_request(&mut x, &|| local.random())?;
    }
    let first = match &route.target {
        Target::Pool(pool) => pool,
        Target::Split(split) => {
            split.arm(split.choose(&x, || local.random())).ok_or(Error::NoEndpoint)?
        }
        Target::Redirect(_) | Target::Respond(_) => return Err(Error::NoRoute),
    };
    deadline.arm(Wait::End, route.policy.timeouts.total);
    let (mut tries, mut last, mut now) = (Tries::default(), None, arrival.at);
    loop {
        let Some((pool, lease)) = pick(local, first, &tries, now) else {
            return Err(last.map_or(Error::NoEndpoint, Error::from));
        };
        tries.begin(lease.endpoint.id);
        way.attempts += 1;
        way.endpoint = Some(lease.endpoint.address);
        way.pool = Some(pool.name.clone());
        way.panic |= lease.panic;
        let endpoint = Arc::clone(&lease.endpoint);
        let count = |outcome, pool: &Pool| {
            pool::count(outcome, local.worker, &pool.metrics, &endpoint);
        };
        match local.connections.connect(lease, pool, Reuse::Never, Inside::Raw, deadline).await {
            Ok(wire) => {
                let took = local.now() - now;
                let times = &local.shared.buckets;
                pool.metrics.of(local.worker).connect.record(times, took);
                way.connect = Some(took);
                count(Outcome::Ok, pool);
                return Ok(wire.into_body());
            }
            Err(broken) => {
                let outcome = broken.outcome();
                count(outcome, pool);
                tries.failed(outcome);
                if tries.count() >= ATTEMPTS || !outcome.is_surely_unsent() {
                    return Err(broken.into());
                }
                pool.metrics.of(local.worker).retries[outcome as usize].add(1);
                last = Some(broken);
                now = local.now();
            }
        }
    }
}
