//! A client's connection that has switched protocols: a tunnel to the endpoint, until either end of it ends.

use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;

use super::http1::Connection;
use crate::h1::write;
use crate::message::body::Body;
use crate::net::deadline::Wait;
use crate::net::relay::{Relay, Side, Wanted};
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
pub async fn run(connection: &Rc<Connection>, tracked: &mut Tracked) {
    let stream_idle = tracked.become_stream();
    let (idle, write) = (tracked.idle(), connection.terms.borrow().timeouts.write.get());
    let Some(reply) = &mut tracked.reply else { return };
    let mut tunnel = Tunnel { body: mem::take(&mut reply.body), ended: false };
    write::interim(&reply.head, connection.transport.borrow_mut().outbox());
    let deadline = &connection.deadline;
    deadline.disarm(Wait::End);
    deadline.arm(Wait::Step, stream_idle);
    let (mut relay, mut seen) = (Relay::default(), (0, Wanted::Nothing));
    let ended = poll_fn(|cx| {
        let mut client = connection.transport.borrow_mut();
        let Some(endpoint) = tunnel.body.tunnel() else {
            client.reset_on_close();
            return Poll::Ready(Err(Error::Truncated));
        };
        let carried = relay.poll(&mut client, endpoint, cx);
        if deadline.passed(Wait::Step) {
            // The event loop tells of room late, as in an answer.
            client.flush_now();
            endpoint.flush_now();
        }
        let wanted = relay.waits_for(&client, endpoint);
        let now = (relay.up.bytes + relay.down.bytes + client.sent() + endpoint.sent(), wanted);
        if mem::replace(&mut seen, now) != now {
            deadline.arm(
                Wait::Step,
                match wanted {
                    Wanted::Nothing => stream_idle,
                    Wanted::Client => write,
                    Wanted::Endpoint => idle.min(stream_idle),
                },
            );
        }
        let broken = match carried {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(Side::Client)) => Error::ClientGone,
            Poll::Ready(Err(Side::Endpoint)) => Error::Truncated,
            Poll::Pending if !deadline.passed(Wait::Step) => return Poll::Pending,
            Poll::Pending if wanted == Wanted::Client => Error::WriteTimeout,
            // A silence ends a tunnel, and looks like an end.
            Poll::Pending => return Poll::Ready(Err(Error::IdleTimeout)),
        };
        // What broke on one side must not look like an end on the other.
        client.reset_on_close();
        endpoint.reset_on_close();
        Poll::Ready(Err(broken))
    })
    .await;
    tunnel.ended = true;
    tracked.sent = relay.down.bytes;
    match ended {
        Ok(()) => tracked.ended = true,
        Err(error) => tracked.fail(error),
    }
}
