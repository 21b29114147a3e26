//! A client's connection on a listener that speaks no HTTP: carried to an endpoint until either end of it ends.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::begin::Begun;
use super::tunnel::{self, Carried, Patience};
use super::{Listener, Settings};
use crate::message::exchange::Client;
use crate::net::deadline::Wait;
use crate::net::stream::Secured;
use crate::net::transport::Transport;
use crate::policy::Timeouts;
use crate::proxy::Local;
use crate::proxy::error::Error;
use crate::proxy::finish::result;
use crate::proxy::session::{Way, connect};
use crate::telemetry::access_log::Record;
use crate::unit::Name;

/// A session that is under way. Dropping it is its end: so each is counted and logged once.
struct Session<'a> {
    local: &'a Rc<Local>,
    listener: &'a Listener,
    name: Name,
    client: Client,
    secured: Option<Arc<Secured>>,
    began: Duration,
    way: Way,
    carried: Carried,
    /// Why it did not end in peace.
    failed: Option<Error>,
}

/// Serves a connection to its end.
pub async fn serve(local: &Rc<Local>, listener: &Listener, settings: &Settings, begun: Begun) {
    let Begun { stream, peer, counted: _counted } = begun;
    let secured = stream.secured().cloned();
    let scheme = if secured.is_some() { "tls" } else { "tcp" };
    let trusted = settings.trusts(peer.ip());
    let client = Client { listener: listener.id, peer, trusted, address: peer.ip(), scheme };
    let mut transport = Transport::new(stream, Rc::clone(&local.scratch));
    transport.hold_at_most(settings.limits.connection_buffer.bytes());
    let mut session = Session {
        local,
        listener,
        name: listener.name(),
        client,
        secured,
        began: local.now(),
        way: Way::default(),
        carried: Carried::default(),
        // Until it is known otherwise: also if the task ends in the midst.
        failed: Some(Error::Stopped),
    };
    let transport = RefCell::new(transport);
    session.failed = session.run(&transport, settings.timeouts.write.get()).await.err();
    // What was not begun must not look as if it had ended.
    if session.carried_nothing() {
        transport.borrow().reset_on_close();
    }
}

impl Session<'_> {
    /// It failed before there was a tunnel.
    fn carried_nothing(&self) -> bool {
        self.failed.is_some() && self.way.connect.is_none()
    }

    async fn run(&mut self, client: &RefCell<Transport>, write: Duration) -> Result<(), Error> {
        let deadline = self.local.deadlines.add();
        poll_fn(|cx| {
            deadline.belongs_to(cx);
            Poll::Ready(())
        })
        .await;
        // It outlives configurations: it keeps its route, and nothing else of one.
        let route = {
            let snapshot = self.local.snapshot();
            let router = snapshot.routers.get(self.listener.id).and_then(Option::as_ref);
            router.and_then(|router| router.own()).cloned()
        };
        let route = route.ok_or(Error::ListenerGone)?;
        let body = connect(self.local, &route, self.client, &deadline, &mut self.way).await?;
        deadline.disarm(Wait::End);
        let Timeouts { idle, stream_idle, .. } = route.policy.timeouts;
        drop(route);
        let patience = Patience { stream_idle, idle, write };
        let (local, listener) = (self.local, self.listener);
        let is_cut = || listener.is_cut(local);
        tunnel::carry(client, body, &deadline, patience, is_cut, &mut self.carried).await
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let Self { local, listener, way, .. } = self;
        let (now, shard) = (local.now(), listener.metrics.of(local.worker));
        let took = now - self.began;
        let row = self.failed.map(Error::row);
        let result = row.map_or("ok", result);
        shard.count_session(result, &local.shared.buckets, took);
        shard.received.add(self.carried.up);
        shard.sent.add(self.carried.down);
        let record = Record {
            listener: &self.name,
            route: "none",
            pool: way.pool.as_deref().unwrap_or_default(),
            panic: way.panic,
            received: self.carried.up,
            sent: self.carried.down,
            peer: self.client.peer,
            client: self.client.address,
            scheme: self.client.scheme,
            secured: self.secured.as_deref(),
            endpoint: way.endpoint,
            attempts: way.attempts,
            connect: way.connect,
            took,
            reason: row.map_or("", |row| row.reason),
            result,
            ..Record::default()
        };
        local.lines.borrow_mut().write(&record, now);
    }
}
