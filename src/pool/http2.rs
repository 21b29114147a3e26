//! One exchange over HTTP/2 with an endpoint: a stream of a connection that is shared.
//!
//! As `http1` does, it sends the request's body while it waits for the answer, and becomes the answer's `Body` with
//! what is left to send.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use h2::Reason;
use http::Response;
use hyper::body::{Body as _, Incoming};

use super::broken::Broken;
use super::downstream::{Downstream, Patience};
use super::feed::Feed;
use super::sending::Sent;
use super::shared::Shared;
use crate::endpoint::{Lease, Outcome};
use crate::h1::framing::Framing;
use crate::h1::{Fault, Limits, chunked};
use crate::h2::{answer, request, trailers};
use crate::message::body::{self, Body, Piece, Pull, Upload};
use crate::message::grpc;
use crate::message::head::{Head, Known};
use crate::net::deadline::Wait;
use crate::net::scratch::{Buffer, Scratch};

/// A stream to an endpoint.
pub struct Stream {
    shared: Rc<Shared>,
    scratch: Rc<Scratch>,
    lease: Option<Lease>,
    feed: Feed,
    /// What is left of the request, while its answer comes already.
    upload: Option<Upload>,
    incoming: Option<Incoming>,
    length: Option<u64>,
    trailers: Vec<u8>,
    chunks: chunked::Limits,
    /// What became of the exchange so far, once there is an answer; counted when it is over.
    outcome: Option<Outcome>,
    /// Its connection has carried an exchange before.
    pub reused: bool,
}

impl Stream {
    /// One more stream of a connection, to the endpoint of the lease.
    pub fn new(
        shared: &Rc<Shared>,
        scratch: &Rc<Scratch>,
        lease: Lease,
        reused: bool,
    ) -> Box<Self> {
        shared.enter();
        Box::new(Self {
            shared: Rc::clone(shared),
            scratch: Rc::clone(scratch),
            lease: Some(lease),
            feed: Feed::default(),
            upload: None,
            incoming: None,
            length: None,
            trailers: Vec::new(),
            chunks: chunked::Limits::DEFAULT,
            outcome: None,
            reused,
        })
    }

    /// Sends a request and waits for the head of its answer, as `http1` does.
    ///
    /// # Errors
    /// Why there is no answer; the stream is cancelled.
    pub async fn send(
        mut self: Box<Self>,
        head: &Head,
        upload: &mut Upload,
        client: &Downstream<'_>,
        patience: &Patience<'_>,
        limits: &Limits,
        into: &mut Head,
    ) -> Result<Body, Broken> {
        let deadline = client.deadline;
        let framing = upload.length().map_or(Framing::Chunked, Framing::of_length);
        if framing == Framing::None {
            self.feed.end();
        }
        let endpoint = self.lease.as_ref().map_or("", |lease| &lease.endpoint.name);
        let secured = self.shared.is_secured();
        let request = request::write(head, framing, secured, endpoint, self.feed.body());
        let request = request.map_err(|_| Broken::Protocol)?;
        let asking = self.shared.sender.borrow_mut().try_send_request(request);
        let mut asking = pin!(asking);
        deadline.arm(Wait::Step, patience.response);
        let asked = poll_fn(|cx| {
            if client.interim.is_expecting() {
                // The library drops what comes before an answer, so nobody else would invite it.
                let _ = client.interim.poll_interim(cx, &invitation());
            }
            let (sent, moved) = self.feed.poll(&self.scratch, upload, cx);
            if moved {
                deadline.arm(Wait::Step, patience.response);
            }
            if self.feed.has_ended() {
                patience.received();
            }
            if let Sent::Broken(broken @ (body::Broken::Malformed | body::Broken::TooLarge)) = sent
            {
                return Poll::Ready(Err(Broken::Upload(broken)));
            }
            match (asking.as_mut().poll(cx), sent) {
                // Whatever became of the request's body, an answer is an answer.
                (Poll::Ready(Ok(response)), _) => Poll::Ready(Ok((response, sent))),
                (_, Sent::Broken(broken)) => Poll::Ready(Err(Broken::Upload(broken))),
                (Poll::Ready(Err(mut error)), _) => {
                    let unsent = error.take_message().is_some();
                    Poll::Ready(Err(self.why(error.error(), unsent)))
                }
                (Poll::Pending, _) if self.shared.home.is_cut() => Poll::Ready(Err(Broken::Reset)),
                (Poll::Pending, _) if deadline.passed(Wait::End) => Poll::Ready(Err(Broken::Late)),
                (Poll::Pending, _) if !deadline.passed(Wait::Step) => Poll::Pending,
                // It is the client's turn, whose time is its listener's to say.
                (Poll::Pending, Sent::Waiting) => {
                    deadline.arm(Wait::Step, patience.response);
                    Poll::Pending
                }
                (Poll::Pending, _) => {
                    // Others would wait as long.
                    self.shared.retire();
                    Poll::Ready(Err(Broken::Timeout))
                }
            }
        })
        .await;
        if matches!(asked, Err(Broken::Refused))
            && let Some(piece) = self.feed.take_back()
        {
            upload.put_back(&piece);
        }
        let (response, sent) = asked?;
        patience.answered();
        self.chunks = client.chunks;
        self.begin(response, head, limits, into).map_err(|_| Broken::Protocol)?;
        if matches!(sent, Sent::Blocked | Sent::Waiting) {
            self.upload = Some(upload.take());
        }
        Ok(Body::Stream(self))
    }

    /// The head of the answer has come.
    fn begin(
        &mut self,
        response: Response<Incoming>,
        asked: &Head,
        limits: &Limits,
        into: &mut Head,
    ) -> Result<(), Fault> {
        let (parts, incoming) = response.into_parts();
        let ended = incoming.is_end_stream();
        self.length = answer::read(&parts, ended, asked.method, limits, into)?.length();
        self.incoming = (self.length != Some(0)).then_some(incoming);
        let retry_after = into.get(Known::RetryAfter).is_some();
        let ended = grpc::Status::of_head(into).map(Outcome::of_call);
        self.outcome = Some(ended.unwrap_or_else(|| Outcome::of_status(into.status, retry_after)));
        Ok(())
    }

    /// Why there is no answer. `unsent`: the library still had the request.
    fn why(&self, error: &hyper::Error, unsent: bool) -> Broken {
        let source = std::error::Error::source(error);
        let cause = source.and_then(|source| source.downcast_ref::<h2::Error>());
        let refused = cause.is_some_and(|cause| match cause.reason() {
            // RFC 9113, 8.7: it has not been processed.
            Some(Reason::REFUSED_STREAM) => cause.is_reset() && cause.is_remote(),
            // It named a lower last stream (RFC 9113, 6.8).
            Some(Reason::NO_ERROR) => cause.is_go_away() && cause.is_remote(),
            _ => false,
        });
        if !cause.is_some_and(h2::Error::is_reset) {
            // The connection is of no use to anybody.
            self.shared.retire();
        }
        match cause {
            _ if unsent || refused => Broken::Refused,
            // The library found it to be none.
            Some(cause) if cause.is_reset() && cause.is_library() => Broken::Protocol,
            _ => Broken::Reset,
        }
    }
}

/// 100 (RFC 9110, 15.2.1).
fn invitation() -> Head {
    let mut head = Head { status: 100, ..Head::default() };
    head.reason = head.append(b"Continue");
    head
}

impl Pull for Stream {
    fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
    ) -> Poll<Result<Piece, body::Broken>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(Piece::End)) };
        loop {
            let broken = match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                // A reset without a reason, or a goodbye, looks like the end to the library.
                Poll::Ready(None) if !incoming.is_end_stream() => {
                    (body::Broken::Cut, Outcome::Aborted)
                }
                Poll::Ready(None) => {
                    self.incoming = None;
                    return Poll::Ready(Ok(Piece::End));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => {
                        into.extend(&data);
                        return Poll::Ready(Ok(Piece::Data));
                    }
                    Err(frame) => {
                        let fields = frame.into_trailers().unwrap_or_default();
                        match trailers::read(&fields, &self.chunks, &mut self.trailers) {
                            Ok(()) => {
                                let ended = grpc::Status::of_trailers(&self.trailers);
                                self.outcome = ended.map(Outcome::of_call).or(self.outcome);
                                continue;
                            }
                            Err(_) => (body::Broken::Malformed, Outcome::Protocol),
                        }
                    }
                },
                Poll::Ready(Some(Err(_))) => (body::Broken::Cut, Outcome::Aborted),
            };
            self.outcome = Some(broken.1);
            return Poll::Ready(Err(broken.0));
        }
    }

    fn trailers(&self) -> Vec<u8> {
        self.trailers.clone()
    }

    fn is_cut(&self) -> bool {
        self.shared.home.is_cut() && self.incoming.is_some()
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<bool, body::Broken> {
        let Some(upload) = &mut self.upload else { return Ok(false) };
        let (sent, moved) = self.feed.poll(&self.scratch, upload, cx);
        match sent {
            Sent::Blocked | Sent::Waiting => return Ok(moved),
            Sent::All | Sent::Refused => self.upload = None,
            Sent::Broken(broken) => {
                self.upload = None;
                return Err(broken);
            }
        }
        Ok(moved)
    }

    fn silent(mut self: Box<Self>) {
        self.outcome = Some(Outcome::Timeout);
    }

    fn done(self: Box<Self>) {}
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.shared.home.count(outcome);
        }
        // The library would wait for what is left of the request.
        self.feed.cut();
        self.shared.leave(&self.feed);
    }
}
