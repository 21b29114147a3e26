//! The end of a request, whichever way it ends: metrics and the access log.
//!
//! A request is tracked from the moment its head is understood. Dropping what tracks it is the end, so
//! every request is counted and logged once, also one whose client left, or whose task panicked.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Blame, Error, Row};
use super::{Local, Reading};
use crate::message::exchange::Exchange;
use crate::message::grpc;
use crate::message::head::Known;
use crate::message::reply::Reply;
use crate::message::withheld::Withheld;
use crate::route::{Route, RouteId};
use crate::telemetry::access_log::Record;
use crate::telemetry::http::{METHODS, RouteShard, Stream};
use crate::unit::Name;

/// A request that is under way, and its answer once there is one.
pub struct Tracked {
    /// The request.
    pub x: Exchange,
    /// The answer: `None` until there is one.
    pub reply: Option<Reply>,
    /// How many bytes of the answer's body the client was sent.
    pub sent: u64,
    /// How many bytes of the request's body were read.
    pub received: u64,
    /// How long it waited for others; `None`: it was dropped in the midst.
    pub waited: Option<Duration>,
    /// The answer was written whole.
    pub ended: bool,
    /// How the call ended, if it is one and says so.
    pub grpc: Option<grpc::Status>,
    /// Why there is no answer of an endpoint, or only a part of one.
    pub failed: Option<Error>,
    local: Rc<Local>,
    reads: Reads,
}

/// What a request knows of the configuration.
enum Reads {
    /// The one that was active when it came, and its route, once it is found.
    Snapshot(Rc<Reading>, Option<RouteId>),
    /// A stream outlives configurations: it keeps its route and the name of its listener, and what it counts as.
    Stream(Arc<Route>, Name, Stream),
}

impl Reads {
    /// The route, of the listener of this number.
    fn route(&self, listener: usize) -> Option<&Route> {
        match self {
            Self::Snapshot(snapshot, id) => {
                let router = snapshot.routers.get(listener)?.as_ref()?;
                Some(router.route((*id)?))
            }
            Self::Stream(route, ..) => Some(route),
        }
    }
}

/// The beginning of a request: it reads the configuration that is active now, to its end.
pub fn track(local: &Rc<Local>, x: Exchange) -> Tracked {
    Tracked {
        x,
        reply: None,
        sent: 0,
        received: 0,
        waited: None,
        ended: false,
        grpc: None,
        failed: None,
        local: Rc::clone(local),
        reads: Reads::Snapshot(local.snapshot(), None),
    }
}

/// A request whose head could not be understood: there is nothing to track, but it is counted and logged.
pub fn refused(local: &Local, x: &Exchange, error: Error) {
    let snapshot = local.snapshot();
    let shard = snapshot.unmatched.of(local.worker);
    let (row, now) = (error.row(), local.now());
    shard.refuse(error as usize);
    // Its method is not to be trusted more than the rest of it.
    let times = &local.shared.buckets;
    shard.count(METHODS - 1, row.status, times, now - x.started);
    let record = Record {
        listener: snapshot.listener(x.client.listener),
        route: "none",
        status: row.status,
        peer: x.client.peer,
        client: x.client.address,
        took: now - x.started,
        reason: row.reason,
        result: result(row),
        ..Record::default()
    };
    local.lines.borrow_mut().write(&record, now);
}

/// The class of a failure, for the access log.
pub fn result(row: &Row) -> &'static str {
    match row.error {
        Error::NoEndpoint => "no_endpoint",
        Error::ClientGone => "client_gone",
        _ if row.reason.ends_with("timeout") => "timeout",
        _ if row.blame == Blame::Client => "refused",
        _ if row.blame == Blame::Weir => "internal",
        _ => "upstream_error",
    }
}

impl Tracked {
    /// Finds the route of the request; from now on it is in flight there.
    ///
    /// # Errors
    /// There is none, or its listener has been taken out.
    pub fn find_route<'a>(&mut self, snapshot: &'a Rc<Reading>) -> Result<&'a Route, Error> {
        let router = snapshot.routers.get(self.x.client.listener).and_then(Option::as_ref);
        let router = router.ok_or(Error::ListenerGone)?;
        let id = router.find(&self.x).ok_or(Error::NoRoute)?;
        let route = router.route(id);
        route.metrics.of(self.local.worker).in_flight.add(1);
        self.reads = Reads::Snapshot(Rc::clone(snapshot), Some(id));
        Ok(route)
    }

    /// The configuration it reads.
    pub fn snapshot(&self) -> Rc<Reading> {
        match &self.reads {
            Reads::Snapshot(snapshot, _) => Rc::clone(snapshot),
            Reads::Stream(..) => self.local.snapshot(),
        }
    }

    /// Trailers of its answer that are not passed on.
    pub fn withheld(&self) -> Withheld {
        self.route().map(|route| route.policy.withheld.response.clone()).unwrap_or_default()
    }

    /// How long its answer may be silent.
    pub fn idle(&self) -> Duration {
        let timeouts = self.route().map(|route| route.policy.timeouts);
        timeouts.unwrap_or_default().idle
    }

    /// Whether it may be silent for long: a call, or its answer is a stream of server-sent events.
    pub fn is_stream(&self) -> bool {
        if grpc::is_call(&self.x.head) {
            return true;
        }
        let kind = self.reply.as_ref().and_then(|reply| reply.head.get(Known::ContentType));
        kind.and_then(|kind| kind.get(..EVENT_STREAM.len()))
            .is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM.as_bytes()))
    }

    /// From now on it is a stream, which may last for days: it keeps no configuration alive. How long it may be
    /// silent.
    pub fn become_stream(&mut self) -> Duration {
        let Reads::Snapshot(snapshot, Some(id)) = &self.reads else { return self.idle() };
        let router = snapshot.routers.get(self.x.client.listener).and_then(Option::as_ref);
        let Some(router) = router else { return self.idle() };
        let route = Arc::clone(router.route(*id));
        let name = snapshot.listeners.get(self.x.client.listener).cloned();
        let kind = match &self.reply {
            _ if grpc::is_call(&self.x.head) => Stream::Grpc,
            Some(reply) if reply.head.status != 101 => Stream::Sse,
            Some(reply)
                if reply.head.text(reply.head.upgrade).eq_ignore_ascii_case("websocket") =>
            {
                Stream::Websocket
            }
            _ => Stream::Upgrade,
        };
        route.metrics.of(self.local.worker).streams[kind as usize].add(1);
        let idle = route.policy.timeouts.stream_idle;
        self.reads = Reads::Stream(route, name.unwrap_or_else(Name::none), kind);
        idle
    }

    /// An endpoint has answered.
    pub fn answer(&mut self, reply: Reply) {
        self.reply = Some(reply);
    }

    /// Weir answers with an error.
    pub fn refuse(&mut self, error: Error) {
        self.fail(error);
        if error.row().status != 0 {
            let head = self.local.heads.take();
            let call = grpc::is_call(&self.x.head);
            self.reply = Some(if call { error.refusal(head) } else { error.reply(head) });
        }
    }

    /// Lets the steps of its route change the answer, in reverse order.
    pub fn finish_reply(&mut self) {
        let route = self.reads.route(self.x.client.listener);
        let (Some(reply), Some(route)) = (&mut self.reply, route) else { return };
        for step in route.policy.steps.iter().rev() {
            step.on_response(&self.x, reply);
        }
    }

    /// The request failed, or its answer was broken off.
    pub fn fail(&mut self, error: Error) {
        self.failed = Some(error);
    }

    /// Whether the listener it came on is still in the configuration; else its connection closes.
    pub fn is_current(&self) -> bool {
        let routers = &self.local.snapshot().routers;
        routers.get(self.x.client.listener).is_some_and(Option::is_some)
    }

    fn route(&self) -> Option<&Route> {
        self.reads.route(self.x.client.listener)
    }

    /// The name of the listener it came on.
    fn listener(&self) -> &str {
        match &self.reads {
            Reads::Snapshot(snapshot, _) => snapshot.listener(self.x.client.listener),
            Reads::Stream(_, name, _) => name,
        }
    }

    fn shard(&self) -> &RouteShard {
        let metrics = match &self.reads {
            Reads::Snapshot(snapshot, _) => {
                self.route().map_or(&snapshot.unmatched, |route| &route.metrics)
            }
            Reads::Stream(route, ..) => &route.metrics,
        };
        metrics.of(self.local.worker)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let now = self.local.now();
        if !self.ended && self.failed.is_none() {
            // Dropped in between: cut by weir, or left by its client before there was an answer.
            let cut = self.local.cutting.replace(false) || self.reply.is_some();
            self.fail(if cut { Error::Stopped } else { Error::ClientGone });
        }
        let status = self.reply.as_ref().map_or(0, |reply| reply.head.status);
        let shard = self.shard();
        if self.route().is_some() {
            shard.in_flight.sub(1);
        }
        if let Reads::Stream(.., kind) = self.reads {
            shard.streams[kind as usize].sub(1);
        }
        let took = now - self.x.started;
        let times = &self.local.shared.buckets;
        shard.count(self.x.head.method as usize, status, times, took);
        shard.received.add(self.received);
        shard.sent.add(self.sent);
        // Of a stream nobody would want to know.
        let waited =
            self.waited.filter(|_| self.ended && matches!(self.reads, Reads::Snapshot(..)));
        let overhead = waited.map(|waited| took.saturating_sub(waited));
        if let Some(overhead) = overhead {
            self.local.shared.overhead.of(self.local.worker).record(times, overhead);
        }
        let failed = self.failed.map(Error::row);
        if let Some(row) = failed {
            shard.refuse(row.error as usize);
        }
        let mut lines = self.local.lines.borrow_mut();
        if lines.is_on() {
            let route = self.route();
            let own = route.and_then(|route| route.target.pool(self.x.arm));
            let own = own.map(|pool| pool.name.as_str());
            let record = Record {
                route: route.map_or("none", |route| &route.name),
                pool: self.x.fallback.as_deref().or(own).unwrap_or_default(),
                panic: self.x.panic,
                pattern: route.map(Route::pattern).unwrap_or_default(),
                rule: route.map(|route| route.policy.logging).unwrap_or_default(),
                listener: self.listener(),
                answer: self.reply.as_ref().map(|reply| &reply.head),
                grpc: self.grpc.map(|status| status.0),
                status,
                received: self.received,
                sent: self.sent,
                overhead,
                reason: failed.map_or("", |row| row.reason),
                result: failed.map_or("ok", result),
                ..record(&self.x, now)
            };
            lines.write(&record, now);
        }
        drop(lines);
        self.local.heads.give(mem::take(&mut self.x.head));
        if let Some(reply) = &mut self.reply {
            self.local.heads.give(mem::take(&mut reply.head));
        }
    }
}

/// The content type of server-sent events, whatever parameters it has.
const EVENT_STREAM: &str = "text/event-stream";

/// What an access-log line says of the request itself.
fn record(x: &Exchange, now: Duration) -> Record<'_> {
    Record {
        request: Some(&x.head),
        path: x.head.slice(x.asked),
        request_id: x.head.slice(x.request_id),
        client: x.client.address,
        scheme: x.client.scheme,
        secured: x.secured.as_deref(),
        peer: x.client.peer,
        endpoint: x.endpoint,
        attempts: x.attempts,
        connect: x.connect,
        took: now - x.started,
        answered: x.answered.checked_sub(x.started),
        ..Record::default()
    }
}
