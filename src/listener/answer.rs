//! An answer to a client: how it is framed, that it is written, and what becomes of the connection.
//!
//! An answer that was broken off never looks whole: the connection is closed without the last chunk, by a
//! reset where the end of the connection would be taken for the end of the body.

use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::http1::Connection;
use super::writing::Writing;
use crate::h1::framing::Framing;
use crate::h1::payload::Payload;
use crate::h1::write::{self, Answer};
use crate::message::body::Body;
use crate::message::head::Version;
use crate::message::reply::Reply;
use crate::net::deadline::Wait;
use crate::proxy::Local;
use crate::proxy::error::Error;
use crate::proxy::finish::Tracked;

/// What an answer must know of the request.
#[derive(Clone, Copy)]
pub struct Asked {
    /// It was a HEAD.
    pub head: bool,
    /// Its version.
    pub version: Version,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Another request may come.
    KeepAlive,
    /// It is closed.
    Close,
}

/// Sends the answer of a request, if it has one. What becomes of the connection; `None`: it is of no use any
/// more.
pub async fn send(
    connection: &Rc<Connection>,
    local: &Rc<Local>,
    tracked: &mut Tracked,
    asked: Asked,
    persistent: bool,
) -> Option<Ended> {
    let deadline = &connection.deadline;
    // Who stopped in the midst of a request is not trusted with another (RFC 9110, 15.5.9).
    let persistent = persistent
        && tracked.failed != Some(Error::BodyTimeout)
        && tracked.is_current()
        && can_be_drained(connection, tracked.failed.is_some());
    let idle = if tracked.is_stream() { tracked.become_stream() } else { tracked.idle() };
    if tracked.failed.is_some() {
        // That the time is over is what is said here.
        deadline.disarm(Wait::End);
    }
    let withheld = tracked.withheld();
    let reply = tracked.reply.as_mut()?;
    let mut body = mem::take(&mut reply.body);
    let (framing, connection_says) = form(reply, &body, asked, persistent);
    let bodiless = is_bodiless(reply, asked);
    {
        let date = local.date.borrow();
        let how = Answer { date: date.as_bytes(), framing, bodiless, connection: connection_says };
        write::answer(&reply.head, how, connection.transport.borrow_mut().outbox());
    }
    if framing == Framing::UntilClose {
        // The end of the connection will end the body; whatever else ends it must not look like that.
        connection.transport.borrow().reset_on_close();
    }
    let mut writing = Writing::new(connection, local, framing, bodiless, idle);
    writing.withheld = withheld;
    let written = poll_fn(|cx| {
        let written = writing.poll(&mut body, cx);
        tracked.sent = writing.sent;
        written
    })
    .await;
    if let Err(error) = written {
        tracked.fail(error);
        if error == Error::IdleTimeout {
            mem::take(&mut body).silent();
        }
        if error == Error::WriteTimeout {
            connection.transport.borrow().reset_on_close();
        }
        // Without its end the answer tells by itself that it was broken off; a reset might overtake the answers
        // before it (RFC 9112, 9.6).
        let tells = !matches!(error, Error::WriteTimeout | Error::ClientGone | Error::Stopped);
        return (tells && framing != Framing::UntilClose).then_some(Ended::Close);
    }
    if framing == Framing::UntilClose {
        connection.transport.borrow().end_on_close();
    }
    tracked.ended = true;
    body.done();
    let closes = connection_says == write::Connection::Close || framing == Framing::UntilClose;
    Some(if closes { Ended::Close } else { Ended::KeepAlive })
}

/// After an answer: reads past what is left of the request, and closes in peace if it is to be closed.
pub async fn settle(connection: &Rc<Connection>, ended: Ended) -> Ended {
    let whole = connection.payload.get().has_ended();
    if ended == Ended::Close {
        let unread = {
            let mut transport = connection.transport.borrow_mut();
            !transport.received().is_empty() || !transport.is_silent_now()
        };
        if unread || !whole {
            linger(connection).await;
        } else if connection.transport.borrow().secured().is_some() {
            goodbye(connection).await;
        }
        return Ended::Close;
    }
    if whole || drain(connection).await {
        return Ended::KeepAlive;
    }
    linger(connection).await;
    Ended::Close
}

/// Sends one of weir's own answers and closes.
pub async fn refuse(connection: &Rc<Connection>, local: &Local, reply: &Reply) {
    let asked = Asked { head: false, version: Version::Http11 };
    let (framing, says) = form(reply, &reply.body, asked, false);
    let deadline = &connection.deadline;
    {
        let date = local.date.borrow();
        let how = Answer { date: date.as_bytes(), framing, bodiless: false, connection: says };
        let mut transport = connection.transport.borrow_mut();
        write::answer(&reply.head, how, transport.outbox());
        if let Body::Memory(text) = reply.body {
            transport.outbox().extend_from_slice(text);
        }
    }
    deadline.arm(Wait::Step, LINGER);
    let flushed = poll_fn(|cx| match connection.transport.borrow_mut().poll_flush(cx) {
        Poll::Pending if deadline.passed(Wait::Step) => Poll::Ready(false),
        flushed => flushed.map(|result| result.is_ok()),
    })
    .await;
    if flushed {
        linger(connection).await;
    }
}

/// How an answer is framed towards this client (RFC 9112, 6.3 and 9.3).
fn form(
    reply: &Reply,
    body: &Body,
    asked: Asked,
    persistent: bool,
) -> (Framing, write::Connection) {
    let bodiless = is_bodiless(reply, asked);
    let framing = match body.length() {
        Some(length) => Framing::of_length(length),
        None if asked.version == Version::Http11 => Framing::Chunked,
        None => Framing::UntilClose,
    };
    let connection = if !persistent || framing == Framing::UntilClose && !bodiless {
        write::Connection::Close
    } else if asked.version == Version::Http10 {
        write::Connection::KeepAlive
    } else {
        write::Connection::Silent
    };
    (framing, connection)
}

/// Whether an answer has a head only, whatever its fields say (RFC 9112, 6.3).
fn is_bodiless(reply: &Reply, asked: Asked) -> bool {
    asked.head || matches!(reply.head.status, 204 | 304)
}

/// Whether what is left of the request's body is little enough to be read past.
fn can_be_drained(connection: &Connection, failed: bool) -> bool {
    // Told to send no body, it may send one or the next request: nobody could tell which.
    if connection.expects.get() {
        return false;
    }
    match connection.payload.get() {
        Payload::Length(left) => left <= DRAIN as u64,
        Payload::Chunked(_) => !failed,
        Payload::UntilClose => false,
    }
}

/// Reads past what is left of the request's body. Whether another request may follow.
async fn drain(connection: &Connection) -> bool {
    let deadline = &connection.deadline;
    deadline.arm(Wait::Step, LINGER);
    let mut drained = 0;
    poll_fn(|cx| {
        let mut transport = connection.transport.borrow_mut();
        let mut payload = connection.payload.get();
        loop {
            let received = transport.received();
            let mut unread = Vec::new();
            let Ok(decoded) = payload.decode(received, &mut unread) else {
                return Poll::Ready(false);
            };
            connection.payload.set(payload);
            drained += decoded.used;
            transport.consume(decoded.used);
            if payload.has_ended() {
                return Poll::Ready(true);
            }
            match transport.poll_receive(cx, DRAIN) {
                Poll::Ready(Ok(n)) if n > 0 && drained <= DRAIN => {}
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending if deadline.passed(Wait::Step) => return Poll::Ready(false),
                Poll::Pending => {
                    transport.park();
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Closes in a way that lets the client read its answer: a close with unread bytes would be a reset, which
/// may overtake it (RFC 9112, 9.6).
async fn linger(connection: &Connection) {
    goodbye(connection).await;
    let deadline = &connection.deadline;
    poll_fn(|cx| {
        let mut transport = connection.transport.borrow_mut();
        loop {
            let received = transport.received().len();
            transport.consume(received);
            match transport.poll_receive(cx, DRAIN) {
                Poll::Ready(Ok(n)) if n > 0 && !deadline.passed(Wait::Step) => {}
                Poll::Pending if !deadline.passed(Wait::Step) => {
                    transport.park();
                    return Poll::Pending;
                }
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Ends our side. Of TLS, what waits for the client comes before, and an answer that ends with its connection would
/// look cut short without it (RFC 8446, 6.1).
async fn goodbye(connection: &Connection) {
    let deadline = &connection.deadline;
    deadline.arm(Wait::Step, LINGER);
    poll_fn(|cx| {
        let mut transport = connection.transport.borrow_mut();
        if transport.poll_shutdown(cx).is_pending() && !deadline.passed(Wait::Step) {
            transport.park();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// So much of an unwanted request is read past, at most …
const DRAIN: usize = 64 * 1024;
/// … in this time.
const LINGER: Duration = Duration::from_secs(1);
