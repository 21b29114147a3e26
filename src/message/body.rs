//! Where the bytes of a message come from. Whoever writes a message pulls its body.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::withheld::Withheld;
use crate::net::scratch::Buffer;
use crate::net::transport::Transport;

/// The body of a message.
#[derive(Default)]
pub enum Body {
    /// None at all.
    #[default]
    Empty,
    /// Known from the start: weir's own answers.
    Memory(&'static [u8]),
    /// Known from the start: what the file says.
    Shared(Arc<[u8]>),
    /// From a connection, piece by piece.
    Stream(Box<dyn Pull>),
}

/// A source of a body's bytes: a client's connection, or an endpoint's.
pub trait Pull {
    /// The next bytes, freed of their framing, into an empty buffer. Cut short is `Broken`, never `End`.
    fn poll_pull(&mut self, cx: &mut Context<'_>, into: &mut Buffer)
    -> Poll<Result<Piece, Broken>>;

    /// How many bytes there are in all, if that is known before they come.
    fn length(&self) -> Option<u64>;

    /// After `End`: the lines of the trailer section, as they came.
    fn trailers(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Whether what is left of it is not to be waited for: the time of its endpoint is over.
    fn is_cut(&self) -> bool {
        false
    }

    /// After an answer that switches protocols: the connection itself, to be a tunnel. `None`: it is to end now.
    fn tunnel(&mut self) -> Option<&mut Transport> {
        None
    }

    /// Goes on sending what is left of the request's body; whether anything moved. The writer of this body
    /// calls it whenever it is woken, also while its own write is blocked: two full sides may wait for each
    /// other, never for ever. Fails once, if the client's body does not come to its end.
    fn poll_upload(&mut self, _cx: &mut Context<'_>) -> Result<bool, Broken> {
        Ok(false)
    }

    /// It may be silent for so long, and come as slowly as it likes.
    fn be_patient(&mut self, _silence: Duration) {}

    /// Before the task sleeps: gives back what it was lent.
    fn park(&mut self) {}

    /// It is given up because nothing of it came for too long: that counts against its source.
    fn silent(self: Box<Self>) {}

    /// After `End`: the connection becomes idle again. Dropped without it, the connection closes.
    fn done(self: Box<Self>) {}
}

/// What a pull brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The buffer holds bytes.
    Data,
    /// There is nothing more.
    End,
}

/// Why a body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection ended first.
    Cut,
    /// Its framing cannot be understood.
    Malformed,
    /// Nothing came for too long, or it came too slowly.
    Silent,
    /// There is more of it than may be.
    TooLarge,
}

impl Body {
    /// How many bytes there are in all, if that is known before they come.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::Shared(bytes) => Some(bytes.len() as u64),
            Self::Stream(source) => source.length(),
        }
    }

    /// Whether what is left of it is not to be waited for.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Stream(source) if source.is_cut())
    }

    /// The next bytes, into an empty buffer.
    pub fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
    ) -> Poll<Result<Piece, Broken>> {
        match self {
            Self::Empty => Poll::Ready(Ok(Piece::End)),
            Self::Memory(bytes) => {
                into.extend(bytes);
                *self = Self::Empty;
                Poll::Ready(Ok(Piece::Data))
            }
            Self::Shared(bytes) => {
                let bytes = Arc::clone(bytes);
                into.extend(&bytes);
                *self = Self::Empty;
                Poll::Ready(Ok(Piece::Data))
            }
            Self::Stream(source) => source.poll_pull(cx, into),
        }
    }

    /// After `End`: the lines of the trailer section, as they came.
    pub fn trailers(&self) -> Vec<u8> {
        if let Self::Stream(source) = self { source.trailers() } else { Vec::new() }
    }

    /// After an answer that switches protocols: the connection itself, to be a tunnel.
    pub fn tunnel(&mut self) -> Option<&mut Transport> {
        if let Self::Stream(source) = self { source.tunnel() } else { None }
    }

    /// Goes on sending what is left of the request's body, as `Pull` says.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<bool, Broken> {
        if let Self::Stream(source) = self { source.poll_upload(cx) } else { Ok(false) }
    }

    /// It may be silent for so long, and come as slowly as it likes.
    pub fn be_patient(&mut self, silence: Duration) {
        if let Self::Stream(source) = self {
            source.be_patient(silence);
        }
    }

    /// Before the task sleeps: gives back what it was lent.
    pub fn park(&mut self) {
        if let Self::Stream(source) = self {
            source.park();
        }
    }

    /// It is given up because nothing of it came for too long.
    pub fn silent(self) {
        if let Self::Stream(source) = self {
            source.silent();
        }
    }

    /// After `End`: its connection becomes idle again.
    pub fn done(self) {
        if let Self::Stream(source) = self {
            source.done();
        }
    }
}

/// A request's body on its way up. It keeps its first bytes for another attempt, if one may be made.
#[derive(Default)]
pub struct Upload {
    rest: Body,
    kept: Vec<u8>,
    /// What of `kept` this attempt has pulled already.
    replayed: usize,
    keep: bool,
    /// Bytes were pulled that are not kept: they cannot be sent again.
    lost: bool,
    length: Option<u64>,
    /// How many were pulled, and how many more may be.
    pulled: u64,
    allowed: u64,
    /// Trailers that do not go along.
    withheld: Withheld,
}

impl Upload {
    /// A body of at most so many bytes; `keep` if the request may be sent again though an endpoint has seen it.
    pub fn new(body: Body, keep: bool, allowed: u64) -> Self {
        let (length, kept, withheld) = (body.length(), Vec::new(), Withheld::default());
        Self {
            length,
            rest: body,
            kept,
            replayed: 0,
            keep,
            lost: false,
            pulled: 0,
            allowed,
            withheld,
        }
    }

    /// Trailers of these names do not go along.
    #[must_use]
    pub fn withholding(self, withheld: Withheld) -> Self {
        Self { withheld, ..self }
    }

    /// How many bytes there are in all, if that is known before they come.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether another attempt could send the whole body.
    pub fn is_whole(&self) -> bool {
        !self.lost
    }

    /// Starts again from the first byte, for another attempt.
    pub fn rewind(&mut self) {
        self.replayed = 0;
    }

    /// Puts back the first piece: the kernel took no byte of it, so no endpoint has seen it.
    pub fn put_back(&mut self, piece: &[u8]) {
        if !self.keep {
            self.kept = piece.to_vec();
            self.replayed = 0;
            self.lost = false;
        }
    }

    /// The next bytes, into an empty buffer.
    pub fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
    ) -> Poll<Result<Piece, Broken>> {
        if self.replayed < self.kept.len() {
            into.extend(&self.kept[self.replayed..]);
            self.replayed = self.kept.len();
            self.lost = !self.keep;
            return Poll::Ready(Ok(Piece::Data));
        }
        let piece = self.rest.poll_pull(cx, into);
        if let Poll::Ready(Ok(Piece::Data)) = piece {
            let Some(allowed) = self.allowed.checked_sub(into.bytes().len() as u64) else {
                return Poll::Ready(Err(Broken::TooLarge));
            };
            self.allowed = allowed;
            self.pulled += into.bytes().len() as u64;
            // Too long to be kept: it streams on, and is sent once.
            self.keep &= self.kept.len() + into.bytes().len() <= REPLAY;
            if self.keep {
                self.kept.extend_from_slice(into.bytes());
            } else {
                self.kept = Vec::new();
                self.lost = true;
            }
            self.replayed = self.kept.len();
        }
        if piece == Poll::Ready(Ok(Piece::End)) && self.length.is_some_and(|all| all != self.pulled)
        {
            // Whoever reads it would take what comes next for the rest of it.
            return Poll::Ready(Err(Broken::Cut));
        }
        piece
    }

    /// After `End`: the lines of the trailer section that go along, as they came.
    pub fn trailers(&self) -> Vec<u8> {
        self.withheld.without(self.rest.trailers())
    }

    /// It may be silent for so long, and come as slowly as it likes.
    pub fn be_patient(&mut self, silence: Duration) {
        self.rest.be_patient(silence);
    }

    /// Takes it out, leaving nothing: the connection sends the rest on its own, and only once.
    pub fn take(&mut self) -> Self {
        let mut taken = mem::take(self);
        taken.keep = false;
        if taken.replayed == taken.kept.len() {
            (taken.kept, taken.replayed) = (Vec::new(), 0);
        }
        taken
    }
}

/// A longer body is not kept, so it is not sent twice.
const REPLAY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;
    use crate::net::scratch::Scratch;

    /// A body that comes in pieces of these sizes.
    struct Pieces(Vec<usize>);

    impl Pull for Pieces {
        fn poll_pull(
            &mut self,
            _cx: &mut Context<'_>,
            into: &mut Buffer,
        ) -> Poll<Result<Piece, Broken>> {
            let Some(size) = (!self.0.is_empty()).then(|| self.0.remove(0)) else {
                return Poll::Ready(Ok(Piece::End));
            };
            into.extend(&vec![b'x'; size]);
            Poll::Ready(Ok(Piece::Data))
        }

        fn length(&self) -> Option<u64> {
            None
        }
    }

    /// Pulls so many pieces, or all; how many bytes came.
    fn pull(upload: &mut Upload, pieces: usize) -> usize {
        let scratch = Rc::new(Scratch::new());
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = 0;
        for _ in 0..pieces {
            let mut into = scratch.lend();
            if upload.poll_pull(&mut cx, &mut into) != Poll::Ready(Ok(Piece::Data)) {
                break;
            }
            bytes += into.bytes().len();
        }
        bytes
    }

    fn upload(pieces: &[usize], keep: bool) -> Upload {
        Upload::new(Body::Stream(Box::new(Pieces(pieces.to_vec()))), keep, u64::MAX)
    }

    #[test]
    fn a_kept_body_is_sent_again_from_its_beginning() {
        let mut kept = upload(&[10, 20, 30], true);
        assert_eq!(pull(&mut kept, 2), 30);
        assert!(kept.is_whole());
        kept.rewind();
        assert_eq!(pull(&mut kept, usize::MAX), 60);
        kept.rewind();
        assert_eq!(pull(&mut kept, usize::MAX), 60);
    }

    #[test]
    fn a_body_that_grows_too_long_or_is_not_kept_is_sent_once() {
        let mut long = upload(&[REPLAY, 1], true);
        assert_eq!(pull(&mut long, 1), REPLAY);
        assert!(long.is_whole());
        assert_eq!(pull(&mut long, 1), 1);
        assert!(!long.is_whole());
        let mut once = upload(&[10], false);
        assert!(once.is_whole(), "nothing was pulled yet");
        pull(&mut once, 1);
        assert!(!once.is_whole());
    }

    #[test]
    fn a_body_is_pulled_up_to_its_limit_and_no_further() {
        let body = || Body::Stream(Box::new(Pieces(vec![10, 20])));
        assert_eq!(pull(&mut Upload::new(body(), true, 30), usize::MAX), 30);
        assert_eq!(pull(&mut Upload::new(body(), true, 29), usize::MAX), 10);
    }

    #[test]
    fn a_first_piece_that_nobody_took_is_put_back() {
        let mut once = upload(&[10, 20], false);
        pull(&mut once, 1);
        once.put_back(&[b'x'; 10]);
        assert!(once.is_whole());
        assert_eq!(pull(&mut once, 1), 10);
        assert!(!once.is_whole());
        assert_eq!(pull(&mut once, usize::MAX), 20);
    }
}
