//! A worker: a thread with a runtime, listening sockets and connections of its own.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, RuntimeMetrics};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use crate::listener::{Listener, accept};
use crate::net::deadline::SWEEP;
use crate::proxy::{Local, Shared};
use crate::telemetry::access_log::Lines;

/// What a worker is told to do.
pub enum Command {
    /// Accept connections on a socket.
    Listen(Arc<Listener>, TcpListener),
    /// Accept no more on the listener of this number.
    Close(usize),
    /// Look at the clock now, which was moved, and say when that is done.
    Look(SyncSender<()>),
    /// Accept no more at all, let what is under way end within this time, cut what is left, and end.
    Stop(Duration),
}

/// A running worker.
pub struct Worker {
    /// Takes commands.
    pub commands: UnboundedSender<Command>,
    /// What its event loop says of itself.
    pub metrics: RuntimeMetrics,
    /// Ends when the worker has stopped; how many connections it had to cut.
    pub thread: JoinHandle<usize>,
}

/// Starts a worker.
///
/// # Errors
/// The system gives no thread, or no event queue.
pub fn start(number: usize, shared: Arc<Shared>, lines: Lines) -> io::Result<Worker> {
    let (commands, receiver) = unbounded_channel();
    let (ready, started) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let _alive = Alive { number, shared: Arc::clone(&shared) };
        let built = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match built {
            Ok(runtime) => {
                drop(ready.send(Ok(runtime.metrics())));
                runtime.block_on(run(Local::new(number, shared, lines), receiver))
            }
            Err(error) => {
                drop(ready.send(Err(error)));
                0
            }
        }
    })?;
    let metrics = started.recv().map_err(io::Error::other)??;
    Ok(Worker { commands, metrics, thread })
}

/// Tells when a worker ends as it should not: its connections are lost, and others take its clients.
struct Alive {
    number: usize,
    shared: Arc<Shared>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.panics.fetch_add(1, Relaxed);
            tracing::error!(worker = self.number, "a worker was lost to a bug in weir: restart it");
        }
    }
}

async fn run(local: Rc<Local>, mut commands: UnboundedReceiver<Command>) -> usize {
    let mut listening: HashMap<usize, (Arc<Listener>, oneshot::Sender<()>)> = HashMap::new();
    let mut sweeps = Sweeps::default();
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let patience = loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Listen(listener, socket)) => {
                    if let Some(close) = listen(&local, &listener, socket) {
                        listening.insert(listener.id, (listener, close));
                    }
                }
                Some(Command::Close(id)) => {
                    sweeps.leaving.extend(listening.remove(&id).map(|(listener, _)| listener));
                    local.deadlines.wake_all();
                }
                Some(Command::Look(done)) => {
                    sweeps.look(&local, true);
                    let _ = done.try_send(());
                }
                Some(Command::Stop(patience)) => break patience,
                None => break Duration::ZERO,
            },
            _ = ticks.tick() => {
                sweeps.sweep(&local);
                let now = local.deadlines.now();
                listening.values().for_each(|(listener, _)| listener.look(&local, now));
            }
        }
    };
    drop(listening);
    local.stopping.set(true);
    local.connections.clear();
    local.deadlines.wake_all();
    let until = local.now().saturating_add(patience);
    while local.now() < until && !local.shared.hurried.load(Relaxed) {
        ticks.tick().await;
        sweeps.sweep(&local);
        local.connections.clear();
        if local.open.get() == 0 {
            break;
        }
    }
    let cut = cut(&local).await;
    local.lines.borrow_mut().flush();
    cut
}

/// Cuts the connections that are left; how many.
async fn cut(local: &Local) -> usize {
    local.cut.set(true);
    local.deadlines.wake_all();
    let cut = local.open.get();
    let mut before = usize::MAX;
    // Each turn of the event loop lets some of them notice.
    while (1..before).contains(&local.open.get()) {
        before = local.open.get();
        tokio::task::yield_now().await;
    }
    cut
}

/// Accepts on a socket until what is answered is dropped.
fn listen(
    local: &Rc<Local>,
    listener: &Arc<Listener>,
    socket: TcpListener,
) -> Option<oneshot::Sender<()>> {
    let name = listener.name();
    let socket = tokio::net::TcpListener::from_std(socket)
        .inspect_err(|error| tracing::error!(listener = %name, %error, "cannot listen"))
        .ok()?;
    let (close, closed) = oneshot::channel();
    let accepting = accept(Arc::clone(listener), socket, Rc::clone(local), closed);
    #[expect(clippy::disallowed_methods, reason = "a listener's accept loop")]
    tokio::task::spawn_local(accepting);
    Some(close)
}

/// What a worker looks after from time to time.
#[derive(Default)]
struct Sweeps {
    count: u32,
    /// Listeners that are gone, and whose connections still have time.
    leaving: Vec<Arc<Listener>>,
}

impl Sweeps {
    /// One of them, several times a second.
    fn sweep(&mut self, local: &Local) {
        self.count = self.count.wrapping_add(1);
        self.look(local, self.count.is_multiple_of(SECOND));
    }

    /// Ends what has waited too long; now and then also closes idle connections.
    fn look(&mut self, local: &Local, thoroughly: bool) {
        let now = local.now();
        local.deadlines.sweep(now);
        local.date.borrow_mut().look();
        let before = self.leaving.len();
        self.leaving.retain(|listener| !listener.leaving.is_over(now));
        let mut cut = self.leaving.len() < before;
        local.connections.make_room();
        if thoroughly {
            cut |= local.connections.sweep(now);
        }
        local.lines.borrow_mut().look(now);
        if cut {
            local.deadlines.wake_all();
        }
    }
}

/// So many sweeps are about a second.
const SECOND: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_ends_by_a_panic_is_counted() {
        let shared = Shared::bare();
        let alive = || Alive { number: 0, shared: Arc::clone(&shared) };
        drop(alive());
        assert_eq!(shared.panics.load(Relaxed), 0);
        let lost = alive();
        let thread = std::thread::spawn(move || {
            let _lost = lost;
            panic!("as a bug would");
        });
        assert!(thread.join().is_err());
        assert_eq!(shared.panics.load(Relaxed), 1);
    }
}
