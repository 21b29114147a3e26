//! An answer on its way into a stream: its body as it comes, how long the endpoint is waited for, and its end.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::message::body::{Body, Broken, Piece};
use crate::message::grpc;
use crate::net::deadline::{Deadline, Wait};
use crate::net::scratch::Scratch;
use crate::proxy::error::Error;
use crate::proxy::finish::Tracked;

/// An answer whose head is on its way.
pub struct Answering {
    /// The request, if it was one.
    pub tracked: Option<Tracked>,
    /// How long the endpoint may be silent.
    pub idle: Duration,
    body: Body,
    length: Option<u64>,
    bodiless: bool,
    sent: u64,
    /// All of it was handed over, its trailers too.
    ended: bool,
}

/// A piece of a body, or behind the last one the trailer section.
type Part = Result<Bytes, Vec<u8>>;

impl Answering {
    /// Nothing is sent yet. `bodiless`: it has a head only, whatever its fields say.
    pub fn new(body: Body, bodiless: bool, idle: Duration) -> Self {
        let length = body.length();
        let mut new = Self { tracked: None, idle, body, length, bodiless, sent: 0, ended: false };
        if bodiless || length == Some(0) {
            new.end();
        }
        new
    }

    /// How long its body is, if that is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether it has a head only.
    pub fn is_bodiless(&self) -> bool {
        self.bodiless
    }

    /// Whether all of it was handed over.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next part. `None`: it has ended.
    pub fn poll(
        &mut self,
        deadline: &Deadline,
        scratch: &Rc<Scratch>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Part>, Error>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let part = self.poll_part(deadline, scratch, cx);
        if part.is_pending() {
            self.body.park();
        }
        part
    }

    fn poll_part(
        &mut self,
        deadline: &Deadline,
        scratch: &Rc<Scratch>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Part>, Error>> {
        if deadline.passed(Wait::End) {
            return Poll::Ready(Err(Error::ExchangeTimeout));
        }
        if self.body.is_cut() {
            return Poll::Ready(Err(Error::Truncated));
        }
        match self.poll_upload(cx) {
            Ok(true) => deadline.arm(Wait::Step, self.idle),
            Ok(false) => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        let mut piece = scratch.lend_for(PIECE);
        match self.body.poll_pull(cx, &mut piece) {
            Poll::Ready(Ok(Piece::Data)) => {
                let data = Bytes::copy_from_slice(piece.bytes());
                drop(piece);
                self.sent += data.len() as u64;
                if self.length == Some(self.sent) {
                    // The last frame says so, rather than one more.
                    self.look_for_end(scratch, cx);
                }
                Poll::Ready(Ok(Some(Ok(data))))
            }
            Poll::Ready(Ok(Piece::End)) if self.length.is_some_and(|all| all != self.sent) => {
                Poll::Ready(Err(Error::Truncated))
            }
            Poll::Ready(Ok(Piece::End)) => {
                let trailers = self.trailers();
                self.end();
                Poll::Ready(Ok((!trailers.is_empty()).then_some(Err(trailers))))
            }
            Poll::Ready(Err(broken)) => Poll::Ready(Err(of_endpoint(broken))),
            Poll::Pending if deadline.passed(Wait::Step) => Poll::Ready(Err(Error::IdleTimeout)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Behind the last byte of a known length there is nothing to wait for.
    fn look_for_end(&mut self, scratch: &Rc<Scratch>, cx: &mut Context<'_>) {
        let mut nothing = scratch.lend_for(PIECE);
        let ended = self.body.poll_pull(cx, &mut nothing) == Poll::Ready(Ok(Piece::End));
        // Trailers are an end of their own.
        if ended && self.body.trailers().is_empty() {
            self.end();
        }
    }

    /// Goes on sending what is left of the request's body; whether anything moved.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        match self.body.poll_upload(cx) {
            Ok(moved) => Ok(moved),
            Err(Broken::Cut) => Err(Error::ClientGone),
            // Nothing comes after this answer, but it is an answer.
            Err(_) => Ok(false),
        }
    }

    /// It is broken off.
    pub fn fail(&mut self, error: Error) {
        if let Some(tracked) = &mut self.tracked {
            tracked.fail(error);
        }
        if error == Error::IdleTimeout {
            std::mem::take(&mut self.body).silent();
        }
    }

    /// The library has let go of it: it was sent, or never will be. The request had waited for others for so long, and
    /// brought so many bytes. `cut`: weir itself ends it now.
    pub fn finish(self, waited: Duration, received: u64, cut: bool) {
        let Some(mut tracked) = self.tracked else { return };
        tracked.sent = self.sent;
        tracked.waited = Some(waited);
        tracked.received = received;
        if self.ended {
            tracked.ended = true;
        } else if tracked.failed.is_none() && !cut {
            tracked.fail(Error::ClientGone);
        }
    }

    fn trailers(&mut self) -> Vec<u8> {
        let trailers = self.body.trailers();
        let Some(tracked) = &mut self.tracked else { return trailers };
        if !trailers.is_empty() && grpc::is_call(&tracked.x.head) {
            tracked.grpc = grpc::Status::of_trailers(&trailers);
        }
        tracked.withheld().without(trailers)
    }

    /// All of it was handed over.
    fn end(&mut self) {
        self.ended = true;
        std::mem::take(&mut self.body).done();
    }
}

/// What an endpoint's broken body means.
fn of_endpoint(broken: Broken) -> Error {
    match broken {
        Broken::Cut => Error::Truncated,
        Broken::Malformed | Broken::TooLarge => Error::BadAnswerBody,
        Broken::Silent => Error::IdleTimeout,
    }
}

/// The most of a body that the library holds at a time, and so that much again that waits for it to take it.
const PIECE: usize = 32 * 1024;
