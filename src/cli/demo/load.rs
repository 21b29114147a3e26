//! The demo's load: a few clients that keep their connections and send one GET after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::message::fetch::Fetch;

/// What the clients have seen so far.
#[derive(Default)]
pub struct Seen {
    /// By who answered.
    answers: Mutex<Vec<(&'static str, u64)>>,
    /// Requests without the answer they should have had.
    failed: AtomicU64,
    /// Requests that had it.
    served: AtomicU64,
    /// Connections opened.
    connections: AtomicU64,
}

/// Clients at work; they stop when it is dropped.
pub struct Load {
    /// What they have seen.
    pub seen: Arc<Seen>,
    _clients: JoinSet<()>,
}

impl Load {
    /// Starts the clients. `names` are the answers that count as answers.
    pub fn start(address: SocketAddr, names: &'static [&'static str]) -> Self {
        let seen = Arc::new(Seen::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(client(address, names, Arc::clone(&seen)));
        }
        Self { seen, _clients: clients }
    }
}

async fn client(address: SocketAddr, names: &'static [&'static str], seen: Arc<Seen>) {
    loop {
        seen.connections.fetch_add(1, Relaxed);
        if let Ok(mut connection) = Fetch::connect(address).await {
            while let Some(name) = ask(&mut connection, names).await {
                seen.count(name);
                tokio::time::sleep(PAUSE).await;
            }
        }
        seen.failed.fetch_add(1, Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(connection: &mut Fetch, names: &'static [&'static str]) -> Option<&'static str> {
    let (status, body) = connection.get("/").await.ok()?;
    let answer = body.trim_ascii();
    names.iter().copied().find(|name| status.is_success() && name.as_bytes() == answer)
}

impl Seen {
    /// Who answered how often since the last call.
    pub fn take(&self) -> Vec<(&'static str, u64)> {
        let mut answers = std::mem::take(&mut *self.answers.lock());
        answers.sort_unstable();
        answers
    }

    /// Requests that were answered so far.
    pub fn served(&self) -> u64 {
        self.served.load(Relaxed)
    }

    /// Requests that failed so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Connections that were closed under a client so far.
    pub fn closed(&self) -> u64 {
        self.connections.load(Relaxed).saturating_sub(CLIENTS)
    }

    fn count(&self, name: &'static str) {
        self.served.fetch_add(1, Relaxed);
        let mut answers = self.answers.lock();
        match answers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => answers.push((name, 1)),
        }
    }
}

/// Clients, each with one connection …
const CLIENTS: u64 = 8;
/// … that waits so long after each answer: some hundred requests a second in all.
const PAUSE: Duration = Duration::from_millis(10);
