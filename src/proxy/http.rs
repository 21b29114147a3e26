//! The spine: one HTTP request, on one worker, from its head to the head of its answer.

use std::rc::Rc;

use super::Local;
use super::again;
use super::error::Error;
use super::finish::Tracked;
use super::tunnel;
use crate::message::head::Method;
use crate::message::reply::Reply;
use crate::policy::forwarded::Peer;
use crate::pool::downstream::Downstream;

/// The life of one HTTP request. One line per step; follow any of them downwards.
///
/// The answer it finds is written by the listener, which then drops the request: that is its end, as when
/// the client leaves in the midst.
pub async fn handle(local: &Rc<Local>, tracked: &mut Tracked, downstream: &Downstream<'_>) {
    match reply(local, tracked, downstream).await {
        Ok(reply) => tracked.answer(reply),
        Err(error) => tracked.refuse(error),
    }
}

async fn reply(
    local: &Rc<Local>,
    tracked: &mut Tracked,
    downstream: &Downstream<'_>,
) -> Result<Reply, Error> {
    if tracked.x.head.method == Method::Connect {
        return Err(Error::ConnectMethod);
    }
    let snapshot = tracked.snapshot();
    let route = tracked.find_route(&snapshot).ok_or(Error::NoRoute)?;
    if tracked.x.body.length().is_some_and(|length| length > route.policy.max_body) {
        return Err(Error::BodyTooLarge);
    }
    tunnel::settle(&mut tracked.x.head, &route.policy);
    let client = tracked.x.client;
    let peer = Peer { address: client.peer.ip(), trusted: client.trusted, scheme: "http" };
    route.policy.forwarded.settle(&mut tracked.x.head, peer);
    again::forward(local, route, &mut tracked.x, downstream).await
}
