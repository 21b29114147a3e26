//! The end of the process: first it only says that it will end, then it accepts no more and lets end what is
//! under way, then it cuts what is left.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use tokio::runtime::Handle;

use super::worker::{Command, Worker};
use crate::proxy::Shared;

/// Waits while whoever balances between several weirs finds out that this one is not ready any more.
pub fn delay(control: &Handle, shared: &Arc<Shared>, delay: Duration) {
    if delay.is_zero() {
        return;
    }
    tracing::info!("stopping: not ready any more, accepting for {delay:?}");
    let (done, over) = channel();
    let (waiting, hurried) = (Arc::clone(shared), || shared.hurried.load(Relaxed));
    control.spawn(async move {
        waiting.clock.sleep(delay).await;
        let _ = done.send(());
    });
    while over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) && !hurried() {}
}

/// Accepts no more, lets connections end within `patience` and cuts the others; returns when the workers are gone.
pub fn drain(workers: Vec<Worker>, shared: &Shared, patience: Duration) {
    let connections = shared.connections.taken();
    tracing::info!(connections, "stopping: no new connections, at most {patience:?} for these");
    match end(workers, patience) {
        0 => tracing::info!("all connections have ended"),
        cut => tracing::warn!(connections = cut, "the time is over: connections were cut"),
    }
}

/// As `drain`, without a word: how many connections were cut.
pub fn end(workers: Vec<Worker>, patience: Duration) -> usize {
    for worker in &workers {
        drop(worker.commands.send(Command::Stop(patience)));
    }
    workers.into_iter().map(|worker| worker.thread.join().unwrap_or(0)).sum()
}

/// How soon a second signal is heard.
const LOOK: Duration = Duration::from_millis(50);
