//! A tunnel between a client and an endpoint, until either end of it ends: of a connection that has switched protocols,
//! or of a session.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::http1::Connection;
use crate::h1::write;
use crate::message::body::Body;
use crate::net::deadline::{Deadline, Wait};
use crate::net::relay::{Relay, Side, Wanted};
use crate::net::transport::Transport;
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

/// How long a tunnel waits.
#[derive(Clone, Copy)]
pub struct Patience {
    /// For either side to say something.
    pub stream_idle: Duration,
    /// For the endpoint to take something.
    pub idle: Duration,
    /// For the client to take something.
    pub write: Duration,
    /// For one side to end, when the other one has.
    pub rest: Duration,
}

/// Bytes that were carried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried {
    /// From the client.
    pub up: u64,
    /// To the client.
    pub down: u64,
}

/// Carries bytes both ways behind a 101, which is passed on first.
pub async fn run(connection: &Rc<Connection>, tracked: &mut Tracked) {
    let stream_idle = tracked.become_stream();
    let (idle, write) = (tracked.idle(), connection.terms.borrow().timeouts.write.get());
    let Some(reply) = &mut tracked.reply else { return };
    let body = mem::take(&mut reply.body);
    let client = &connection.transport;
    write::interim(&reply.head, client.borrow_mut().outbox());
    let deadline = &connection.deadline;
    deadline.disarm(Wait::End);
    let rest = idle.min(stream_idle);
    let patience = Patience { stream_idle, idle: rest, write, rest };
    let mut carried = Carried::default();
    // Whether it is cut is looked at by who serves the connection.
    let ended = carry(client, body, deadline, patience, || false, &mut carried).await;
    tracked.sent = carried.down;
    match ended {
        Ok(()) => tracked.ended = true,
        Err(error) => tracked.fail(error),
    }
}

/// Carries bytes both ways between a client and the connection to an endpoint, until both directions have ended.
///
/// # Errors
/// Why it ended otherwise. What broke on one side was made to look so on the other.
pub async fn carry(
    client: &RefCell<Transport>,
    body: Body,
    deadline: &Deadline,
    patience: Patience,
    is_cut: impl Fn() -> bool,
    carried: &mut Carried,
) -> Result<(), Error> {
    let Patience { stream_idle, idle, write, rest } = patience;
    let mut tunnel = Tunnel { body, ended: false };
    deadline.arm(Wait::Step, stream_idle);
    let (mut relay, mut seen) = (Relay::default(), (0, Wanted::Nothing));
    let ended = poll_fn(|cx| {
        let mut client = client.borrow_mut();
        let Some(endpoint) = tunnel.body.tunnel() else {
            client.reset_on_close();
            return Poll::Ready(Err(Error::Truncated));
        };
        let moved = relay.poll(&mut client, endpoint, cx);
        (carried.up, carried.down) = (relay.up.bytes, relay.down.bytes);
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
                    Wanted::Endpoint => idle,
                    Wanted::Rest => rest,
                },
            );
        }
        let broken = match moved {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(Side::Client)) => Error::ClientGone,
            Poll::Ready(Err(Side::Endpoint)) => Error::Truncated,
            Poll::Pending if is_cut() => Error::Stopped,
            Poll::Pending if !deadline.passed(Wait::Step) => return Poll::Pending,
            Poll::Pending if wanted == Wanted::Client => Error::WriteTimeout,
            // A silence ends a tunnel, and looks like an end. What was still to come does not.
            Poll::Pending if wanted == Wanted::Nothing => {
                return Poll::Ready(Err(Error::IdleTimeout));
            }
            Poll::Pending => Error::IdleTimeout,
        };
        // What broke on one side must not look like an end on the other.
        client.reset_on_close();
        endpoint.reset_on_close();
        Poll::Ready(Err(broken))
    })
    .await;
    tunnel.ended = true;
    ended
}
