//! What a worker lends and takes back: its scratch blocks, and free lists of what requests need.
//!
//! One block of 256 KiB serves nearly every read of a worker, so it stays hot in the cache of its core.
//! A `Buffer` is a block on loan; nobody may keep one while its task sleeps (`Transport::park`).

use std::cell::{Cell, RefCell};
use std::mem;
use std::ops::Range;
use std::rc::Rc;

/// Size of a block: large answers need few reads, and it still fits the second-level cache.
pub const BLOCK: usize = 256 * 1024;

/// Things of one kind that are used again instead of being allocated anew.
pub struct FreeList<T> {
    free: RefCell<Vec<T>>,
    keep: usize,
}

impl<T: Default> FreeList<T> {
    /// An empty list that keeps at most `keep` things.
    pub const fn new(keep: usize) -> Self {
        Self { free: RefCell::new(Vec::new()), keep }
    }

    /// One that was given back, as it was left, or a new one.
    pub fn take(&self) -> T {
        self.free.borrow_mut().pop().unwrap_or_default()
    }

    /// For the next who takes one.
    pub fn give(&self, thing: T) {
        let mut free = self.free.borrow_mut();
        if free.len() < self.keep {
            free.push(thing);
        }
    }
}

/// What all connections of a worker read into and write from.
pub struct Scratch {
    blocks: FreeList<Box<[u8]>>,
    /// Empty vectors for what waits to be sent.
    pub outboxes: FreeList<Vec<u8>>,
    /// Bytes in vectors that are larger than usual, for peers that do not take them.
    held: Cell<usize>,
}

impl Scratch {
    /// No block yet; at most four are kept, and sixteen outboxes.
    pub const fn new() -> Self {
        Self { blocks: FreeList::new(4), outboxes: FreeList::new(16), held: Cell::new(0) }
    }

    /// Bytes that are held for peers that do not take them.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// So many more bytes are held, and so many less.
    pub fn hold(&self, more: usize, less: usize) {
        self.held.set((self.held.get() + more).saturating_sub(less));
    }

    /// An empty buffer on a block, until it is dropped.
    pub fn lend(self: &Rc<Self>) -> Buffer {
        self.lend_for(BLOCK)
    }

    /// An empty buffer for whoever wants so many bytes at once, and not many more.
    pub fn lend_for(self: &Rc<Self>, wanted: usize) -> Buffer {
        let mut block = self.blocks.take();
        if block.is_empty() {
            block = vec![0; BLOCK].into_boxed_slice();
        }
        Buffer { block, filled: 0..0, wanted, home: Rc::clone(self) }
    }
}

/// A block on loan and the part of it that holds bytes.
pub struct Buffer {
    block: Box<[u8]>,
    filled: Range<usize>,
    wanted: usize,
    home: Rc<Scratch>,
}

impl Buffer {
    /// The bytes in it.
    pub fn bytes(&self) -> &[u8] {
        &self.block[self.filled.clone()]
    }

    /// The bytes in it, to be decoded in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.filled.clone()]
    }

    /// How many bytes its owner wants in it at once.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Room behind the bytes, at most `limit`. They move to the front if it is short otherwise: a peer that
    /// always has more to say must not run into the end of the block.
    pub fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.filled.start > 0 && limit > BLOCK - self.filled.end {
            self.block.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let end = BLOCK.min(self.filled.end.saturating_add(limit));
        &mut self.block[self.filled.end..end]
    }

    /// The first `n` bytes of the room now hold something.
    pub fn fill(&mut self, n: usize) {
        self.filled.end += n;
    }

    /// Forgets the first `n` bytes.
    pub fn consume(&mut self, n: usize) {
        self.filled.start += n;
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
    }

    /// Keeps only these, counted from the first byte in it.
    pub fn keep(&mut self, part: Range<usize>) {
        self.filled = self.filled.start + part.start..self.filled.start + part.end;
    }

    /// Adds bytes; those that do not fit are left out, which callers rule out by their limits.
    pub fn extend(&mut self, bytes: &[u8]) {
        let room = self.room(bytes.len());
        debug_assert_eq!(room.len(), bytes.len(), "a block holds what its reader may read");
        let n = room.len();
        room.copy_from_slice(&bytes[..n]);
        self.fill(n);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.blocks.give(mem::take(&mut self.block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_used_again() {
        let scratch = Rc::new(Scratch::new());
        let mut first = scratch.lend();
        first.extend(b"weir");
        let place = first.bytes().as_ptr();
        drop(first);
        let second = scratch.lend();
        assert_eq!(second.block.as_ptr(), place);
        assert!(second.bytes().is_empty());
    }

    #[test]
    fn keeps_a_part_and_consumes_from_the_front() {
        let mut buffer = Rc::new(Scratch::new()).lend();
        buffer.extend(b"0123456789");
        buffer.consume(2);
        buffer.keep(1..4);
        assert_eq!(buffer.bytes(), b"345");
        buffer.consume(3);
        assert!(buffer.bytes().is_empty());
        assert_eq!(buffer.room(usize::MAX).len(), BLOCK, "an empty buffer starts anew");
    }

    #[test]
    fn what_was_consumed_makes_room() {
        let mut buffer = Rc::new(Scratch::new()).lend();
        buffer.fill(BLOCK - 4);
        buffer.extend(b"weir");
        assert!(buffer.room(1).is_empty());
        buffer.consume(BLOCK - 3);
        assert_eq!(buffer.room(BLOCK).len(), BLOCK - 3);
        assert_eq!(buffer.bytes(), b"eir");
    }
}
