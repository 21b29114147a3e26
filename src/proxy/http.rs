//! The spine: one HTTP request, on one worker, from its head to the head of its answer.

use std::rc::Rc;

use super::error::Error;
use super::finish::Tracked;
use super::{Local, again, max_forwards, tunnel};
use crate::message::head::Method;
use crate::message::reply::Reply;
use crate::pool::downstream::Downstream;
use crate::route::Target;

/// The life of one HTTP request. One line per step; follow any of them downwards.
///
/// The answer it finds is written by the listener, which then drops the request: that is its end, as when
/// the client leaves in the midst.
pub async fn handle(local: &Rc<Local>, tracked: &mut Tracked, downstream: &Downstream<'_>) {
    match reply(local, tracked, downstream).await {
        Ok(reply) => tracked.answer(reply),
        Err(error) => tracked.refuse(error),
    }
    tracked.finish_reply();
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
    let route = tracked.find_route(&snapshot)?;
    let policy = &route.policy;
    let x = &mut tracked.x;
    if let Target::Split(split) = &route.target {
        // By what the client sent, whatever policies make of it.
        x.arm = split.choose(x, || local.random());
    }
    policy.forwarded.settle(&mut x.head, x.client);
    for step in &policy.steps {
        step.on_request(x, &|| local.random())?;
    }
    if x.body.length().is_some_and(|length| length > policy.max_body) {
        return Err(Error::BodyTooLarge);
    }
    if let Some(reply) = max_forwards::settle(&mut x.head, || local.heads.take()) {
        return Ok(reply);
    }
    tunnel::settle(&mut x.head, policy);
    let pool = match &route.target {
        Target::Pool(pool) => pool,
        Target::Split(split) => split.arm(x.arm).ok_or(Error::NoEndpoint)?,
        Target::Redirect(to) => return to.reply(x, local.heads.take()).ok_or(Error::BadRequest),
        Target::Respond(answer) => return Ok(answer.reply(local.heads.take())),
    };
    again::forward(local, policy, pool, x, downstream).await
}
