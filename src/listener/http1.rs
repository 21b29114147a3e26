//! One HTTP/1 connection of a client: read a head, call the spine, write its answer, again.
//!
//! Between requests it holds a socket and little else. A head that cannot be understood is answered here
//! and ends the connection: nothing behind it can be trusted to be a request.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;

use super::Listener;
use super::answer::{self, Ended};
use crate::h1::framing::Framing;
use crate::h1::payload::Payload;
use crate::h1::{Limits, Message, Partial, request};
use crate::message::body::{Body, Broken, Piece, Pull};
use crate::message::exchange::{Arrival, Client, Exchange};
use crate::message::head::{Head, Known, Method, Version};
use crate::net::deadline::Deadline;
use crate::net::scratch::Buffer;
use crate::net::transport::Transport;
use crate::pool::stream::poll_payload;
use crate::proxy::error::Error;
use crate::proxy::finish::{Tracked, refused};
use crate::proxy::{Local, http};

/// A client's connection; shared by the task and the body of the request it is working on.
pub struct Connection {
    /// The socket, borrowed for one poll at a time.
    pub transport: RefCell<Transport>,
    /// What is still to come of the request's body.
    pub payload: Cell<Payload>,
    /// The client waits for a word before it sends the body (RFC 9110, 10.1.1).
    pub expects: Cell<bool>,
}

/// What came instead of a request.
enum NoHead {
    /// The client has nothing more to say, or has been silent for too long.
    Closed,
    /// Bytes that are not a request.
    Refused(Error),
}

/// Serves a connection to its end.
pub async fn serve(local: &Rc<Local>, listener: &Listener, stream: TcpStream, client: Client) {
    let deadline = local.deadlines.add();
    poll_fn(|cx| {
        deadline.belongs_to(cx);
        Poll::Ready(())
    })
    .await;
    let connection = Rc::new(Connection {
        transport: RefCell::new(Transport::new(stream, Rc::clone(&local.scratch))),
        payload: Cell::new(Payload::Length(0)),
        expects: Cell::new(false),
    });
    while let Some(exchange) = next(&connection, local, listener, client, &deadline).await {
        if exchange.await == Ended::Close {
            return;
        }
    }
}

/// One box for all that a request needs: the only allocation of a request without a body, and a connection
/// that waits for one stays small.
type Exchanging<'a> = Pin<Box<dyn Future<Output = Ended> + 'a>>;

/// Waits for the next request, or what came instead of one. `None`: the client has nothing more to say.
async fn next<'a>(
    connection: &'a Rc<Connection>,
    local: &'a Rc<Local>,
    listener: &'a Listener,
    client: Client,
    deadline: &'a Deadline,
) -> Option<Exchanging<'a>> {
    match connection.head(local, deadline).await {
        (Ok((head, message)), arrival) => {
            let x = connection.exchange(head, message, client, arrival);
            Some(Box::pin(answer(connection, local, x, message.persistent, deadline)))
        }
        (Err(NoHead::Closed), _) => None,
        (Err(NoHead::Refused(error)), arrival) => {
            let x = Exchange::new(Head::default(), Body::Empty, client, arrival);
            Some(Box::pin(refuse(connection, local, listener, x, error, deadline)))
        }
    }
}

/// Answers one request: the spine's answer is written, and what becomes of the connection.
async fn answer(
    connection: &Rc<Connection>,
    local: &Rc<Local>,
    x: Exchange,
    keep_alive: bool,
    deadline: &Deadline,
) -> Ended {
    let asked = Asked { head: x.head.method == Method::Head, version: x.head.version };
    match connection.handled(local, x, deadline).await {
        Some(tracked) => {
            let persistent = keep_alive && !local.stopping.get();
            answer::send(connection, local, tracked, asked, persistent, deadline).await
        }
        None => Ended::Close,
    }
}

/// Answers bytes that are not a request, and closes.
async fn refuse(
    connection: &Rc<Connection>,
    local: &Rc<Local>,
    listener: &Listener,
    x: Exchange,
    error: Error,
    deadline: &Deadline,
) -> Ended {
    let shard = listener.metrics.of(local.worker);
    if error == Error::HeaderTimeout { &shard.timeout } else { &shard.malformed }.add(1);
    refused(local, &x, error);
    answer::refuse(connection, &error.reply(x.head), deadline).await;
    Ended::Close
}

/// What an answer must know of the request.
#[derive(Clone, Copy)]
pub struct Asked {
    /// It was a HEAD.
    pub head: bool,
    /// Its version.
    pub version: Version,
}

impl Connection {
    /// Reads a head: under the idle time until its first byte, then under one for the whole head, which no
    /// drip of bytes extends.
    async fn head(
        &self,
        local: &Local,
        deadline: &Deadline,
    ) -> (Result<(Head, Message), NoHead>, Arrival) {
        let mut started = None;
        let mut partial = Partial::default();
        let mut slept = false;
        deadline.arm(IDLE);
        let result = poll_fn(|cx| {
            let mut transport = self.transport.borrow_mut();
            loop {
                let received = transport.received();
                if !received.is_empty() {
                    if started.is_none() {
                        started = Some(local.now());
                        deadline.arm(HEADER);
                    }
                    if partial.may_be_whole(received, &Limits::CLIENT) {
                        let mut head = local.heads.take();
                        match request::read(received, &Limits::CLIENT, &mut head) {
                            Err(fault) => {
                                return Poll::Ready(Err(NoHead::Refused(fault.into())));
                            }
                            Ok(Some(message)) => {
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
                        return if waits && (deadline.passed() || local.stopping.get()) {
                            Poll::Ready(Err(NoHead::Closed))
                        } else if deadline.passed() {
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

    /// The exchange that a head begins.
    fn exchange(
        self: &Rc<Self>,
        head: Head,
        message: Message,
        client: Client,
        arrival: Arrival,
    ) -> Exchange {
        let framing = message.framing;
        self.payload.set(Payload::new(framing));
        if framing == Framing::None {
            return Exchange::new(head, Body::Empty, client, arrival);
        }
        let waits =
            head.get(Known::Expect).is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
        self.expects.set(waits && head.version == Version::Http11);
        let body = RequestBody { connection: Rc::clone(self), framing };
        Exchange::new(head, Body::Stream(Box::new(body)), client, arrival)
    }

    /// Lets the spine work. `None`: the client has left, and with it the request; whatever it was waiting
    /// for is dropped.
    async fn handled(
        &self,
        local: &Rc<Local>,
        x: Exchange,
        deadline: &Deadline,
    ) -> Option<Tracked> {
        let mut handling = pin!(http::handle(local, x, deadline));
        poll_fn(|cx| {
            if let Poll::Ready(tracked) = handling.as_mut().poll(cx) {
                return Poll::Ready(Some(tracked));
            }
            if self.poll_gone(cx) {
                return Poll::Ready(None);
            }
            self.transport.borrow_mut().park();
            Poll::Pending
        })
        .await
    }

    /// Whether the client has left: an end after a complete request means so, also behind pipelined bytes.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> bool {
        if !self.payload.get().has_ended() {
            return false;
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
}

/// The body of a request, as an endpoint's connection pulls it.
struct RequestBody {
    connection: Rc<Connection>,
    framing: Framing,
}

impl Pull for RequestBody {
    fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
    ) -> Poll<Result<Piece, Broken>> {
        let mut transport = self.connection.transport.borrow_mut();
        if self.connection.expects.replace(false) && transport.received().is_empty() {
            transport.outbox().extend_from_slice(CONTINUE);
        }
        if !transport.is_flushed() && matches!(transport.poll_flush(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(Err(Broken::Cut));
        }
        let mut payload = self.connection.payload.get();
        let piece = poll_payload(&mut transport, &mut payload, cx, into);
        self.connection.payload.set(payload);
        piece
    }

    fn length(&self) -> Option<u64> {
        self.framing.length()
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// One read of a head: a large one fits, and what follows it is not worth more.
const READ: usize = 64 * 1024;
/// So much of further requests may wait behind the one under way.
const PIPELINED: usize = 16 * 1024;
/// Between requests (threats.md, D7).
const IDLE: Duration = Duration::from_secs(75);
/// From the first byte of a head to its end (D5).
const HEADER: Duration = Duration::from_secs(10);
