//! A client's connection on a listener that speaks no HTTP: carried to an endpoint until either end of it ends.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::begin::Begun;
use super::tunnel::{self, Carried, Patience};
use super::{Listener, Protocol, Settings};
use crate::message::body::Body;
use crate::message::exchange::{Arrival, Client, Exchange};
use crate::message::head::Head;
use crate::net::deadline::{Deadline, Wait};
use crate::net::stream::Secured;
use crate::net::transport::Transport;
use crate::policy::Timeouts;
use crate::proxy::Local;
use crate::proxy::error::Error;
use crate::proxy::finish::result;
use crate::proxy::session::{Way, connect};
use crate::route::Route;
use crate::telemetry::access_log::{Record, Rule};
use crate::tls::hello::{Hello, LONGEST, UNRECOGNIZED_NAME};
use crate::unit::Name;

/// A session that is under way. Dropping it is its end: so each is counted and logged once.
struct Session<'a> {
    local: &'a Rc<Local>,
    listener: &'a Listener,
    name: Name,
    client: Client,
    secured: Option<Arc<Secured>>,
    protocol: Protocol,
    /// How long the first words may take.
    handshake: Duration,
    began: Duration,
    /// The route it has taken, and what that says of its line.
    route: Option<Name>,
    rule: Rule,
    way: Way,
    carried: Carried,
    /// Why it did not end in peace.
    failed: Option<Error>,
}

/// Serves a connection to its end.
pub async fn serve(local: &Rc<Local>, listener: &Listener, settings: Arc<Settings>, begun: Begun) {
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
        protocol: settings.protocol,
        handshake: settings.timeouts.handshake.get(),
        route: None,
        rule: Rule::default(),
        began: local.now(),
        way: Way::default(),
        carried: Carried::default(),
        // Until it is known otherwise: also if the task ends in the midst.
        failed: Some(Error::Stopped),
    };
    let (transport, write) = (RefCell::new(transport), settings.timeouts.write.get());
    // It outlives configurations.
    drop(settings);
    session.failed = session.run(&transport, write).await.err();
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
        if self.protocol == Protocol::TlsPassthrough {
            let asked = self.unless_cut(self.asked(client, &deadline)).await?;
            let server_name = asked.unwrap_or_default();
            self.secured = Some(Arc::new(Secured { server_name, ..Secured::default() }));
        }
        let route = self.find_route();
        if matches!(route, Err(Error::NoRoute)) && self.protocol == Protocol::TlsPassthrough {
            let mut client = client.borrow_mut();
            client.outbox().extend_from_slice(UNRECOGNIZED_NAME);
            client.flush_now();
        }
        let route = route?;
        (self.route, self.rule) = (Some(route.name.clone()), route.policy.logging);
        let mut way = std::mem::take(&mut self.way);
        let connecting = connect(self.local, &route, self.client, &deadline, &mut way);
        let body = self.unless_cut(connecting).await;
        self.way = way;
        let body = body?;
        deadline.disarm(Wait::End);
        let Timeouts { idle, stream_idle, .. } = route.policy.timeouts;
        drop(route);
        // A side that has ended may wait for as long as it likes for what the other one says.
        let patience =
            Patience { stream_idle, idle: idle.min(stream_idle), write, rest: stream_idle };
        let (local, listener) = (self.local, self.listener);
        let is_cut = || listener.is_cut(local);
        tunnel::carry(client, body, &deadline, patience, is_cut, &mut self.carried).await
    }

    /// The route of the name that is asked for, else what the listener itself says.
    fn find_route(&self) -> Result<Arc<Route>, Error> {
        let snapshot = self.local.snapshot();
        let router = snapshot.routers.get(self.listener.id).and_then(Option::as_ref);
        let router = router.ok_or(Error::ListenerGone)?;
        let mut head = Head::default();
        let name = self.secured.as_deref().map_or("", |secured| &secured.server_name);
        head.host = head.append(name.to_ascii_lowercase().as_bytes());
        head.path = head.append(b"/");
        let arrival = Arrival { at: self.began, pipelined: false };
        let x = Exchange::new(head, Body::Empty, self.client, arrival);
        router.find(&x).map(|id| Arc::clone(router.route(id))).ok_or(Error::NoRoute)
    }

    /// The work's result, unless the listener's time is over.
    async fn unless_cut<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let done = work.as_mut().poll(cx);
            if done.is_pending() && self.listener.is_cut(self.local) {
                return Poll::Ready(Err(Error::Stopped));
            }
            done
        })
        .await
    }

    /// The name that a client asks for whose TLS does not end here. What it said waits to be carried on.
    async fn asked(
        &self,
        client: &RefCell<Transport>,
        deadline: &Deadline,
    ) -> Result<Option<String>, Error> {
        deadline.arm(Wait::Step, self.handshake);
        let mut hello = Hello::default();
        poll_fn(|cx| {
            let mut client = client.borrow_mut();
            loop {
                match hello.look(client.received()) {
                    Ok(None) if client.received().len() < LONGEST => {}
                    Ok(Some(asked)) => return Poll::Ready(Ok(asked)),
                    _ => return Poll::Ready(Err(Error::BadHello)),
                }
                match client.poll_receive(cx, LONGEST) {
                    Poll::Ready(Ok(read)) if read > 0 => {}
                    Poll::Ready(_) => return Poll::Ready(Err(Error::ClientGone)),
                    Poll::Pending => {
                        client.park();
                        return if deadline.passed(Wait::Step) {
                            Poll::Ready(Err(Error::HeaderTimeout))
                        } else {
                            Poll::Pending
                        };
                    }
                }
            }
        })
        .await
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
            route: self.route.as_deref().filter(|name| !name.is_empty()).unwrap_or("none"),
            pool: way.pool.as_deref().unwrap_or_default(),
            panic: way.panic,
            rule: self.rule,
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
