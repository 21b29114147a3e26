//! The spine: one HTTP request, on one worker, from its head to the head of its answer.

use std::rc::Rc;

use super::Local;
use super::again;
use super::error::Error;
use super::finish::{self, Tracked};
use super::tunnel;
use crate::message::exchange::Exchange;
use crate::message::head::Method;
use crate::policy::forwarded::Peer;
use crate::pool::downstream::Downstream;

/// The life of one HTTP request. One line per step; follow any of them downwards.
///
/// What it answers is written by the listener and then dropped, which is the end of the request; so is
/// dropping this future, when the client has left.
pub async fn handle(local: &Rc<Local>, x: Exchange, downstream: &Downstream<'_>) -> Tracked {
    let mut tracked = finish::track(local, x);
    if tracked.x.head.method == Method::Connect {
        return tracked.refuse(Error::ConnectMethod);
    }
    let snapshot = tracked.snapshot();
    let Some(route) = tracked.find_route(&snapshot) else {
        return tracked.refuse(Error::NoRoute);
    };
    if tracked.x.body.length().is_some_and(|length| length > route.policy.max_body) {
        return tracked.refuse(Error::BodyTooLarge);
    }
    tunnel::settle(&mut tracked.x.head, &route.policy);
    let client = tracked.x.client;
    let peer = Peer { address: client.peer.ip(), trusted: client.trusted, scheme: "http" };
    route.policy.forwarded.settle(&mut tracked.x.head, peer);
    match again::forward(local, route, &mut tracked.x, downstream).await {
        Ok(reply) => tracked.answer(reply),
        Err(error) => tracked.refuse(error),
    }
}
