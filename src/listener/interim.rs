//! What comes before an answer (1xx), on its way to a client of HTTP/1.1.

use std::task::{Context, Poll};

use super::http1::Connection;
use crate::h1::write;
use crate::message::head::{Head, Version};
use crate::pool::downstream::Interim;

impl Interim for Connection {
    fn poll_interim(&self, cx: &mut Context<'_>, head: &Head) -> Poll<()> {
        if self.version.get() == Version::Http10 {
            return Poll::Ready(());
        }
        let mut transport = self.transport.borrow_mut();
        if transport.poll_flush(cx).is_pending() {
            // It has not taken the last one yet.
            return Poll::Pending;
        }
        write::interim(head, transport.outbox());
        // If the client is gone, that is noticed elsewhere.
        let _ = transport.poll_flush(cx);
        if head.status == 100 && self.expects.replace(false) {
            // From now on the body is waited for.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(())
    }

    fn is_expecting(&self) -> bool {
        self.expects.get()
    }
}
