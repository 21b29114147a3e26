//! A worker: a thread with a runtime, listening sockets and connections of its own.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
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
    /// Accept no more at all, let what is under way end within this time, and end.
    Stop(Duration),
}

/// A running worker.
pub struct Worker {
    /// Takes commands.
    pub commands: UnboundedSender<Command>,
    /// Ends when the worker has stopped.
    pub thread: JoinHandle<()>,
}

/// Starts a worker.
///
/// # Errors
/// The system gives no thread, or no event queue.
pub fn start(number: usize, shared: Arc<Shared>, lines: Lines) -> io::Result<Worker> {
    let (commands, receiver) = unbounded_channel();
    let (ready, started) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let built = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match built {
            Ok(runtime) => {
                drop(ready.send(Ok(())));
                runtime.block_on(run(Local::new(number, shared, lines), receiver));
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    })?;
    started.recv().map_err(io::Error::other)??;
    Ok(Worker { commands, thread })
}

async fn run(local: Rc<Local>, mut commands: UnboundedReceiver<Command>) {
    let mut listening: HashMap<usize, (Arc<Listener>, oneshot::Sender<()>)> = HashMap::new();
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0_u32;
    let patience = loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Listen(listener, socket)) => {
                    if let Some(close) = listen(&local, &listener, socket) {
                        listening.insert(listener.id, (listener, close));
                    }
                }
                Some(Command::Close(id)) => drop(listening.remove(&id)),
                Some(Command::Look(done)) => {
                    sweep(&local);
                    sweep_seldom(&local);
                    let _ = done.try_send(());
                }
                Some(Command::Stop(patience)) => break patience,
                None => break Duration::ZERO,
            },
            _ = ticks.tick() => {
                tick(&local, &mut count);
                let now = local.deadlines.now();
                listening.values().for_each(|(listener, _)| listener.look(&local, now));
            }
        }
    };
    drop(listening);
    local.stopping.set(true);
    local.connections.clear();
    let until = local.now() + patience;
    loop {
        local.deadlines.wake_all();
        ticks.tick().await;
        tick(&local, &mut count);
        local.connections.clear();
        if local.open.get() == 0 || local.now() >= until {
            break;
        }
    }
    local.lines.borrow_mut().flush();
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

fn tick(local: &Local, count: &mut u32) {
    sweep(local);
    *count = count.wrapping_add(1);
    if count.is_multiple_of(SECOND) {
        sweep_seldom(local);
    }
}

/// Ends what has waited too long.
fn sweep(local: &Local) {
    local.deadlines.sweep(local.now());
    local.date.borrow_mut().look();
}

/// Closes idle connections and hands over the log: once a second is enough.
fn sweep_seldom(local: &Local) {
    local.connections.sweep(local.now());
    local.lines.borrow_mut().flush();
}

/// So many sweeps are about a second.
const SECOND: u32 = 10;
