//! What of the received bytes is payload, and where the body ends: the same for both directions.

use super::Fault;
use super::chunked::{Chunks, Decoded, Limits};
use super::framing::Framing;

/// A body being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// This many bytes are to come; 0: it has ended.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
    /// All that comes, until the peer closes.
    UntilClose,
}

impl Payload {
    /// Before the first byte of a body; if it is chunked, within these limits.
    pub const fn new(framing: Framing, limits: Limits) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunks::new(limits)),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Takes what is there: the payload stands at the front of `bytes` afterwards, and trailers behind
    /// what was in `trailers`.
    ///
    /// # Errors
    /// `Malformed` framing.
    pub fn decode(&mut self, bytes: &mut [u8], trailers: &mut Vec<u8>) -> Result<Decoded, Fault> {
        let decoded = match self {
            Self::Length(left) => {
                let data = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= data as u64;
                Decoded { data, used: data, ended: *left == 0 }
            }
            Self::Chunked(chunks) => chunks.decode(bytes, trailers)?,
            Self::UntilClose => Decoded { data: bytes.len(), used: bytes.len(), ended: false },
        };
        if decoded.ended {
            *self = Self::Length(0);
        }
        Ok(decoded)
    }

    /// Whether all of it was taken.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// The peer has closed: whether that was the end it should have been.
    pub const fn ends_by_close(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// How much to read at most, so that nothing behind the body is read where that is known.
    pub fn appetite(&self, most: usize) -> usize {
        match self {
            Self::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX).min(most),
            Self::Chunked(_) | Self::UntilClose => most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(framing: Framing) -> Payload {
        Payload::new(framing, Limits::DEFAULT)
    }

    #[test]
    fn takes_its_bytes_and_leaves_what_follows() {
        let chunked: &[u8] = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for (framing, wire) in [(Framing::Length(5), &b"abcde"[..]), (Framing::Chunked, chunked)] {
            let mut bytes = [wire, b"GET"].concat();
            let mut payload = new(framing);
            assert!(!payload.has_ended());
            let decoded = payload.decode(&mut bytes, &mut Vec::new()).unwrap();
            assert_eq!(decoded, Decoded { data: 5, used: wire.len(), ended: true });
            assert_eq!(&bytes[..5], b"abcde");
            assert!(payload.has_ended() && !payload.ends_by_close());
            // After its end it takes nothing more.
            let after = payload.decode(&mut bytes, &mut Vec::new()).unwrap();
            assert_eq!(after, Decoded { data: 0, used: 0, ended: true });
        }
    }

    #[test]
    fn a_body_that_only_its_bytes_or_a_close_end() {
        assert!(new(Framing::None).has_ended());
        let mut until_close = new(Framing::UntilClose);
        let decoded = until_close.decode(&mut [0; 9], &mut Vec::new()).unwrap();
        assert_eq!(decoded, Decoded { data: 9, used: 9, ended: false });
        assert!(until_close.ends_by_close() && !until_close.has_ended());
        let mut long = new(Framing::Length(u64::MAX));
        assert_eq!(long.decode(&mut [0; 9], &mut Vec::new()).unwrap().data, 9);
        assert!(!long.has_ended() && !long.ends_by_close());
    }

    #[test]
    fn nothing_behind_a_known_length_is_asked_for() {
        assert_eq!(new(Framing::Length(5)).appetite(100), 5);
        assert_eq!(new(Framing::Length(u64::MAX)).appetite(100), 100);
        assert_eq!(new(Framing::Chunked).appetite(100), 100);
    }
}
