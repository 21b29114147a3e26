//! One HTTP/1 connection of a client: read a head, call the spine, write its answer, again.
//!
//! Between requests it holds a socket and little else. A head that cannot be understood is answered here
//! and ends the connection: nothing behind it can be trusted to be a request.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use super::answer::{self, Asked, Ended};
use super::body::RequestBody;
use super::traffic::Traffic;
use super::versions::begins_http2;
use super::{Listener, Settings, tunnel};
use crate::h1::framing::Framing;
use crate::h1::payload::Payload;
use crate::h1::{Limits, Message, Partial, request};
use crate::message::body::Body;
use crate::message::exchange::{Arrival, Client, Exchange};
use crate::message::head::{Head, Known, Method, Version};
use crate::net::deadline::{Deadline, Wait, jitter};
use crate::net::stream::Stream;
use crate::net::transport::Transport;
use crate::pool::downstream::Downstream;
use crate::proxy::error::Error;
use crate::proxy::finish::{Tracked, refused, track};
use crate::proxy::{Local, http};

/// A client's connection; shared by the task and the body of the request it is working on.
pub struct Connection {
    /// The socket, borrowed for one poll at a time.
    pub transport: RefCell<Transport>,
    /// What is still to come of the request's body.
    pub payload: Cell<Payload>,
    /// What came behind a chunked body.
    pub trailers: RefCell<Vec<u8>>,
    /// The client waits for a word before it sends the body (RFC 9110, 10.1.1).
    pub expects: Cell<bool>,
    /// The body is waited for.
    pub waits: Cell<bool>,
    /// The version of the request under way.
    pub version: Cell<Version>,
    /// What it carries, and how long its request waits.
    pub traffic: Traffic,
    /// When the client, or the endpoint it waits for, has taken too long.
    pub deadline: Rc<Deadline>,
    /// What its listener said when the request under way began: that holds to its end, whatever a reload changes.
    pub terms: RefCell<Arc<Settings>>,
    /// Who has connected.
    pub peer: SocketAddr,
    /// It is believed to speak for others.
    pub trusted: Cell<bool>,
    /// It has asked nothing yet.
    fresh: Cell<bool>,
    /// It speaks HTTP/2.
    http2: Cell<bool>,
}

/// What came instead of a request.
enum NoHead {
    /// The beginning of HTTP/2.
    Http2,
    /// The client has nothing more to say, or has been silent for too long.
    Closed,
    /// Bytes that are not a request.
    Refused(Error),
}

/// Serves a connection to its end, or until it turns out to speak HTTP/2: then it is given back, with what has come.
/// It is made before: what a future is given is kept by it twice.
pub async fn serve(
    local: &Rc<Local>,
    listener: &Listener,
    connection: Rc<Connection>,
) -> Option<(Stream, Vec<u8>)> {
    poll_fn(|cx| {
        connection.deadline.belongs_to(cx);
        Poll::Ready(())
    })
    .await;
    let cut = {
        let mut serving = pin!(async {
            while let Some(exchange) = next(&connection, local, listener).await {
                if exchange.await == Ended::Close {
                    return;
                }
            }
        });
        let shard = listener.metrics.of(local.worker);
        poll_fn(|cx| {
            connection.traffic.wake(local);
            let served = serving.as_mut().poll(cx);
            connection.traffic.sleep(local, &mut connection.transport.borrow_mut(), shard);
            if served.is_pending() && listener.is_cut(local) {
                local.cutting.set(true);
                return Poll::Ready(true);
            }
            served.map(|()| false)
        })
        .await
    };
    // An exchange that was cut in the midst has taken it back, and must not look whole.
    if cut && !local.cutting.replace(false) {
        connection.transport.borrow().reset_on_close();
    }
    // All that had a part in it is gone.
    let connection = Rc::into_inner(connection).filter(|one| one.http2.get())?;
    Some(connection.transport.into_inner().into_parts())
}

/// One box for all that a request needs: the only allocation of a request without a body, and a connection
/// that waits for one stays small.
type Exchanging<'a> = Pin<Box<dyn Future<Output = Ended> + 'a>>;

/// Waits for the next request, or what came instead of one. `None`: the client has nothing more to say.
async fn next<'a>(
    connection: &'a Rc<Connection>,
    local: &'a Rc<Local>,
    listener: &'a Listener,
) -> Option<Exchanging<'a>> {
    let (result, arrival) = connection.head(local, listener).await;
    let client = connection.client(listener.id);
    match result {
        Ok((head, message)) => {
            let mut tracked = track(local, connection.exchange(head, message, client, arrival));
            Some(Box::pin(async move {
                let answered = answer(connection, local, &mut tracked, message.persistent).await;
                (tracked.waited, tracked.received) = connection.traffic.end();
                // The request ends here; its connection may have something left to do.
                drop(tracked);
                match answered {
                    Some(ended) => answer::settle(connection, ended).await,
                    None => Ended::Close,
                }
            }))
        }
        Err(NoHead::Closed) => None,
        Err(NoHead::Http2) => {
            connection.http2.set(true);
            None
        }
        Err(NoHead::Refused(error)) => {
            let x = Exchange::new(Head::default(), Body::Empty, client, arrival);
            Some(Box::pin(refuse(connection, local, listener, x, error)))
        }
    }
}

/// Answers one request: the spine's answer is written. What becomes of the connection; `None`: it is of no
/// use any more.
async fn answer(
    connection: &Rc<Connection>,
    local: &Rc<Local>,
    tracked: &mut Tracked,
    keep_alive: bool,
) -> Option<Ended> {
    let head = &tracked.x.head;
    let asked = Asked { head: head.method == Method::Head, version: head.version };
    if !connection.handle(local, tracked).await {
        return None;
    }
    if tracked.reply.as_ref().is_some_and(|reply| reply.head.status == 101) {
        tunnel::run(connection, tracked).await;
        return None;
    }
    let persistent = keep_alive && !local.shared.ending.load(Relaxed);
    answer::send(connection, local, tracked, asked, persistent).await
}

/// Answers bytes that are not a request, and closes.
async fn refuse(
    connection: &Rc<Connection>,
    local: &Rc<Local>,
    listener: &Listener,
    x: Exchange,
    error: Error,
) -> Ended {
    let shard = listener.metrics.of(local.worker);
    if error == Error::HeaderTimeout { &shard.timeout } else { &shard.malformed }.add(1);
    refused(local, &x, error);
    answer::refuse(connection, local, &error.reply(x.head)).await;
    Ended::Close
}

impl Connection {
    /// One that has said nothing yet.
    pub fn new(local: &Local, listener: &Listener, io: Stream, peer: SocketAddr) -> Rc<Self> {
        let terms = listener.settings.load_full();
        Rc::new(Self {
            transport: RefCell::new(Transport::new(io, Rc::clone(&local.scratch))),
            payload: Cell::new(Payload::Length(0)),
            trailers: RefCell::default(),
            expects: Cell::new(false),
            waits: Cell::new(false),
            version: Cell::default(),
            traffic: Traffic::default(),
            deadline: local.deadlines.add(),
            trusted: Cell::new(terms.trusts(peer.ip())),
            terms: RefCell::new(terms),
            fresh: Cell::new(true),
            http2: Cell::new(false),
            peer,
        })
    }

    /// Reads a head: under the idle time until its first byte, then under one for the whole head, which no
    /// drip of bytes extends.
    async fn head(
        &self,
        local: &Local,
        listener: &Listener,
    ) -> (Result<(Head, Message), NoHead>, Arrival) {
        let deadline = &*self.deadline;
        let mut started = None;
        let mut partial = Partial::default();
        let mut slept = false;
        let mut limits = Limits::CLIENT;
        let may_be_http2 = self.fresh.get() && self.may_be_http2();
        deadline.disarm(Wait::Body);
        deadline.disarm(Wait::End);
        // An idle connection owns no buffer.
        drop(self.trailers.take());
        let idle = self.terms.borrow().timeouts.idle.get();
        deadline.arm(Wait::Step, jitter(idle, local.random()));
        let result = poll_fn(|cx| {
            let mut transport = self.transport.borrow_mut();
            loop {
                // An empty line is not the beginning of a request yet (RFC 9112, 2.2).
                if !b"\r\n".starts_with(transport.received()) {
                    if started.is_none() {
                        started = Some(local.now());
                        self.traffic.begin();
                        self.fresh.set(false);
                        self.obey(listener, &mut transport);
                        let terms = self.terms.borrow();
                        limits = terms.limits.head();
                        deadline.arm(Wait::Step, terms.timeouts.header.get());
                    }
                    let received = transport.received();
                    let http2 = if may_be_http2 { begins_http2(received) } else { None };
                    if http2 == Some(true) {
                        return Poll::Ready(Err(NoHead::Http2));
                    }
                    if http2.is_none() && partial.may_be_whole(received, &limits) {
                        let mut head = local.heads.take();
                        match request::read(received, &limits, &mut head) {
                            Err(fault) => {
                                return Poll::Ready(Err(NoHead::Refused(fault.into())));
                            }
                            Ok(Some(message)) => {
                                if let Some(error) = self.terms.borrow().refusal(&head) {
                                    return Poll::Ready(Err(NoHead::Refused(error)));
                                }
                                transport.consume(message.length);
                                return Poll::Ready(Ok((head, message)));
                            }
                            Ok(None) => local.heads.give(head),
                        }
                    }
                }
                match transport.poll_receive(cx, READ) {
                    Poll::Ready(Ok(n)) if n > 0 => {}
                    Poll::Ready(_) => return Poll::Ready(Err(NoHead::Closed)),
                    Poll::Pending => {
                        transport.park();
                        slept = true;
                        let waits = started.is_none();
                        let late = deadline.passed(Wait::Step);
                        let leaves = listener.leaves(local);
                        return if waits && leaves && self.fresh.take() {
                            // Who has just connected means to ask.
                            deadline.arm(Wait::Step, FIRST);
                            Poll::Pending
                        } else if waits && (late || leaves) {
                            Poll::Ready(Err(NoHead::Closed))
                        } else if late {
                            Poll::Ready(Err(NoHead::Refused(Error::HeaderTimeout)))
                        } else {
                            Poll::Pending
                        };
                    }
                }
            }
        })
        .await;
        (result, Arrival { at: started.unwrap_or_default(), pipelined: !slept })
    }

    /// Whether it may turn out to speak HTTP/2. Over TLS that would have been said (RFC 9113, 3.3).
    fn may_be_http2(&self) -> bool {
        self.terms.borrow().versions.http2 && self.transport.borrow().secured().is_none()
    }

    /// From now on the listener's settings hold as they are now.
    fn obey(&self, listener: &Listener, transport: &mut Transport) {
        let settings = listener.settings.load();
        let mut terms = self.terms.borrow_mut();
        if !Arc::ptr_eq(&terms, &settings) {
            *terms = Arc::clone(&settings);
            self.trusted.set(terms.trusts(self.peer.ip()));
        }
        transport.hold_at_most(terms.limits.connection_buffer.bytes());
    }

    /// The exchange that a head begins.
    fn exchange(
        self: &Rc<Self>,
        head: Head,
        message: Message,
        client: Client,
        arrival: Arrival,
    ) -> Exchange {
        let framing = message.framing;
        self.payload.set(Payload::new(framing, self.terms.borrow().limits.chunks()));
        self.version.set(head.version);
        self.expects.set(false);
        self.waits.set(false);
        let client = self.seen(client, &head);
        let body = if framing == Framing::None {
            Body::Empty
        } else {
            self.expects.set(head.get(Known::Expect).is_some());
            Body::Stream(Box::new(RequestBody::new(self, framing)))
        };
        let mut x = Exchange::new(head, body, client, arrival);
        x.secured = self.transport.borrow().secured().cloned();
        x
    }

    /// Lets the spine work. `false`: the client has left, and with it the request; whatever it was waiting
    /// for is dropped.
    async fn handle(&self, local: &Rc<Local>, tracked: &mut Tracked) -> bool {
        let chunks = self.terms.borrow().limits.chunks();
        let downstream = Downstream { deadline: &self.deadline, chunks, interim: self };
        let mut handling = pin!(http::handle(local, tracked, &downstream));
        poll_fn(|cx| {
            if handling.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            if self.poll_gone(cx) {
                return Poll::Ready(false);
            }
            let mut transport = self.transport.borrow_mut();
            if matches!(transport.poll_flush(cx), Poll::Ready(Err(_))) {
                return Poll::Ready(false);
            }
            transport.park();
            Poll::Pending
        })
        .await
    }

    /// Whether the client has left: an end after a complete request means so, also behind pipelined bytes.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> bool {
        if !self.payload.get().has_ended() {
            return self.looks_gone();
        }
        let mut transport = self.transport.borrow_mut();
        while transport.received().len() < PIPELINED && transport.poll_readable(cx).is_ready() {
            match transport.poll_receive(cx, READ) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) => return true,
                Poll::Pending => return false,
            }
        }
        false
    }

    /// Whether the client has left in the midst of its body. While the body waits for the endpoint nothing is read
    /// that would tell, so that is looked at from time to time.
    fn looks_gone(&self) -> bool {
        if !self.waits.get() {
            self.deadline.arm(Wait::Body, LOOK);
        }
        self.transport.borrow().has_ended()
    }
}

/// One read of a head.
const READ: usize = 64 * 1024;
/// So much of further requests may wait behind the one under way.
const PIPELINED: usize = 16 * 1024;
const LOOK: Duration = Duration::from_millis(500);
/// How long the first request of a connection is waited for at least.
const FIRST: Duration = Duration::from_secs(1);
