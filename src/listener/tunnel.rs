//! A client's connection that has switched protocols: a tunnel to the endpoint, until either end of it ends.

use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;

use super::answer::Ended;
use super::http1::Connection;
use crate::h1::write;
use crate::message::body::Body;
use crate::net::deadline::Wait;
use crate::net::relay::{Relay, Side};
use crate::proxy::error::Error;
use crate::proxy::finish::Tracked;

/// The endpoint's side of a tunnel.
struct Tunnel {
    body: Body,
    ended: bool,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // Dropped in the midst, it must not look like an end.
        if !self.ended
            && let Some(endpoint) = self.body.tunnel()
        {
            endpoint.reset_on_close();
        }
    }
}

/// Carries bytes both ways behind a 101, which is passed on first.
pub async fn run(connection: &Rc<Connection>, mut tracked: Tracked) -> Ended {
    let idle = tracked.become_stream();
    let Some(reply) = &mut tracked.reply else { return Ended::Close };
    let mut tunnel = Tunnel { body: mem::take(&mut reply.body), ended: false };
    let head = mem::take(&mut reply.head);
    write::interim(&head, connection.transport.borrow_mut().outbox());
    reply.head = head;
    let deadline = &connection.deadline;
    deadline.disarm(Wait::End);
    deadline.arm(Wait::Step, idle);
    let mut relay = Relay::default();
    let ended = poll_fn(|cx| {
        let mut client = connection.transport.borrow_mut();
        let Some(endpoint) = tunnel.body.tunnel() else {
            client.reset_on_close();
            return Poll::Ready(Err(Error::Truncated));
        };
        let before = (relay.up.bytes, relay.down.bytes);
        let carried = relay.poll(&mut client, endpoint, cx);
        if before != (relay.up.bytes, relay.down.bytes) {
            deadline.arm(Wait::Step, idle);
        }
        match carried {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(broke)) => {
                // What broke on one side must not look like an end on the other.
                client.reset_on_close();
                endpoint.reset_on_close();
                Poll::Ready(Err(match broke {
                    Side::Client => Error::ClientGone,
                    Side::Endpoint => Error::Truncated,
                }))
            }
            Poll::Pending if deadline.passed(Wait::Step) => Poll::Ready(Err(Error::IdleTimeout)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    tunnel.ended = true;
    tracked.sent = relay.down.bytes;
    match ended {
        Ok(()) => tracked.ended = true,
        Err(error) => tracked.fail(error),
    }
    Ended::Close
}
