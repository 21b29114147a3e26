//! One socket with the bytes that are on their way in and out of it.
//!
//! Bytes received but not yet understood wait in the inbox: in a worker's block while the task runs, in
//! a small vector of their own while it sleeps (`park`). Bytes that a write did not take wait in the
//! outbox, which is the worker's too; while it is not empty, nobody may send more. So an idle connection
//! owns no buffer.

use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;

use super::scratch::{BLOCK, Buffer, Scratch};
use super::stream::{Secured, Stream};

/// A socket, its inbox and its outbox. It stays on its worker.
pub struct Transport {
    io: Stream,
    lender: Lender,
    buffer: Option<Buffer>,
    parked: Vec<u8>,
    outbox: Vec<u8>,
    written: usize,
    /// How much the kernel seems to take at once.
    takes: usize,
    /// How much may be held for a peer that does not take it.
    holds: usize,
}

/// Whom blocks and outboxes are of, and what of the bytes that the worker holds are this outbox's.
struct Lender {
    scratch: Rc<Scratch>,
    held: usize,
}

impl Transport {
    /// Takes over a connected socket.
    pub fn new(io: Stream, scratch: Rc<Scratch>) -> Self {
        Self {
            io,
            lender: Lender { scratch, held: 0 },
            buffer: None,
            parked: Vec::new(),
            outbox: Vec::new(),
            written: 0,
            takes: HOLDS,
            holds: HOLDS,
        }
    }

    /// What both sides have agreed on; `None`: it is not encrypted.
    pub fn secured(&self) -> Option<&Arc<Secured>> {
        self.io.secured()
    }

    /// The bytes received and not yet consumed, to be decoded in place.
    pub fn received(&mut self) -> &mut [u8] {
        match &mut self.buffer {
            Some(buffer) => buffer.bytes_mut(),
            None => &mut self.parked,
        }
    }

    /// Forgets the first `n` received bytes: they were understood.
    pub fn consume(&mut self, n: usize) {
        match &mut self.buffer {
            Some(buffer) => buffer.consume(n),
            None => drop(self.parked.drain(..n)),
        }
    }

    /// Hands over `data` received bytes to `into`, which must be empty, and forgets `used` of them (the
    /// rest is framing). Without a copy when nothing else has been received.
    pub fn hand_over(&mut self, data: usize, used: usize, into: &mut Buffer) {
        debug_assert!(into.bytes().is_empty(), "one piece at a time");
        match self.buffer.take_if(|buffer| buffer.bytes().len() == used) {
            Some(buffer) => {
                *into = buffer;
                into.keep(0..data);
            }
            None => {
                into.extend(&self.received()[..data]);
                self.consume(used);
            }
        }
    }

    /// Receives more, behind what is there, at most `limit` bytes. 0: the peer has ended its side.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        let buffer = self.buffer.get_or_insert_with(|| self.lender.scratch.lend());
        if !self.parked.is_empty() {
            buffer.extend(&self.parked);
            self.parked = Vec::new();
        }
        let mut room = ReadBuf::new(buffer.room(limit));
        debug_assert!(room.capacity() > 0, "a read into nothing looks like the end");
        ready!(self.io.poll_read(cx, &mut room))?;
        let n = room.filled().len();
        buffer.fill(n);
        Poll::Ready(Ok(n))
    }

    /// To be called before the task sleeps: gives the block back, keeping what it held.
    pub fn park(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            // Exactly as large as needed: a sleeping connection is one of many.
            self.parked = buffer.bytes().to_vec();
        }
    }

    /// Whether the peer has nothing to say and has not ended, as far as the event loop has heard when it
    /// last asked: no system call, but for TLS. To be asked only if what it says is of no use.
    pub fn is_silent(&mut self) -> bool {
        self.io.is_silent()
    }

    /// As `is_silent`, but asks the kernel, too.
    pub fn is_silent_now(&mut self) -> bool {
        self.io.is_silent_now()
    }

    /// Registers the task to be woken when the socket has something to say, or has ended.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_readable(cx)
    }

    /// Bytes to be sent first with the next `send` or `poll_flush`: a head, or a chunk's size.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        if self.outbox.capacity() == 0 {
            self.outbox = self.lender.scratch.outboxes.take();
        }
        &mut self.outbox
    }

    /// How much to send at once: what the kernel has lately taken without leaving a rest, which would have
    /// to be copied and held. When the worker holds much for slow peers already, no more than may be held.
    pub fn takes(&self) -> usize {
        if self.lender.scratch.held() > PLENTY { self.holds } else { self.takes }
    }

    /// How much may be held for a peer that does not take it, when many of them do not.
    pub fn hold_at_most(&mut self, size: usize) {
        if mem::replace(&mut self.holds, size) != size {
            self.io.hold_at_most(size);
        }
    }

    /// Whether the peer has ended or broken its side, though unread bytes may stand before that: no system call.
    pub fn has_ended(&self) -> bool {
        self.io.has_ended()
    }

    /// How many bytes the kernel has taken so far.
    pub fn sent(&self) -> u64 {
        self.io.sent()
    }

    /// How many bytes have come since this was last asked.
    pub fn take_read(&mut self) -> u64 {
        self.io.take_read()
    }

    /// Whether all that was to be sent is with the kernel.
    pub fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && self.io.is_flushed()
    }

    /// Sends the outbox, `data` and `tail`, in one system call where the kernel has room; what it does
    /// not take waits in the outbox. Small data is copied together, large data is not copied.
    pub fn send(&mut self, cx: &mut Context<'_>, data: &[u8], tail: &[u8]) -> io::Result<()> {
        if data.len() < GATHER {
            let outbox = self.outbox();
            outbox.extend_from_slice(data);
            outbox.extend_from_slice(tail);
            return match self.poll_flush(cx) {
                Poll::Ready(Err(error)) => Err(error),
                _ => Ok(()),
            };
        }
        let head = self.outbox.len() - self.written;
        let slices = [
            io::IoSlice::new(&self.outbox[self.written..]),
            io::IoSlice::new(data),
            io::IoSlice::new(tail),
        ];
        let sent = match self.io.poll_write_vectored(cx, &slices) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        if sent < head {
            self.written += sent;
            self.outbox.extend_from_slice(data);
            self.outbox.extend_from_slice(tail);
            self.count_held();
            return Ok(());
        }
        self.empty_outbox();
        let sent = sent - head;
        let whole = sent == data.len() + tail.len() && self.io.is_flushed();
        self.takes = if whole { self.takes * 2 } else { sent }.clamp(self.holds, BLOCK);
        self.outbox.extend_from_slice(&data[sent.min(data.len())..]);
        self.outbox.extend_from_slice(&tail[sent.saturating_sub(data.len())..]);
        if !self.outbox.is_empty() {
            self.count_held();
            // A short write says nothing about when there will be room: ask, so that we are woken.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends what waits in the outbox.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.outbox.len() {
            let rest = &self.outbox[self.written..];
            match ready!(self.io.poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        let flushed = self.io.poll_flush(cx);
        self.empty_outbox();
        flushed
    }

    /// Sends what the kernel has room for, without asking the event loop, which tells of room only when a
    /// third of the kernel's buffer is free: a slow reader may take long for that. Whether any was taken.
    pub fn flush_now(&mut self) -> bool {
        if self.is_flushed() {
            return false;
        }
        let before = self.io.sent();
        self.written += self.io.send_now(&self.outbox[self.written..]);
        self.io.sent() > before
    }

    /// Ends our side of the conversation; the peer may still speak.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_shutdown(cx)
    }

    /// From now on a close is a reset: for a message that was cut short, whose end must not look whole.
    pub fn reset_on_close(&self) {
        self.io.linger(Some(Duration::ZERO));
    }

    /// A close ends the message as it should: it is whole.
    pub fn end_on_close(&self) {
        self.io.linger(None);
    }

    /// The socket, and what has come and is not consumed.
    pub fn into_parts(mut self) -> (Stream, Vec<u8>) {
        self.park();
        (self.io, self.parked)
    }

    fn empty_outbox(&mut self) {
        self.written = 0;
        let mut outbox = mem::take(&mut self.outbox);
        if (1..=KEEP).contains(&outbox.capacity()) {
            outbox.clear();
            self.lender.scratch.outboxes.give(outbox);
        }
        self.count_held();
    }

    /// Counts a large outbox among what the worker holds.
    fn count_held(&mut self) {
        let held = if self.outbox.capacity() > KEEP { self.outbox.capacity() } else { 0 };
        // TLS has its own, of which it tells only whether it is empty.
        let held = held + if self.io.is_flushed() { 0 } else { self.holds };
        if held != self.lender.held {
            self.lender.scratch.hold(held, mem::replace(&mut self.lender.held, held));
        }
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.scratch.hold(0, self.held);
    }
}

/// How much is held for a peer that does not take it, unless told otherwise.
const HOLDS: usize = 64 * 1024;
/// So much of a worker's memory is not worth slowing fast peers for.
const PLENTY: usize = 16 * 1024 * 1024;
/// Data shorter than this is copied behind the head rather than gathered by the kernel.
const GATHER: usize = 4096;
/// An outbox larger than this is freed when it has been sent: a head and what is copied behind it fit.
const KEEP: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::net::stream::Counted;
    use tokio::net::TcpStream;

    #[test]
    fn what_the_runtime_has_not_heard_of_breaks_the_silence_too() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            let dialled = Stream::Plain(Counted::from(dialled));
            let mut transport = Transport::new(dialled, Rc::new(Scratch::new()));
            assert!(transport.is_silent_now());
            // Nothing is awaited in between: the runtime cannot know.
            peer.write_all(b"x").unwrap();
            assert!(!transport.is_silent_now());
        });
    }
}
