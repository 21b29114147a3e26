//! Accepting: one loop per listener and worker. A connection is accepted only when there is a place for it.
//!
//! At a limit, and without a descriptor, the loop pauses: who connects waits in the kernel, and costs nothing.
//! It goes on when a connection is closed, on whatever worker, for who has waited longest.

use std::convert::Infallible;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::begin::{self, Begun};
use super::clients::Counted;
use super::pauses::{Cause, News};
use super::{Listener, http1, http2, session};
use crate::net::descriptors::{Descriptor, is_shortage};
use crate::net::places::{Place, Places};
use crate::net::stream::Stream;
use crate::proxy::{Local, Shared};

/// Accepts connections until `closing` fires, and those that have come by then; each becomes a task of this worker.
pub async fn accept(
    listener: Arc<Listener>,
    socket: TcpListener,
    local: Rc<Local>,
    closing: oneshot::Receiver<()>,
) {
    tokio::select! {
        never = accept_all(&listener, &socket, &local) => match never {},
        _ = closing => {}
    }
    if let Ok(socket) = socket.into_std() {
        accept_last(&listener, &socket, &local);
    }
}

/// Accepts whoever comes.
async fn accept_all(
    listener: &Arc<Listener>,
    socket: &TcpListener,
    local: &Rc<Local>,
) -> Infallible {
    let mut entry = Entry::default();
    loop {
        let accepted = entry.accept(listener, socket, local).await;
        match accepted {
            Ok((stream, peer)) => serve(listener, local, mem::take(&mut entry), stream, peer),
            Err(error) if is_shortage(&error) => {
                // Others may find a descriptor yet: files of the process, for which no place is counted.
                mem::take(&mut entry);
                let _waiting = listener.pauses.begin(Cause::Descriptors);
                // Accepting again at once would spin: the connection still waits to be accepted.
                tokio::select! {
                    () = local.shared.descriptors.closed() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            // The client gave up while it waited.
            Err(error) => tracing::debug!(listener = %listener.name(), %error, "accept failed"),
        }
    }
}

/// Accepts who waits in the kernel, as far as there are places: when the socket is closed, they are reset.
fn accept_last(listener: &Arc<Listener>, socket: &std::net::TcpListener, local: &Rc<Local>) {
    loop {
        let mut entry = Entry::default();
        if entry.take(Entry::gates(listener, &local.shared)).is_err() {
            return;
        }
        let Ok((stream, peer)) = socket.accept() else { return };
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        let Ok(stream) = stream else { return };
        serve(listener, local, entry, stream, peer);
    }
}

/// The places that a connection needs, as far as they are taken: one of its listener, one of the process, one
/// among the descriptors. Always in this order, so that nobody waits in a circle: who waits keeps what it has.
#[derive(Default)]
struct Entry([Option<Place>; 3]);

impl Entry {
    /// Where the places are taken.
    fn gates<'a>(listener: &'a Listener, shared: &'a Shared) -> [&'a Arc<Places>; 3] {
        [&listener.places, &shared.connections, &shared.descriptors.places]
    }

    /// Accepts when there is a connection, and a place for it. While there is none, places are not held.
    async fn accept(
        &mut self,
        listener: &Listener,
        socket: &TcpListener,
        local: &Local,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let gates = Self::gates(listener, &local.shared);
        loop {
            let found = std::future::poll_fn(|cx| {
                if let Err(closed) = self.take(gates) {
                    return Poll::Ready(Err(closed));
                }
                let accepted = socket.poll_accept(cx);
                if accepted.is_pending() {
                    *self = Self::default();
                }
                accepted.map(Ok)
            })
            .await;
            match found {
                Ok(accepted) => return accepted,
                Err(closed) => {
                    let cause = if closed == 2 { Cause::Descriptors } else { Cause::Limit };
                    let _waiting = listener.pauses.begin(cause);
                    self.wait(closed, gates).await;
                }
            }
        }
    }

    /// Takes what is missing.
    ///
    /// # Errors
    /// The first of the gates that has no place.
    fn take(&mut self, gates: [&Arc<Places>; 3]) -> Result<(), usize> {
        for (at, (place, gate)) in self.0.iter_mut().zip(gates).enumerate() {
            if place.is_none() {
                *place = Some(gate.take().ok_or(at)?);
            }
        }
        Ok(())
    }

    /// Waits for a place of this gate.
    async fn wait(&mut self, closed: usize, gates: [&Arc<Places>; 3]) {
        self.0[closed] = Some(gates[closed].wait().await);
        if gates.iter().any(|gate| gate.is_overrun()) {
            // A limit was lowered meanwhile: a place that was taken before must not let anybody in.
            *self = Self::default();
        }
    }
}

fn serve(
    listener: &Arc<Listener>,
    local: &Rc<Local>,
    entry: Entry,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let shard = listener.metrics.of(local.worker);
    shard.accepted.add(1);
    // A listener of both families shows IPv4 clients as IPv6 ones.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Entry([Some(own), Some(process), Some(descriptor)]) = entry else { return };
    let descriptor = local.shared.descriptors.keep(descriptor);
    let settings = listener.settings.load();
    if begin::is_needed(&settings) {
        let open = Open::new(listener, local, ([own, process], descriptor, None));
        let settings = Arc::clone(&settings);
        #[expect(clippy::disallowed_methods, reason = "one task per connection is spawned here")]
        tokio::task::spawn_local(async move {
            let Open { listener, local, .. } = &open;
            // In a box of its own: the connection outlives it.
            let begun = Box::pin(begin::begin(local, listener, &settings, stream, peer)).await;
            let Some(begun) = begun else { return };
            if !settings.protocol.is_http() {
                return Box::pin(session::serve(local, listener, settings, begun)).await;
            }
            drop(settings);
            let Begun { stream, peer, counted: _counted } = begun;
            if stream.has_http2() {
                return Box::pin(http2::serve(local, listener, stream, Vec::new(), peer)).await;
            }
            http(local, listener, http1::Connection::new(local, listener, stream, peer)).await;
        });
        return;
    }
    let most = settings.limits.connections_per_client;
    let Ok(counted) = listener.clients.enter(peer.ip(), most) else {
        shard.limited.add(1);
        return;
    };
    let open = Open::new(listener, local, ([own, process], descriptor, counted));
    let connection = http1::Connection::new(local, listener, Stream::Plain(stream.into()), peer);
    #[expect(clippy::disallowed_methods, reason = "or here, where nothing comes before HTTP")]
    tokio::task::spawn_local(async move {
        http(&open.local, &open.listener, connection).await;
    });
}

/// Serves a connection that speaks HTTP. If that turns out to be HTTP/2 it has a box of its own: the others stay small.
async fn http(local: &Rc<Local>, listener: &Arc<Listener>, connection: Rc<http1::Connection>) {
    let peer = connection.peer;
    if let Some((stream, received)) = http1::serve(local, listener, connection).await {
        Box::pin(http2::serve(local, listener, stream, received, peer)).await;
    }
}

/// An open connection, counted while it exists; to be dropped after its socket.
struct Open {
    listener: Arc<Listener>,
    local: Rc<Local>,
    _places: Taken,
}

type Taken = ([Place; 2], Descriptor, Option<Counted>);

impl Open {
    fn new(listener: &Arc<Listener>, local: &Rc<Local>, places: Taken) -> Self {
        listener.metrics.of(local.worker).connections.add(1);
        local.open.set(local.open.get() + 1);
        Self { listener: Arc::clone(listener), local: Rc::clone(local), _places: places }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let local = &self.local;
        self.listener.metrics.of(local.worker).connections.sub(1);
        local.open.set(local.open.get() - 1);
        if std::thread::panicking() {
            local.shared.panics.fetch_add(1, Relaxed);
        }
    }
}

impl Listener {
    /// Whether connections are to end when nothing is under way on them.
    pub fn leaves(&self, local: &Local) -> bool {
        local.stopping.get() || self.leaving.has_begun()
    }

    /// Whether they are to end now, whatever they do.
    pub fn is_cut(&self, local: &Local) -> bool {
        local.cut.get() || self.leaving.is_over(local.deadlines.now())
    }

    /// A worker's sweep looks whether accepting is paused; who finds out counts it and tells.
    pub fn look(&self, local: &Local, now: Duration) {
        for cause in Cause::ALL {
            let Some(news) = self.pauses.look(cause, now) else { continue };
            let name = self.name();
            if news == News::Over {
                tracing::info!(listener = %name, "accepting again");
                continue;
            }
            self.metrics.of(local.worker).pauses[cause as usize].add(1);
            let because = match cause {
                Cause::Limit if self.places.is_full() => "its `max_connections` are open",
                Cause::Limit => "`runtime.max_connections` are open",
                Cause::Descriptors => "no descriptor is left",
            };
            tracing::warn!(listener = %name, "accepting is paused: {because}");
        }
    }
}

/// How long accepting pauses at most when the kernel has no descriptor left.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::listener::Settings;
    use crate::telemetry::access_log;
    use crate::telemetry::listener::ListenerMetrics;
    use crate::unit::Name;

    /// Nothing from the wire panics, so a bug is made here.
    #[tokio::test]
    async fn a_panic_ends_its_own_connection_only_and_is_counted() {
        let (listener, local) = worker();
        let shared = &local.shared;
        let open = || {
            let places = [listener.places.take().unwrap(), Places::new(1).take().unwrap()];
            let descriptor = shared.descriptors.take().unwrap();
            Open::new(&listener, &local, (places, descriptor, None))
        };
        let other = open();
        let lost = open();
        let tasks = tokio::task::LocalSet::new();
        let task = tasks.spawn_local(async move {
            let _lost = lost;
            panic!("as a bug would");
        });
        assert!(tasks.run_until(task).await.is_err_and(|error| error.is_panic()));
        assert_eq!(shared.panics.load(Relaxed), 1);
        assert_eq!(local.open.get(), 1, "the other one goes on");
        drop(other);
        assert_eq!(shared.panics.load(Relaxed), 1, "an ordinary end is none");
        assert_eq!(local.open.get(), 0);
    }

    /// A listener, and a worker that accepts for it.
    fn worker() -> (Arc<Listener>, Rc<Local>) {
        let (mut lines, _writer, _switch) =
            access_log::open(&access_log::Config::default(), 1, &Arc::default()).unwrap();
        let section = toml::from_str("address = \"127.0.0.1:0\"").unwrap();
        let settings = Arc::new(Settings::new(&Name::none(), &section, None));
        let listener = Arc::new(Listener::new(0, ListenerMetrics::new(1), settings));
        (listener, Local::new(0, Shared::bare(), lines.remove(0)))
    }

    #[tokio::test]
    async fn who_has_connected_is_served_though_the_socket_is_to_be_closed() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let clients = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
        let (listener, local) = worker();
        local.shared.connections.set_limit(8);
        let (close, closing) = oneshot::channel();
        drop(close);
        let socket = TcpListener::from_std(socket).unwrap();
        let tasks = tokio::task::LocalSet::new();
        tasks.run_until(accept(listener, socket, Rc::clone(&local), closing)).await;
        assert_eq!(local.open.get(), clients.len());
        assert!(std::net::TcpStream::connect(address).is_err(), "and nobody else");
    }

    #[test]
    fn a_place_that_was_taken_under_a_higher_limit_lets_nobody_in() {
        let cx = &mut Context::from_waker(Waker::noop());
        for (limit, kept) in [(1, true), (0, false)] {
            let (listener, process) = (Places::new(1), Places::new(1));
            let descriptors = Places::new(1);
            let gates = [&listener, &process, &descriptors];
            let other = process.take();
            let mut entry = Entry::default();
            assert_eq!(entry.take(gates), Err(1), "the process is full");
            {
                let mut waiting = pin!(entry.wait(1, gates));
                assert!(waiting.as_mut().poll(cx).is_pending());
                listener.set_limit(limit);
                drop(other);
                assert!(waiting.as_mut().poll(cx).is_ready());
            }
            assert_eq!(entry.take(gates).is_ok(), kept, "a limit of {limit}");
        }
    }
}
