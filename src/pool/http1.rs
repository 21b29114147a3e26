//! One exchange on an HTTP/1 connection to an endpoint, in both directions; then idle again, or closed.
//!
//! The connection owns the lease, sends the request's body while it reads the answer, and becomes the
//! answer's `Body`, with what is left to send: the box exists already. It runs within its client's task.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::has_budget_remaining;

use super::broken::Broken;
use super::downstream::{Downstream, Patience};
use super::sending::{Sending, Sent};
use super::stack::Stack;
use super::stream::poll_payload;
use crate::endpoint::{Lease, Outcome};
use crate::h1::framing::Framing;
use crate::h1::payload::Payload;
use crate::h1::{Limits, Partial, response, write};
use crate::message::body::{self, Body, Piece, Pull, Upload};
use crate::message::head::{Head, Known};
use crate::net::deadline::Wait;
use crate::net::descriptors::Descriptor;
use crate::net::scratch::{Buffer, Scratch};
use crate::net::stream::Secured;
use crate::net::transport::Transport;

/// A connection to an endpoint.
pub struct Connection {
    transport: Transport,
    /// Given back when the socket is closed.
    _descriptor: Descriptor,
    scratch: Rc<Scratch>,
    home: Rc<Stack>,
    lease: Option<Lease>,
    /// What is left of the request, while its answer comes already.
    upload: Option<(Sending, Upload)>,
    /// The answer's body.
    payload: Payload,
    length: Option<u64>,
    trailers: Vec<u8>,
    persistent: bool,
    /// What became of the exchange so far, once there is an answer; counted when it is over.
    outcome: Option<Outcome>,
    /// When it was dialled.
    pub born: Duration,
    /// Sets it apart from those dialled at the same time.
    pub seed: u64,
    /// It has carried an exchange before.
    pub reused: bool,
    /// Since when it has been idle.
    pub idle_since: Duration,
    /// It waits in its stack.
    pub is_idle: bool,
}

/// The head of an answer being read.
#[derive(Default)]
struct Reading {
    head: Partial,
    /// Answers that came before the answer.
    interim: u32,
    /// One of them waits to be passed on: its length.
    waiting: Option<usize>,
}

impl Connection {
    /// A connection just dialled.
    pub fn new(
        transport: Transport,
        descriptor: Descriptor,
        scratch: Rc<Scratch>,
        home: Rc<Stack>,
        born: Duration,
    ) -> Self {
        Self {
            transport,
            _descriptor: descriptor,
            scratch,
            home,
            lease: None,
            upload: None,
            payload: Payload::Length(0),
            length: None,
            trailers: Vec::new(),
            persistent: false,
            outcome: None,
            born,
            seed: fastrand::u64(..),
            reused: false,
            idle_since: Duration::ZERO,
            is_idle: false,
        }
    }

    /// Counts as an attempt of this endpoint until the exchange is over.
    pub fn hold(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    /// The exchange is over.
    fn count(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.home.count(outcome);
        }
    }

    /// Whether it may carry another exchange: an idle connection that has something to say was closed, or
    /// says what nobody asked for and must not be taken for the next answer.
    /// The event loop has heard of what had come when it last asked; `ask` the kernel for what came since.
    pub fn is_fresh(&mut self, ask: bool) -> bool {
        // A task that has used up its turn is told nothing by the event loop.
        if ask || !has_budget_remaining() {
            self.transport.is_silent_now()
        } else {
            self.transport.is_silent()
        }
    }

    /// Whether it is encrypted so, or not at all.
    pub fn is_over(&self, mark: Option<&Arc<Secured>>) -> bool {
        self.transport.secured().map(Arc::as_ptr) == mark.map(Arc::as_ptr)
    }

    /// Sends a request and waits for the head of its answer, which is read into `into`; its body is what is returned.
    /// The upload is taken only when there is an answer; else it can be sent again, if it is whole.
    ///
    /// # Errors
    /// Why there is no answer; the connection is closed.
    pub async fn send(
        mut self: Box<Self>,
        head: &Head,
        upload: &mut Upload,
        client: &Downstream<'_>,
        patience: &Patience<'_>,
        limits: &Limits,
        into: &mut Head,
    ) -> Result<Body, Broken> {
        let deadline = client.deadline;
        let framing = upload.length().map_or(Framing::Chunked, Framing::of_length);
        let endpoint = self.lease.as_ref().map_or("", |lease| &lease.endpoint.name);
        write::request(head, framing, endpoint, self.transport.outbox());
        let mut sending = Sending::new(framing, &self.transport);
        let mut reading = Reading::default();
        deadline.arm(Wait::Step, patience.response);
        let sent = poll_fn(|cx| {
            let (sent, moved) = sending.poll(&mut self.transport, &self.scratch, upload, cx);
            if moved {
                deadline.arm(Wait::Step, patience.response);
            }
            if sending.has_ended() {
                patience.received();
            }
            if let Sent::Broken(broken @ (body::Broken::Malformed | body::Broken::TooLarge)) = sent
            {
                return Poll::Ready(Err(Broken::Upload(broken)));
            }
            match (self.poll_head(cx, head, client, limits, &mut reading, into), sent) {
                (Poll::Ready(Err(Broken::Reset)), _) if sending.is_unsent(&self.transport) => {
                    Poll::Ready(Err(Broken::Refused))
                }
                // Whatever became of the request's body, an answer is an answer.
                (Poll::Ready(answer), _) => Poll::Ready(answer.map(|()| sent)),
                (Poll::Pending, Sent::Broken(broken)) => Poll::Ready(Err(Broken::Upload(broken))),
                (Poll::Pending, _) if self.home.is_cut() => Poll::Ready(Err(Broken::Reset)),
                (Poll::Pending, _) if deadline.passed(Wait::End) => Poll::Ready(Err(Broken::Late)),
                (Poll::Pending, _) if !deadline.passed(Wait::Step) => Poll::Pending,
                // It waits to be invited, and nobody says a word: that is not the endpoint's fault, which may know
                // of no invitations.
                (Poll::Pending, Sent::Waiting) if client.interim.is_expecting() => {
                    Poll::Ready(Err(Broken::Upload(body::Broken::Silent)))
                }
                // It does not take what came before its answer.
                (Poll::Pending, _) if reading.waiting.is_some() => {
                    Poll::Ready(Err(Broken::Upload(body::Broken::Cut)))
                }
                // It is the client's turn, whose time is its listener's to say.
                (Poll::Pending, Sent::Waiting) => {
                    deadline.arm(Wait::Step, patience.response);
                    Poll::Pending
                }
                (Poll::Pending, Sent::Blocked) if self.transport.flush_now() => {
                    deadline.arm(Wait::Step, patience.response);
                    Poll::Pending
                }
                (Poll::Pending, _) => Poll::Ready(Err(Broken::Timeout)),
            }
        })
        .await?;
        patience.answered();
        let retry_after = into.get(Known::RetryAfter).is_some();
        self.outcome = Some(Outcome::of_status(into.status, retry_after));
        match sent {
            Sent::All => {}
            Sent::Blocked | Sent::Waiting => self.upload = Some((sending, upload.take())),
            // The answer may go on, but nothing comes after it.
            Sent::Refused | Sent::Broken(_) => self.persistent = false,
        }
        Ok(Body::Stream(self))
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        asked: &Head,
        client: &Downstream<'_>,
        limits: &Limits,
        reading: &mut Reading,
        into: &mut Head,
    ) -> Poll<Result<(), Broken>> {
        loop {
            if let Some(length) = reading.waiting {
                if client.interim.poll_interim(cx, into).is_pending() {
                    self.transport.park();
                    return Poll::Pending;
                }
                reading.waiting = None;
                self.transport.consume(length);
            }
            let received = self.transport.received();
            if reading.head.may_be_whole(received, limits) {
                match response::read(received, asked.method, limits, into) {
                    Err(_) => return Poll::Ready(Err(Broken::Protocol)),
                    Ok(Some(message)) if into.status == 101 => {
                        if !is_same_protocol(asked, into) {
                            return Poll::Ready(Err(Broken::Protocol));
                        }
                        self.transport.consume(message.length);
                        self.payload = Payload::UntilClose;
                        self.length = None;
                        self.persistent = false;
                        return Poll::Ready(Ok(()));
                    }
                    Ok(Some(message)) if into.status < 200 => {
                        reading.interim += 1;
                        reading.head = Partial::default();
                        if reading.interim > MAX_INTERIM {
                            return Poll::Ready(Err(Broken::Protocol));
                        }
                        reading.waiting = Some(message.length);
                        continue;
                    }
                    Ok(Some(message)) => {
                        self.transport.consume(message.length);
                        self.payload = Payload::new(message.framing, client.chunks);
                        self.length = message.framing.length();
                        self.persistent = message.persistent;
                        return Poll::Ready(Ok(()));
                    }
                    Ok(None) => {}
                }
            }
            match self.transport.poll_receive(cx, FIRST) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) => {
                    let begun = reading.interim > 0 || !self.transport.received().is_empty();
                    return Poll::Ready(Err(if begun { Broken::Aborted } else { Broken::Reset }));
                }
                Poll::Pending => {
                    self.transport.park();
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Pull for Connection {
    fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
    ) -> Poll<Result<Piece, body::Broken>> {
        let piece =
            poll_payload(&mut self.transport, &mut self.payload, &mut self.trailers, cx, into);
        if let Poll::Ready(Err(broken)) = piece {
            self.outcome = Some(match broken {
                body::Broken::Malformed => Outcome::Protocol,
                _ => Outcome::Aborted,
            });
        }
        piece
    }

    fn trailers(&self) -> Vec<u8> {
        self.trailers.clone()
    }

    fn is_cut(&self) -> bool {
        self.home.is_cut() && !self.payload.has_ended()
    }

    fn tunnel(&mut self) -> Option<&mut Transport> {
        if self.home.is_cut() {
            // What is cut must not look like an end.
            self.transport.reset_on_close();
            return None;
        }
        Some(&mut self.transport)
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<bool, body::Broken> {
        let Some((sending, upload)) = &mut self.upload else { return Ok(false) };
        let (sent, moved) = sending.poll(&mut self.transport, &self.scratch, upload, cx);
        match sent {
            Sent::Blocked | Sent::Waiting => return Ok(moved),
            Sent::All => {}
            // The answer may go on, but nothing comes after it.
            Sent::Refused | Sent::Broken(_) => self.persistent = false,
        }
        self.upload = None;
        if let Sent::Broken(broken) = sent { Err(broken) } else { Ok(moved) }
    }

    fn park(&mut self) {
        self.transport.park();
    }

    fn silent(mut self: Box<Self>) {
        self.outcome = Some(Outcome::Timeout);
    }

    fn done(mut self: Box<Self>) {
        self.count();
        self.lease = None;
        self.trailers = Vec::new();
        let clean = self.persistent
            && self.upload.is_none()
            && self.payload.has_ended()
            && self.transport.received().is_empty()
            && self.transport.is_flushed();
        if clean {
            self.reused = true;
            self.transport.park();
            let home = Rc::clone(&self.home);
            home.put(self);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.count();
        self.home.closed(self.is_idle);
    }
}

/// Whether an answer switches to the protocol that was asked for (RFC 9110, 15.2.2).
fn is_same_protocol(asked: &Head, answer: &Head) -> bool {
    let (asked, answer) = (asked.slice(asked.upgrade), answer.slice(answer.upgrade));
    !asked.is_empty() && asked.eq_ignore_ascii_case(answer)
}

/// The first read of an answer: its head, and 64 KiB with it.
const FIRST: usize = 68 * 1024;
/// More answers than this before the answer are an attack.
const MAX_INTERIM: u32 = 32;
