//! One HTTP/2 connection of a client: its library (hyper) drives the frames, this file watches over it.
//!
//! What the library does not do is done here: to notice who floods (`metered`), who does not finish what it begins,
//! who takes nothing, who asks nothing, and that weir itself wants to end.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::metered::{Io, Metered};
use super::stream::{self, H2Stream};
use super::{Listener, Settings};
use crate::h2::meter::Meter;
use crate::message::exchange::Client;
use crate::net::deadline::{Deadline, Wait, jitter};
use crate::net::stream::{Secured, Stream};
use crate::proxy::Local;

/// A connection, as its streams see it.
pub struct Connection {
    /// What its worker owns.
    pub local: Rc<Local>,
    /// Where it came.
    pub listener: Arc<Listener>,
    /// Its socket.
    pub io: Rc<Metered>,
    /// What it is encrypted with.
    pub secured: Option<Arc<Secured>>,
    peer: SocketAddr,
    /// Streams under way.
    open: Cell<usize>,
    /// How many there have been.
    begun: Cell<u64>,
    /// They are to end now, whatever they do.
    cut: Cell<bool>,
    /// Wakes the connection's task.
    waker: RefCell<Option<Waker>>,
    /// The stream that the library has just shown, until it hands over its future.
    next: RefCell<Option<Rc<H2Stream>>>,
}

/// Serves a connection to its end. `received`: what has come already, the beginning of HTTP/2 as far as it goes.
pub async fn serve(
    local: &Rc<Local>,
    listener: &Arc<Listener>,
    io: Stream,
    received: Vec<u8>,
    peer: SocketAddr,
) {
    let terms = listener.settings.load_full();
    let deadline = local.deadlines.add();
    let secured = io.secured().cloned();
    let meter = Meter::new(terms.limits.meter(), local.deadlines.now());
    let io = Metered::new(io, received, meter, &deadline);
    let connection = Rc::new(Connection {
        local: Rc::clone(local),
        listener: Arc::clone(listener),
        io,
        secured,
        peer,
        open: Cell::new(0),
        begun: Cell::new(0),
        cut: Cell::new(false),
        waker: RefCell::default(),
        next: RefCell::default(),
    });
    drop(terms);
    let ended = connection.drive(&deadline).await;
    connection.cut.set(ended == Ended::Cut);
    connection.settle(&deadline, ended).await;
}

/// How the library's work on a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Both sides have said all, or the client has left.
    Done,
    /// It takes too long over something.
    Late,
    /// It goes too far.
    Abusive,
    /// Weir's own time is over.
    Cut,
}

impl Connection {
    /// A stream has begun.
    pub fn began(&self) {
        self.open.set(self.open.get() + 1);
        self.begun.set(self.begun.get() + 1);
    }

    /// A stream has ended.
    pub fn ended(&self) {
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Whether its streams are to end as they are.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Who has connected.
    pub fn client(&self, terms: &Settings) -> Client {
        let scheme = if self.secured.is_some() { "https" } else { "http" };
        let (peer, trusted) = (self.peer, terms.trusts(self.peer.ip()));
        Client { listener: self.listener.id, peer, trusted, address: peer.ip(), scheme }
    }

    /// Lets the library work, until it has done or must not go on.
    async fn drive(self: &Rc<Self>, deadline: &Deadline) -> Ended {
        let terms = self.listener.settings.load_full();
        let limits = &terms.limits;
        let service = service_fn(|request| {
            let stream = H2Stream::new(self);
            *self.next.borrow_mut() = Some(Rc::clone(&stream));
            stream::serve(stream, request)
        });
        let serving = Builder::new(Spawner(Rc::clone(self)))
            .auto_date_header(false)
            .max_concurrent_streams(u32::from(limits.streams))
            .initial_stream_window_size(limits.stream_window.bytes() as u32)
            .initial_connection_window_size(limits.connection_window.bytes() as u32)
            .max_frame_size(FRAME)
            .max_header_list_size(2 * limits.header_size.bytes() as u32)
            .header_table_size(TABLE)
            .max_send_buf_size(limits.connection_buffer.bytes())
            .max_pending_accept_reset_streams(usize::from(limits.streams))
            .serve_connection(TokioIo::new(Io(Rc::clone(&self.io))), service);
        let mut serving = pin!(serving);
        let mut watch = Watch { deadline, leaving: false, idle: None, midst: false, blocked: None };
        let mut counted = 0;
        drop(terms);
        poll_fn(|cx| {
            if self.waker.borrow().is_none() {
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                deadline.belongs_to(cx);
            }
            let local = &self.local;
            local.woken.set(local.now());
            if self.listener.is_cut(local) {
                return Poll::Ready(Ended::Cut);
            }
            let ends = self.listener.leaves(local) || local.shared.ending.load(Relaxed);
            if ends && !watch.leaving {
                watch.leaving = true;
                serving.as_mut().graceful_shutdown();
            }
            let mut served = serving.as_mut().poll(cx).map(|result| {
                if let Err(error) = result {
                    tracing::debug!(listener = %self.listener.name(), %error, "an HTTP/2 connection broke");
                }
                Ended::Done
            });
            if self.io.verdict().is_some() {
                served = Poll::Ready(Ended::Abusive);
            }
            if served.is_pending() && watch.is_quiet(self) {
                watch.leaving = true;
                serving.as_mut().graceful_shutdown();
                // What is to be said is said at the next turn.
                cx.waker().wake_by_ref();
            }
            let shard = self.listener.metrics.of(local.worker);
            shard.received.add(self.io.take_read());
            let sent = self.io.sent();
            shard.sent.add(sent - std::mem::replace(&mut counted, sent));
            if served.is_pending() { watch.look(self) } else { served }
        })
        .await
    }

    /// After the library's work: counts why, says so where it can be said, and waits for the streams to notice.
    async fn settle(&self, deadline: &Deadline, ended: Ended) {
        let shard = self.listener.metrics.of(self.local.worker);
        match ended {
            Ended::Done => {}
            Ended::Cut => self.io.reset_on_close(),
            Ended::Late => {
                shard.timeout.add(1);
                self.io.reset_on_close();
            }
            Ended::Abusive => {
                let (listener, abuse) = (self.listener.name(), self.io.verdict());
                tracing::debug!(%listener, peer = %self.peer, ?abuse, "an HTTP/2 client goes too far");
                shard.abusive.add(1);
            }
        }
        if matches!(ended, Ended::Done | Ended::Abusive) {
            // A close with unread bytes would be a reset, which may overtake what was said last.
            deadline.arm(Wait::Step, LINGER);
            let mut said = ended == Ended::Done;
            poll_fn(|cx| {
                if !std::mem::replace(&mut said, true) {
                    self.io.say_calm_down(cx);
                }
                match self.io.poll_linger(cx) {
                    Poll::Pending if !deadline.passed(Wait::Step) => Poll::Pending,
                    _ => Poll::Ready(()),
                }
            })
            .await;
        }
        poll_fn(|cx| {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            if self.open.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// What a connection is watched for. Its deadline has three times, each for one of them.
struct Watch<'a> {
    deadline: &'a Deadline,
    /// The client was told that the connection ends.
    leaving: bool,
    /// Nothing is under way since so many streams.
    idle: Option<(u64, bool)>,
    /// Something has begun to come.
    midst: bool,
    /// The client takes nothing since so much was sent.
    blocked: Option<u64>,
}

impl Watch<'_> {
    /// Whether nothing has been asked for long enough. It is to be told, once.
    fn is_quiet(&mut self, connection: &Connection) -> bool {
        if connection.open.get() > 0 || connection.io.is_busy() {
            self.idle = None;
            self.deadline.disarm(Wait::Body);
            return false;
        }
        let now = Some((connection.begun.get(), self.leaving));
        if std::mem::replace(&mut self.idle, now) != now {
            let idle = connection.listener.settings.load().timeouts.h2_idle.get();
            let idle = jitter(idle, connection.local.random());
            // Who has been told may still have asked something, and says that it has heard.
            self.deadline.arm(Wait::Body, if self.leaving { LINGER } else { idle });
        }
        !self.leaving && self.deadline.passed(Wait::Body)
    }

    /// Whether it takes too long over something.
    fn look(&mut self, connection: &Connection) -> Poll<Ended> {
        let (deadline, io) = (self.deadline, &connection.io);
        let timeouts = || connection.listener.settings.load().timeouts;
        if !io.is_midst() {
            self.midst = false;
            deadline.disarm(Wait::End);
        } else if !std::mem::replace(&mut self.midst, true) {
            deadline.arm(Wait::End, timeouts().header.get());
        }
        // What is left of an answer when its task is over waits for the client as much as the socket does.
        let blocked = match io.is_blocked() {
            true => Some(io.sent()),
            false if connection.open.get() == 0 && io.is_busy() => Some(io.carried()),
            false => None,
        };
        if std::mem::replace(&mut self.blocked, blocked) != blocked {
            match blocked {
                None => deadline.disarm(Wait::Step),
                Some(_) => deadline.arm(Wait::Step, timeouts().write.get()),
            }
        }
        if deadline.passed(Wait::End) || deadline.passed(Wait::Step) {
            return Poll::Ready(Ended::Late);
        }
        let told = matches!(self.idle, Some((_, true))) && deadline.passed(Wait::Body);
        if told { Poll::Ready(Ended::Done) } else { Poll::Pending }
    }
}

/// Runs what the library wants to be run, on this worker: streams, each watched over.
#[derive(Clone)]
struct Spawner(Rc<Connection>);

impl<F: Future + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, future: F) {
        // The library asks its service for the future of a stream and then hands it over, with nothing in between.
        let stream = self.0.next.take();
        #[expect(
            clippy::disallowed_methods,
            reason = "a stream's task; its connection waits for it"
        )]
        tokio::task::spawn_local(async move {
            let mut future = pin!(future);
            match stream {
                Some(stream) => poll_fn(|cx| stream.watch(cx, future.as_mut())).await,
                None => drop(future.await),
            }
        });
    }
}

/// DATA and heads come in frames of this size at most (RFC 9113, 4.2).
const FRAME: u32 = 16 * 1024;
/// What is remembered of the fields of a connection (RFC 7541, 4.2).
const TABLE: u32 = 4096;
/// How long a client that was told to go is waited for.
const LINGER: Duration = Duration::from_secs(1);
