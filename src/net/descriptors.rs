//! Descriptors: how many connections the limit on open files carries, and what happens when none is left.
//!
//! Connections of clients and to endpoints share what is left of the limit after what the process itself has
//! open, and after a reserve for what must always work: the metrics port, checks, files of configuration.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::Notify;

use super::places::{Place, Places, Waiting};

/// The descriptors that connections may have, of clients and to endpoints together.
pub struct Descriptors {
    /// One for each.
    pub places: Arc<Places>,
    /// How many wait because the kernel has none, whatever is counted here.
    short: AtomicUsize,
    /// How many are of connections to endpoints.
    endpoints: AtomicUsize,
    closed: Notify,
}

/// The descriptor of a connection; it must be dropped after the socket.
pub struct Descriptor {
    _place: Place,
    _closed: Closed,
}

struct Closed {
    home: Arc<Descriptors>,
    of_endpoint: bool,
}

impl Descriptors {
    /// For so many connections.
    pub fn new(connections: usize) -> Arc<Self> {
        let places = Places::new(connections);
        let (short, endpoints) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { places, short, endpoints, closed: Notify::new() })
    }

    /// One for a connection to an endpoint, if one is left: a request that is here comes before clients who may bring
    /// one.
    pub fn take(self: &Arc<Self>) -> Option<Descriptor> {
        self.places.take_first().map(|place| self.keep_for_endpoint(place))
    }

    /// The same for a connection that could as well be closed: only while nobody waits for one and endpoints have less
    /// than their fifth.
    pub fn take_spare(self: &Arc<Self>) -> Option<Descriptor> {
        let has_room = self.endpoints.load(SeqCst) < self.places.limit() / 5;
        if has_room && self.wanted() == 0 { self.take() } else { None }
    }

    /// The same as `take`, as soon as one is left: workers close idle connections for it.
    pub async fn ask(self: &Arc<Self>) -> Descriptor {
        self.keep_for_endpoint(self.places.wait_first().await)
    }

    /// How many idle connections to endpoints should be closed: for requests that wait for one, and for clients that
    /// do, as long as endpoints have more than their fifth.
    pub fn wanted(&self) -> usize {
        if self.places.waiting() == 0 {
            return self.places.first();
        }
        let most = self.places.limit() / 5;
        let over = self.endpoints.load(SeqCst).saturating_sub(most);
        // How many clients stand behind an acceptor that waits is not known: a part of it at each look.
        self.places.first() + over.div_ceil(4)
    }

    /// The connection has come that the place was taken for.
    pub fn keep(self: &Arc<Self>, place: Place) -> Descriptor {
        Descriptor { _place: place, _closed: Closed { home: Arc::clone(self), of_endpoint: false } }
    }

    fn keep_for_endpoint(self: &Arc<Self>, place: Place) -> Descriptor {
        self.endpoints.fetch_add(1, SeqCst);
        Descriptor { _place: place, _closed: Closed { home: Arc::clone(self), of_endpoint: true } }
    }

    /// Waits until a connection is closed; others of the process may close files unheard.
    pub async fn closed(&self) {
        let _waiting = Waiting::begin(&self.short);
        self.closed.notified().await;
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        if self.of_endpoint {
            self.home.endpoints.fetch_sub(1, SeqCst);
        }
        if self.home.short.load(SeqCst) > 0 {
            self.home.closed.notify_waiters();
        }
    }
}

/// What the limit on open files is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The limit.
    pub limit: usize,
    /// What the process has open for itself.
    pub own: usize,
    /// What is kept for the metrics port, for checks and for files.
    pub reserve: usize,
}

impl Budget {
    /// What there is now, before any connection.
    ///
    /// # Errors
    /// What the kernel says, or a sentence: the limit leaves nothing for connections.
    pub fn measure() -> io::Result<Self> {
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let budget = Self::of(limit, open());
        if budget.connections() < LEAST {
            return Err(io::Error::other(format!(
                "the limit on open files is {limit}, which leaves nothing for connections: raise it \
                 (`ulimit -n`, or LimitNOFILE= of the service)"
            )));
        }
        Ok(budget)
    }

    /// Of this limit, when so many are open.
    pub fn of(limit: u64, own: usize) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(PLENTY);
        Self { limit, own, reserve: (limit / 8).clamp(8, 512) }
    }

    /// The same when weir has so many more open for itself.
    pub const fn with(self, more: usize) -> Self {
        Self { own: self.own + more, ..self }
    }

    /// How many connections it carries, of clients and to endpoints.
    pub fn connections(&self) -> usize {
        self.limit.saturating_sub(self.own + self.reserve)
    }

    /// How many of them clients may have, unless the configuration says it: 80 %.
    pub fn clients(&self) -> usize {
        self.connections() * 4 / 5
    }
}

/// Raises the limit on open files to what the system allows; answers (before, after).
///
/// # Errors
/// What the kernel says.
pub fn raise_limit() -> io::Result<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok((soft, hard))
}

/// Whether the kernel has nothing left to make a socket of: nobody else is to blame.
pub fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM))
}

/// How many descriptors the process has open.
fn open() -> usize {
    // Reading the list opens one more.
    let count = |path| fs::read_dir(path).map(|entries| entries.count().saturating_sub(1));
    count("/proc/self/fd").or_else(|_| count("/dev/fd")).unwrap_or(UNKNOWN)
}

/// One for a client, and one for its endpoint.
const LEAST: usize = 2;
/// More connections than this are no number but no limit.
const PLENTY: usize = 10_000_000;
/// What a process has open where the system does not tell.
const UNKNOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_for_connections_and_a_fifth_of_it_for_endpoints() {
        let budget = Budget::of(1024, 24);
        assert_eq!((budget.reserve, budget.connections(), budget.clients()), (128, 872, 697));
        let small = Budget::of(64, 30);
        assert_eq!((small.reserve, small.connections(), small.clients()), (8, 26, 20));
        assert_eq!(Budget::of(30, 30).connections(), 0);
        let huge = Budget::of(u64::MAX, 30);
        assert!(huge.clients() < huge.connections() && huge.connections() > 9_000_000);
    }

    #[test]
    fn what_is_opened_is_counted() {
        let before = open();
        let files: Vec<_> = (0..200).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        // Other tests open and close files meanwhile, but not so many.
        assert!(open() >= before + 100, "{before}");
        drop(files);
    }
}
