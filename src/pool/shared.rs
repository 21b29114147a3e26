//! A connection to an endpoint that speaks HTTP/2: one for many requests at once.
//!
//! The library (hyper) drives it in a task of this worker, which ends when the connection does: when nobody holds it
//! any more and nothing is under way.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::feed::{Fed, Feed};
use super::stack::Stack;
use crate::net::descriptors::Descriptor;
use crate::net::stream::{Secured, Stream};

/// A connection that is shared.
pub struct Shared {
    /// Where requests go in.
    pub sender: RefCell<SendRequest<Fed>>,
    /// Whose it is.
    pub home: Rc<Stack>,
    /// When it was dialled.
    pub born: Duration,
    /// Sets it apart from those dialled at the same time.
    pub seed: u64,
    /// Since when nothing is under way, as far as a sweep has seen.
    pub idle_since: Cell<Duration>,
    /// What it is encrypted with.
    secured: Option<Arc<Secured>>,
    /// Requests under way.
    open: Cell<usize>,
    /// What drives it, which knows how many the endpoint allows.
    connection: Weak<RefCell<Connection<TokioIo<Io>, Fed, Spawner>>>,
    /// What of requests that are over the library has not let go of: since this look, and since the one before.
    left: RefCell<[Vec<Feed>; 2]>,
    /// What its socket hears, and is told.
    fate: Rc<Fate>,
    /// How it is counted.
    counted: Rc<Cell<Counted>>,
    /// It takes no further requests.
    retired: Cell<bool>,
}

/// Between a connection and its socket, which the library has.
#[derive(Default)]
struct Fate {
    /// The endpoint has said something: its settings, before all else.
    heard: Cell<bool>,
    /// It is to end at once.
    doomed: Cell<bool>,
    /// Whoever reads it.
    reader: RefCell<Option<Waker>>,
}

impl Fate {
    fn allows(&self) -> io::Result<()> {
        if self.doomed.get() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

/// What a connection is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Active,
    Idle,
    /// Not any more: it is closed.
    Closed,
}

impl Shared {
    /// Begins to speak over a connection just dialled. `head`: how large heads of answers may be.
    ///
    /// # Errors
    /// It broke before anything was said.
    pub async fn begin(
        io: Stream,
        descriptor: Descriptor,
        home: Rc<Stack>,
        born: Duration,
        head: usize,
    ) -> Result<Rc<Self>, hyper::Error> {
        let secured = io.secured().cloned();
        let counted = Rc::new(Cell::new(Counted::Active));
        let (kept, noted) = (Rc::clone(&home), Rc::clone(&counted));
        let fate = Rc::new(Fate::default());
        let told = Rc::clone(&fate);
        let io = Io { io, home: kept, fate: told, counted: noted, _descriptor: descriptor };
        let handshake = Builder::new(Spawner)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(2 * head as u32)
            .max_send_buf_size(STREAM_WINDOW as usize)
            // Streams are cancelled when their clients leave: that is no fault of the endpoint's.
            .max_local_error_reset_streams(None)
            .handshake(TokioIo::new(io));
        let (sender, connection) = handshake.await?;
        let connection = Rc::new(RefCell::new(connection));
        let (name, known) = (home.name().to_owned(), Rc::downgrade(&connection));
        spawn(async move {
            let ended = poll_fn(|cx| Pin::new(&mut *connection.borrow_mut()).poll(cx));
            if let Err(error) = ended.await {
                tracing::debug!(endpoint = %name, %error, "an HTTP/2 connection broke");
            }
        });
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            home,
            born,
            seed: fastrand::u64(..),
            idle_since: Cell::new(Duration::MAX),
            secured,
            open: Cell::new(0),
            connection: known,
            left: RefCell::default(),
            fate,
            counted,
            retired: Cell::new(false),
        }))
    }

    /// Whether it can carry one more request.
    pub fn has_room(&self) -> bool {
        let left = self.left.borrow().iter().flatten().filter(|feed| feed.is_held()).count();
        let open = self.open.get() + left;
        self.is_usable() && open < self.allowed().min(STREAMS)
    }

    /// How many requests at once the endpoint allows, as far as it has said.
    fn allowed(&self) -> usize {
        let connection = self.connection.upgrade();
        // It is borrowed only while it is driven, which no request is part of.
        let allowed = connection.as_ref().and_then(|one| one.try_borrow().ok());
        allowed.map_or(0, |one| one.current_max_send_streams())
    }

    /// Whether it is open and takes requests.
    pub fn is_usable(&self) -> bool {
        !self.retired.get() && !self.sender.borrow().is_closed()
    }

    /// It takes no further requests; those under way go on.
    pub fn retire(&self) {
        self.retired.set(true);
    }

    /// Whether the endpoint has said how many requests at once it allows.
    pub fn is_heard(&self) -> bool {
        self.fate.heard.get()
    }

    /// From time to time: whether the endpoint takes what was given up long ago. If not, nobody else should wait there.
    pub fn look(&self) {
        let [new, old] = &mut *self.left.borrow_mut();
        old.retain(Feed::is_held);
        if !old.is_empty() {
            self.retired.set(true);
        }
        old.append(new);
    }

    /// It ends at once, whatever the library would wait for.
    pub fn doom(&self) {
        self.closing().doom();
    }

    /// What is left of it when it is let go of.
    pub fn closing(&self) -> Closing {
        Closing { fate: Rc::clone(&self.fate), counted: Rc::clone(&self.counted) }
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// Whether it is encrypted so, or not at all.
    pub fn is_over(&self, mark: Option<&Arc<Secured>>) -> bool {
        self.secured.as_ref().map(Arc::as_ptr) == mark.map(Arc::as_ptr)
    }

    /// Whether it is encrypted at all.
    pub fn is_secured(&self) -> bool {
        self.secured.is_some()
    }

    /// A request begins.
    pub fn enter(&self) {
        self.open.set(self.open.get() + 1);
        if self.counted.get() == Counted::Idle {
            self.counted.set(Counted::Active);
            self.home.woke();
        }
        self.idle_since.set(Duration::MAX);
    }

    /// A request has ended, of whose body the library may have something left.
    pub fn leave(&self, feed: &Feed) {
        self.open.set(self.open.get() - 1);
        if feed.is_held() {
            self.left.borrow_mut()[0].push(feed.clone());
        }
        if self.open.get() == 0 && self.counted.get() == Counted::Active {
            self.counted.set(Counted::Idle);
            self.home.slept();
        }
    }
}

/// A connection of which only the socket is left, with what the library still has to say.
pub struct Closing {
    fate: Rc<Fate>,
    counted: Rc<Cell<Counted>>,
}

impl Closing {
    /// Whether that is over.
    pub fn is_closed(&self) -> bool {
        self.counted.get() == Counted::Closed
    }

    /// It ends at once, whatever the library would wait for.
    pub fn doom(&self) {
        self.fate.doomed.set(true);
        if let Some(reader) = self.fate.reader.take() {
            reader.wake();
        }
    }
}

/// Its socket, and what goes with that when it is closed.
struct Io {
    io: Stream,
    home: Rc<Stack>,
    fate: Rc<Fate>,
    counted: Rc<Cell<Counted>>,
    _descriptor: Descriptor,
}

impl Drop for Io {
    fn drop(&mut self) {
        self.home.closed(self.counted.replace(Counted::Closed) == Counted::Idle);
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.fate.allows()?;
        let read = self.io.poll_read(cx, room);
        if read.is_pending() {
            let mut reader = self.fate.reader.borrow_mut();
            if !reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                *reader = Some(cx.waker().clone());
            }
        } else if !self.fate.heard.replace(true) {
            // Those who wait for it look again when this has been understood.
            self.home.heard();
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.fate.allows()?;
        self.io.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.fate.allows()?;
        self.io.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fate.allows()?;
        self.io.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fate.allows()?;
        self.io.poll_shutdown(cx)
    }
}

/// Runs what the library wants to be run, on this worker.
#[derive(Clone)]
struct Spawner;

impl<F: Future + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, future: F) {
        spawn(async { drop(future.await) });
    }
}

fn spawn(future: impl Future<Output = ()> + 'static) {
    #[expect(clippy::disallowed_methods, reason = "a connection's tasks, which end with it")]
    tokio::task::spawn_local(future);
}

/// What an endpoint may send of one answer before its client has taken it …
const STREAM_WINDOW: u32 = 64 * 1024;
/// … and of all: so much that those of slow clients do not hold up the others.
const CONNECTION_WINDOW: u32 = STREAMS as u32 * STREAM_WINDOW;
/// Requests at once on one connection, if the endpoint allows as many.
const STREAMS: usize = 100;
