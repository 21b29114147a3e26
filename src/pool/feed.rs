//! The body of a request on its way to an endpoint over HTTP/2: one piece at a time, from the client's task, which
//! pulls it, to the library's, which sends it when the endpoint has room. Both are of one worker.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use hyper::body::{Body, Frame};

use super::sending::Sent;
use crate::h2::trailers;
use crate::message::body::{Piece, Upload};
use crate::net::scratch::Scratch;

/// Where pieces are put.
#[derive(Clone, Default)]
pub struct Feed(Rc<RefCell<Slot>>);

/// Where they are taken.
pub struct Fed(Rc<RefCell<Slot>>);

#[derive(Default)]
struct Slot {
    next: Option<Result<Frame<Bytes>, h2::Error>>,
    /// Nothing comes behind that.
    ended: bool,
    /// Nobody takes it any more.
    refused: bool,
    /// A piece was taken.
    taken: bool,
    giver: Option<Waker>,
    taker: Option<Waker>,
}

impl Feed {
    /// The body as the library takes it.
    pub fn body(&self) -> Fed {
        Fed(Rc::clone(&self.0))
    }

    /// There is nothing.
    pub fn end(&self) {
        self.0.borrow_mut().ended = true;
    }

    /// The first piece, if the library has not taken it.
    pub fn take_back(&self) -> Option<Bytes> {
        let mut slot = self.0.borrow_mut();
        let next = if slot.taken { None } else { slot.next.take() };
        next?.ok()?.into_data().ok()
    }

    /// What is left of it does not come: the stream is to be broken off, never to end as if it were whole.
    pub fn cut(&self) {
        let mut slot = self.0.borrow_mut();
        if !slot.ended {
            slot.next = Some(Err(Reason::CANCEL.into()));
            slot.wake_taker();
        }
    }

    /// Whether the library still has to take something of it, or to hear that nothing comes.
    pub fn is_held(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }

    /// Whether the body has been pulled to its end.
    pub fn has_ended(&self) -> bool {
        self.0.borrow().ended
    }

    /// Sends what there is, and says whether anything moved.
    pub fn poll(
        &self,
        scratch: &Rc<Scratch>,
        upload: &mut Upload,
        cx: &mut Context<'_>,
    ) -> (Sent, bool) {
        let mut slot = self.0.borrow_mut();
        if slot.refused {
            return (Sent::Refused, false);
        }
        if slot.next.is_some() {
            slot.giver = Some(cx.waker().clone());
            return (Sent::Blocked, false);
        }
        if slot.ended {
            return (Sent::All, false);
        }
        let mut piece = scratch.lend_for(PIECE);
        let next = match upload.poll_pull(cx, &mut piece) {
            Poll::Pending => return (Sent::Waiting, false),
            Poll::Ready(Ok(Piece::Data)) => Ok(Frame::data(Bytes::copy_from_slice(piece.bytes()))),
            Poll::Ready(Ok(Piece::End)) => {
                slot.ended = true;
                let trailers = trailers::write(&upload.trailers());
                if trailers.is_empty() {
                    slot.wake_taker();
                    return (Sent::All, true);
                }
                Ok(Frame::trailers(trailers))
            }
            Poll::Ready(Err(broken)) => {
                drop(slot);
                self.cut();
                return (Sent::Broken(broken), true);
            }
        };
        slot.next = Some(next);
        slot.giver = Some(cx.waker().clone());
        slot.wake_taker();
        (Sent::Blocked, true)
    }
}

impl Slot {
    fn wake_taker(&mut self) {
        if let Some(waker) = self.taker.take() {
            waker.wake();
        }
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let mut slot = self.0.borrow_mut();
        if let Some(next) = slot.next.take() {
            slot.taken = true;
            if let Some(waker) = slot.giver.take() {
                waker.wake();
            }
            return Poll::Ready(Some(next));
        }
        if slot.ended {
            return Poll::Ready(None);
        }
        slot.taker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let slot = self.0.borrow();
        slot.ended && slot.next.is_none()
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        let mut slot = self.0.borrow_mut();
        slot.refused = !(slot.ended && slot.next.is_none());
        if let Some(waker) = slot.giver.take() {
            waker.wake();
        }
    }
}

/// So much of a body is on its way in one piece.
const PIECE: usize = 32 * 1024;
