//! Finds frames in a stream of bytes (RFC 9113, 4.1), however it is cut. Pure.

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data,
    Headers,
    Continuation,
    Reset,
    /// All that asks for nothing, known or not.
    Control,
}

/// A frame, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// Its payload's length.
    pub length: u32,
    /// Its stream; 0: the connection.
    pub stream: u32,
    /// Of a reset: why.
    pub reason: u32,
    flags: u8,
    padding: u32,
}

impl Frame {
    /// Of a head: it has no further pieces.
    pub fn ends_head(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Of DATA and heads: its stream ends with it.
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & END_STREAM != 0
    }

    /// Of DATA: it brings nothing, not even the end.
    pub fn is_hollow(&self) -> bool {
        self.length == self.padding && self.flags & END_STREAM == 0
    }
}

/// The frames of one direction.
pub struct Frames {
    /// What is known of the frame that has begun: its nine bytes, and what is looked at of its payload.
    begun: [u8; HEADER + LOOK],
    have: usize,
    /// How much of the payload is to come; or of what comes before the first frame.
    left: usize,
    /// The payload under way is of a body.
    body: bool,
    first: bool,
}

impl Frames {
    /// The first frame comes behind so many bytes.
    pub fn after(bytes: usize) -> Self {
        Self { begun: [0; HEADER + LOOK], have: 0, left: bytes, body: false, first: bytes > 0 }
    }

    /// The next frame whose beginning has come; what is behind that is left in `bytes`.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        loop {
            let skipped = self.left.min(bytes.len());
            *bytes = &bytes[skipped..];
            self.left -= skipped;
            if self.left > 0 {
                return None;
            }
            let wanted = self.wanted();
            let taken = (wanted - self.have).min(bytes.len());
            self.begun[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            *bytes = &bytes[taken..];
            self.have += taken;
            if self.have < wanted {
                return None;
            }
            // Now that its header is whole it may be worth looking at more.
            if self.wanted() == wanted {
                return Some(self.begin());
            }
        }
    }

    /// Whether a frame has begun that is no part of a body, or the first one is waited for.
    pub fn is_midst(&self) -> bool {
        self.first || self.have > 0 || self.left > 0 && !self.body
    }

    /// Whether nothing has begun.
    pub fn is_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// How much of the frame is looked at.
    fn wanted(&self) -> usize {
        if self.have < HEADER {
            return HEADER;
        }
        let look = match (self.begun[3], self.begun[4] & PADDED) {
            (RST_STREAM, _) => 4,
            (DATA, PADDED) => 1,
            _ => 0,
        };
        HEADER + look.min(self.length())
    }

    fn length(&self) -> usize {
        let [a, b, c, ..] = self.begun;
        u32::from_be_bytes([0, a, b, c]) as usize
    }

    fn begin(&mut self) -> Frame {
        let [.., kind, flags, s1, s2, s3, s4, p1, p2, p3, p4] = self.begun;
        let (length, looked) = (self.length(), self.have - HEADER);
        let padding = if kind == DATA && looked == 1 { u32::from(p1) + 1 } else { 0 };
        let frame = Frame {
            kind: match kind {
                DATA => Kind::Data,
                HEADERS => Kind::Headers,
                RST_STREAM => Kind::Reset,
                CONTINUATION => Kind::Continuation,
                _ => Kind::Control,
            },
            length: length as u32,
            stream: u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]),
            reason: if looked == 4 { u32::from_be_bytes([p1, p2, p3, p4]) } else { 0 },
            flags,
            padding,
        };
        (self.left, self.have, self.first) = (length - looked, 0, false);
        self.body = frame.kind == Kind::Data;
        frame
    }
}

/// The length of what a client begins with: "PRI * HTTP/2.0" and more (RFC 9113, 3.4).
pub const PREFACE: usize = 24;
const HEADER: usize = 9;
/// So much of a payload is looked at.
const LOOK: usize = 4;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes: &[u8] = &[
            b'x', b'y', // before the first
            0, 0, 3, 0, 9, 0, 0, 0, 5, 1, 7, 8, // DATA, padded, END_STREAM
            0, 0, 4, 3, 0, 128, 0, 0, 7, 0, 0, 1, 2, // RST_STREAM
            0, 0, 0, 1, 4, 0, 0, 0, 9, // HEADERS without anything
            0, 0, 2, 99, 0, 0, 0, 0, 0, 1, 2, // unknown
        ];
        for size in 1..bytes.len() {
            let mut frames = Frames::after(2);
            assert!(frames.is_midst());
            let mut found = Vec::new();
            for mut part in bytes.chunks(size) {
                while let Some(frame) = frames.next(&mut part) {
                    found.push((frame.kind, frame.length, frame.stream, frame.reason));
                }
                assert!(part.is_empty());
            }
            assert!(frames.is_boundary() && !frames.is_midst());
            assert_eq!(
                found,
                [
                    (Kind::Data, 3, 5, 0),
                    (Kind::Reset, 4, 7, 258),
                    (Kind::Headers, 0, 9, 0),
                    (Kind::Control, 2, 0, 0)
                ]
            );
        }
    }
}
