//! One stream of an HTTP/2 connection: a request, the spine's work on it, and its answer. A task of its own, which
//! the library polls and this file watches: the library has no times, and stops asking for a body whose client does
//! not take it.

use std::cell::{Cell, RefCell};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use hyper::body::{Body as _, Frame, Incoming};

use super::Settings;
use super::answering::Answering;
use super::http2::Connection;
use super::pace::Pace;
use crate::h2::{answer, request, trailers};
use crate::message::body::{Body, Broken, Piece, Pull};
use crate::message::exchange::{Arrival, Client, Exchange};
use crate::message::grpc;
use crate::message::head::{Head, Method};
use crate::message::reply::Reply;
use crate::net::deadline::{Deadline, Wait};
use crate::net::scratch::Buffer;
use crate::policy::forwarded;
use crate::pool::downstream::{Downstream, Interim};
use crate::proxy::error::Error;
use crate::proxy::finish::{refused, track};
use crate::proxy::http::handle;

/// A stream under way; shared by its task and the bodies of its request and its answer.
pub struct H2Stream {
    connection: Rc<Connection>,
    deadline: Rc<Deadline>,
    /// What its listener said when the request began: that holds to its end.
    terms: Arc<Settings>,
    /// The answer, while it is sent.
    answering: RefCell<Option<Answering>>,
    /// The client has to take something first; what its connection had carried by then, and for how many times it has
    /// been waited for.
    blocked: Cell<Option<(u64, u8)>>,
    /// When its task went to sleep.
    slept: Cell<Option<Duration>>,
    /// How long it has slept.
    waited: Cell<Duration>,
    /// Bytes of the request's body.
    received: Cell<u64>,
}

impl H2Stream {
    /// Begins now.
    pub fn new(connection: &Rc<Connection>) -> Rc<Self> {
        connection.began();
        Rc::new(Self {
            connection: Rc::clone(connection),
            deadline: connection.local.deadlines.add(),
            terms: connection.listener.settings.load_full(),
            answering: RefCell::default(),
            blocked: Cell::new(None),
            slept: Cell::new(None),
            waited: Cell::default(),
            received: Cell::new(0),
        })
    }

    /// Lets the library work on the stream, and ends it when its time is over: the future is to be dropped then.
    pub fn watch(&self, cx: &mut Context<'_>, work: Pin<&mut impl Future>) -> Poll<()> {
        let local = &self.connection.local;
        match self.slept.take() {
            None => self.deadline.belongs_to(cx),
            Some(slept) => {
                let now = local.now();
                local.woken.set(now);
                self.waited.set(self.waited.get() + now.saturating_sub(slept));
            }
        }
        if self.connection.is_cut() {
            local.cutting.set(true);
            return Poll::Ready(());
        }
        if work.poll(cx).is_ready() || self.is_late(cx) {
            return Poll::Ready(());
        }
        self.slept.set(Some(local.now()));
        Poll::Pending
    }

    /// Whether the client takes nothing of its answer, or the answer takes too long. What is left of the request goes
    /// on its way meanwhile.
    fn is_late(&self, cx: &mut Context<'_>) -> bool {
        let Some((carried, times)) = self.blocked.get() else { return false };
        let mut answering = self.answering.borrow_mut();
        let Some(answering) = answering.as_mut() else { return false };
        let gone = answering.poll_upload(cx).is_err();
        if self.deadline.passed(Wait::End) {
            answering.fail(Error::ExchangeTimeout);
        } else if gone {
            answering.fail(Error::ClientGone);
        } else if self.deadline.passed(Wait::Step) {
            let now = self.connection.io.carried();
            if now != carried && times < TIMES {
                // Its connection takes something, if not of this one.
                self.clients_turn(times + 1);
                return false;
            }
            answering.fail(Error::WriteTimeout);
        } else {
            return false;
        }
        true
    }

    /// It is the client's turn to take something, for the how manieth time.
    fn clients_turn(&self, times: u8) {
        self.blocked.set(Some((self.connection.io.carried(), times)));
        self.deadline.arm(Wait::Step, self.terms.timeouts.write.get());
    }

    /// The request, and whoever sent it; or why there is none.
    fn exchange(self: &Rc<Self>, request: Request<Incoming>) -> (Exchange, Option<Error>) {
        let local = &self.connection.local;
        let (parts, incoming) = request.into_parts();
        let limits = self.terms.limits.head();
        let mut head = local.heads.take();
        let read = request::read(&parts, incoming.is_end_stream(), &limits, &mut head);
        let client = self.connection.client(&self.terms);
        let arrival = Arrival { at: local.woken.get(), pipelined: false };
        let read = read.map_err(Error::from);
        let refusal = |framing| self.terms.refusal(&head).map_or(Ok(framing), Err);
        let framing = match read.and_then(refusal) {
            Ok(framing) => framing,
            Err(error) => {
                let x = Exchange::new(Head::default(), Body::Empty, client, arrival);
                return (x, Some(error));
            }
        };
        let body = match framing.length() {
            Some(0) => Body::Empty,
            length => Body::Stream(Box::new(RequestBody::new(self, incoming, length))),
        };
        let told = client.trusted.then(|| forwarded::origin(&head, |one| self.terms.trusts(one)));
        let client = Client { address: told.flatten().unwrap_or(client.address), ..client };
        let mut x = Exchange::new(head, body, client, arrival);
        x.secured = self.connection.secured.clone();
        (x, None)
    }

    /// The answer goes on its way.
    fn begin(
        self: &Rc<Self>,
        answering: Answering,
        reply: &Reply,
    ) -> Result<Response<Answer>, h2::Error> {
        let date = self.connection.local.date.borrow();
        let (length, bodiless) = (answering.length(), answering.is_bodiless());
        let (status, headers) = answer::write(&reply.head, length, bodiless, date.as_bytes())
            .map_err(|_| Reason::INTERNAL_ERROR)?;
        let mut response = Response::new(Answer(Rc::clone(self)));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        self.deadline.arm(Wait::Step, answering.idle);
        *self.answering.borrow_mut() = Some(answering);
        Ok(response)
    }
}

/// The life of a stream. Its error is what the stream is reset with.
pub async fn serve(
    stream: Rc<H2Stream>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, h2::Error> {
    let local = &stream.connection.local;
    let (x, refusal) = stream.exchange(request);
    if let Some(error) = refusal {
        stream.connection.listener.metrics.of(local.worker).malformed.add(1);
        refused(local, &x, error);
        let mut reply = error.reply(local.heads.take());
        let answering = Answering::new(mem::take(&mut reply.body), false, Duration::MAX);
        let response = stream.begin(answering, &reply);
        local.heads.give(reply.head);
        return response;
    }
    let head = x.head.method == Method::Head;
    let mut tracked = track(local, x);
    let chunks = stream.terms.limits.chunks();
    let downstream = Downstream { deadline: &stream.deadline, chunks, interim: &Unheard };
    // In a box of its own: the library moves what is around it, more than once.
    Box::pin(handle(local, &mut tracked, &downstream)).await;
    let idle = if tracked.is_stream() { tracked.become_stream() } else { tracked.idle() };
    if tracked.failed.is_some() {
        // That the time is over is what is said here.
        stream.deadline.disarm(Wait::End);
    }
    let call = grpc::is_call(&tracked.x.head);
    let Some(mut reply) = tracked.reply.take() else { return Err(Reason::CANCEL.into()) };
    let body = mem::take(&mut reply.body);
    let bodiless = head || matches!(reply.head.status, 204 | 304);
    let answering = Answering::new(body, bodiless, idle);
    let response = stream.begin(answering, &reply);
    tracked.grpc = if call { grpc::Status::of_head(&reply.head) } else { None };
    tracked.reply = Some(reply);
    match stream.answering.borrow_mut().as_mut() {
        Some(answering) => answering.tracked = Some(tracked),
        None => tracked.fail(Error::Protocol),
    }
    response
}

/// The body of an answer, as the library asks for it.
pub struct Answer(Rc<H2Stream>);

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let stream = &self.0;
        let mut answering = stream.answering.borrow_mut();
        let Some(answering) = answering.as_mut() else { return Poll::Ready(None) };
        if stream.blocked.take().is_some() {
            // The client has taken what came before.
            stream.deadline.arm(Wait::Step, answering.idle);
        }
        let scratch = &stream.connection.local.scratch;
        match answering.poll(&stream.deadline, scratch, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Some(Ok(data)))) => {
                stream.clients_turn(0);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Ok(Some(Err(section)))) => {
                Poll::Ready(Some(Ok(Frame::trailers(trailers::write(&section)))))
            }
            Poll::Ready(Ok(None)) => Poll::Ready(None),
            Poll::Ready(Err(error)) => {
                answering.fail(error);
                Poll::Ready(Some(Err(Reason::INTERNAL_ERROR.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.answering.borrow().as_ref().is_none_or(Answering::has_ended)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Some(answering) = self.0.answering.take() else { return };
        let cut = self.0.connection.is_cut();
        answering.finish(self.0.waited.get(), self.0.received.get(), cut);
    }
}

impl Drop for H2Stream {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.connection.local.shared.panics.fetch_add(1, Relaxed);
        }
        if self.connection.is_cut() {
            // It may have had nothing to cut.
            self.connection.local.cutting.set(false);
        }
        self.connection.ended();
    }
}

/// HTTP/2 has answers before the answer, but its library cannot say them.
struct Unheard;

impl Interim for Unheard {
    fn poll_interim(&self, _: &mut Context<'_>, _: &Head) -> Poll<()> {
        Poll::Ready(())
    }

    fn is_expecting(&self) -> bool {
        false
    }
}

/// For so many times that a client may take nothing it may take nothing of one answer, while it takes of others: one that
/// is paused is no reason to break it off, but its endpoint does not wait for ever.
const TIMES: u8 = 10;

/// The body of a request, as an endpoint's connection pulls it.
struct RequestBody {
    stream: Rc<H2Stream>,
    incoming: Incoming,
    length: Option<u64>,
    trailers: Vec<u8>,
    pace: Pace,
    /// How long its client may be silent; `None`: as the listener says.
    silence: Option<Duration>,
}

impl RequestBody {
    fn new(stream: &Rc<H2Stream>, incoming: Incoming, length: Option<u64>) -> Self {
        let (stream, pace) = (Rc::clone(stream), Pace::default());
        Self { stream, incoming, length, trailers: Vec::new(), pace, silence: None }
    }

    /// A piece that the library has brought.
    fn take(&mut self, frame: Frame<Bytes>, into: &mut Buffer) -> Result<(), Broken> {
        match frame.into_data() {
            Ok(data) => into.extend(&data),
            Err(frame) => {
                let limits = self.stream.terms.limits.chunks();
                let fields = frame.into_trailers().unwrap_or_default();
                trailers::read(&fields, &limits, &mut self.trailers)
                    .map_err(|_| Broken::Malformed)?;
            }
        }
        Ok(())
    }
}

impl Pull for RequestBody {
    fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
    ) -> Poll<Result<Piece, Broken>> {
        let piece = loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(None) if self.incoming.is_end_stream() => {
                    break Poll::Ready(Ok(Piece::End));
                }
                // A reset without a reason looks like the end to the library.
                Poll::Ready(None) => break Poll::Ready(Err(Broken::Cut)),
                Poll::Ready(Some(Err(_))) => break Poll::Ready(Err(Broken::Cut)),
                Poll::Ready(Some(Ok(frame))) => match self.take(frame, into) {
                    Err(broken) => break Poll::Ready(Err(broken)),
                    Ok(()) if !into.bytes().is_empty() => break Poll::Ready(Ok(Piece::Data)),
                    Ok(()) => {}
                },
            }
        };
        let stream = &self.stream;
        let deadline = &stream.deadline;
        if piece.is_pending() {
            if self.pace.wait(deadline.now()) {
                let terms = &stream.terms;
                let (silence, rate) = match self.silence {
                    Some(silence) => (silence, 0),
                    None => (terms.timeouts.body.get(), terms.limits.min_body_rate.get()),
                };
                deadline.arm(Wait::Body, self.pace.patience(silence, rate));
            } else if deadline.passed(Wait::Body) {
                return Poll::Ready(Err(Broken::Silent));
            }
            return Poll::Pending;
        }
        let bytes = into.bytes().len();
        stream.received.set(stream.received.get() + bytes as u64);
        if self.pace.go_on(deadline.now(), bytes) {
            deadline.disarm(Wait::Body);
        }
        piece
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn trailers(&self) -> Vec<u8> {
        self.trailers.clone()
    }

    fn be_patient(&mut self, silence: Duration) {
        self.silence = Some(silence);
    }
}
