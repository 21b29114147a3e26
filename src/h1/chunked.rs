//! The chunked coding (RFC 9112, 7.1): decoded in place, and written.
//!
//! Every chunk is understood and written anew; sizes with signs, spaces or too many digits, lines without
//! CRLF, and floods of extensions or trailers are refused.

use super::Fault;

/// Decodes one chunked body, whatever the pieces it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    state: State,
    /// Bytes of the chunk that are to come.
    left: u64,
    digits: u8,
    /// Bytes of the extension in this chunk.
    extension: u32,
    /// What is still allowed.
    limits: Limits,
}

/// How much a chunked body may have besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the extension of one chunk.
    pub extension: u32,
    /// Bytes of the extensions of all chunks.
    pub extensions: u32,
    /// How many trailers.
    pub trailers: u16,
    /// Bytes of all trailers.
    pub trailer_size: u32,
}

impl Limits {
    /// Unless told otherwise.
    pub const DEFAULT: Self =
        Self { extension: 256, extensions: 16 * 1024, trailers: 32, trailer_size: 8 * 1024 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line of the trailer section.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// Behind such a line.
    TrailerEnd,
    EndLf,
    End,
    /// It was malformed: what was decoded has moved, so nothing may be decoded again.
    Broken,
}

/// What a call has decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The payload stands at the front of the bytes, this long.
    pub data: usize,
    /// How many bytes were understood, framing included.
    pub used: usize,
    /// Whether the body has ended.
    pub ended: bool,
}

impl Chunks {
    /// Before the first chunk.
    pub const fn new(limits: Limits) -> Self {
        Self { state: State::Size, left: 0, digits: 0, extension: 0, limits }
    }

    /// Decodes what is there; the payload of all chunks is moved together at the front of `bytes`.
    /// The lines of the trailer section, as they came, are added to `trailers`.
    ///
    /// # Errors
    /// `Malformed`, from then on for ever; nothing of the connection can be used any further.
    pub fn decode(&mut self, bytes: &mut [u8], trailers: &mut Vec<u8>) -> Result<Decoded, Fault> {
        let (mut at, mut data) = (0, 0);
        while at < bytes.len() && self.state != State::End {
            if self.state == State::Data {
                let run = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                if at != data {
                    bytes.copy_within(at..at + run, data);
                }
                (at, data) = (at + run, data + run);
                self.left -= run as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            if let Err(fault) = self.step(bytes[at]) {
                self.state = State::Broken;
                return Err(fault);
            }
            if self.state.is_in_trailers() {
                trailers.push(bytes[at]);
            }
            at += 1;
        }
        Ok(Decoded { data, used: at, ended: self.state == State::End })
    }

    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        self.state = match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if self.digits < 16 => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.left = self.left << 4 | u64::from(digit);
                self.digits += 1;
                State::Size
            }
            (State::Size, b'\r') if self.digits > 0 => State::SizeLf,
            (State::Size, b';') if self.digits > 0 => State::Extension,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension += 1;
                if self.extension > self.limits.extension {
                    return Err(Fault::Malformed);
                }
                self.limits.extensions = take(self.limits.extensions)?;
                State::Extension
            }
            (State::SizeLf, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                (self.digits, self.extension) = (0, 0);
                State::Size
            }
            (State::TrailerStart | State::TrailerEnd, b'\r') => State::EndLf,
            (State::EndLf, b'\n') => State::End,
            (State::TrailerStart | State::TrailerEnd, byte) if is_token(byte) => {
                self.limits.trailers =
                    self.limits.trailers.checked_sub(1).ok_or(Fault::Malformed)?;
                self.count_trailer()?;
                State::TrailerName
            }
            (State::TrailerName, b':') => {
                self.count_trailer()?;
                State::TrailerValue
            }
            (State::TrailerName, byte) if is_token(byte) => {
                self.count_trailer()?;
                State::TrailerName
            }
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_trailer()?;
                State::TrailerValue
            }
            (State::TrailerLf, b'\n') => State::TrailerEnd,
            _ => return Err(Fault::Malformed),
        };
        Ok(())
    }

    fn count_trailer(&mut self) -> Result<(), Fault> {
        self.limits.trailer_size = take(self.limits.trailer_size)?;
        Ok(())
    }
}

impl State {
    /// Whether the byte that led here belongs to a line of the trailer section.
    const fn is_in_trailers(self) -> bool {
        matches!(self, Self::TrailerName | Self::TrailerValue | Self::TrailerLf | Self::TrailerEnd)
    }
}

/// One byte less is allowed.
fn take(allowed: u32) -> Result<u32, Fault> {
    allowed.checked_sub(1).ok_or(Fault::Malformed)
}

/// Writes the line before a chunk of this many bytes.
pub fn open(length: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let significant = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..significant).rev() {
        out.push(DIGITS[length >> (digit * 4) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// What follows the data of a chunk.
pub const CLOSE: &[u8] = b"\r\n";

/// Writes what ends a body: the last chunk, and what may be passed on of the trailers of another one.
pub fn end(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    super::trailers::write(trailers, out);
    out.extend_from_slice(b"\r\n");
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a body that comes in pieces of `step` bytes; answers the payload and what is left over.
    fn decode(wire: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        let mut chunks = Chunks::new(Limits::DEFAULT);
        let (mut payload, mut rest) = (Vec::new(), wire.to_vec());
        let mut trailers = Vec::new();
        loop {
            let mut piece = rest[..step.min(rest.len())].to_vec();
            let decoded = chunks.decode(&mut piece, &mut trailers)?;
            payload.extend_from_slice(&piece[..decoded.data]);
            rest.drain(..decoded.used);
            if decoded.ended || rest.is_empty() {
                return Ok((payload, rest));
            }
        }
    }

    #[test]
    fn decodes_alike_however_it_is_cut() {
        let wire = b"4\r\nweir\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\nGET /";
        for step in 1..=wire.len() {
            let (payload, rest) = decode(wire, step).unwrap();
            assert_eq!(payload, b"weir0123456789", "{step}");
            assert_eq!(rest, b"GET /", "{step}");
        }
    }

    #[test]
    fn trailers_are_kept_as_they_came_however_they_are_cut() {
        let wire = b"1\r\na\r\n0\r\nX-A:  b\r\nY:\r\n\r\nGET";
        for step in 1..=wire.len() {
            let (mut chunks, mut trailers) = (Chunks::new(Limits::DEFAULT), Vec::new());
            let mut rest = &wire[..];
            let mut ended = false;
            while !ended {
                let mut piece = rest[..step.min(rest.len())].to_vec();
                let decoded = chunks.decode(&mut piece, &mut trailers).unwrap();
                (rest, ended) = (&rest[decoded.used..], decoded.ended);
            }
            assert_eq!(trailers, b"X-A:  b\r\nY:\r\n", "{step}");
        }
    }

    #[test]
    fn refuses_what_another_parser_could_read_otherwise() {
        for wire in [
            "+4\r\nweir\r\n0\r\n\r\n",
            "-4\r\n",
            "0x4\r\nweir\r\n0\r\n\r\n",
            " 4\r\nweir\r\n",
            "4 \r\nweir\r\n",
            "\r\n",
            ";x\r\n",
            "4\nweir\r\n",
            "4\rweir\r\n",
            "4\r\nweirX\r\n",
            "4\r\nweir\n0\r\n\r\n",
            "00000000000000004\r\nweir\r\n",
            "0\r\n\n",
            "0\r\nx\r\n\r\n",
            "0\r\n x: 1\r\n\r\n",
            "0\r\nx : 1\r\n\r\n",
            "0\r\nx: \u{1}\r\n\r\n",
            "4;\u{0}\r\nweir\r\n",
            "4;\n\r\nweir\r\n",
        ] {
            assert_eq!(decode(wire.as_bytes(), usize::MAX), Err(Fault::Malformed), "{wire:?}");
        }
    }

    #[test]
    fn what_was_malformed_once_stays_so() {
        // The payload is the end of a body, and moves to the front.
        let mut wire = b"5\r\n0\r\n\r\n\r\nno chunk".to_vec();
        let mut chunks = Chunks::new(Limits::DEFAULT);
        for _ in 0..2 {
            assert_eq!(chunks.decode(&mut wire, &mut Vec::new()), Err(Fault::Malformed));
            assert!(wire.starts_with(b"0\r\n\r\n"));
        }
    }

    #[test]
    fn floods_of_extensions_and_trailers_end() {
        let long = format!("1;{}\r\n", "x".repeat(300));
        assert_eq!(decode(long.as_bytes(), usize::MAX), Err(Fault::Malformed));
        let many = format!("1;{}\r\nx\r\n", "x".repeat(200)).repeat(100);
        assert_eq!(decode(many.as_bytes(), usize::MAX), Err(Fault::Malformed));
        let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(33));
        assert_eq!(decode(trailers.as_bytes(), usize::MAX), Err(Fault::Malformed));
        let trailer = format!("0\r\nx: {}\r\n\r\n", "y".repeat(9000));
        assert_eq!(decode(trailer.as_bytes(), usize::MAX), Err(Fault::Malformed));
    }

    #[test]
    fn sizes_are_written_in_hex() {
        for length in [1, 9, 15, 16, 255, 256, 65_536, 0x00ab_cdef] {
            let mut out = Vec::new();
            open(length, &mut out);
            assert_eq!(out, format!("{length:x}\r\n").into_bytes());
        }
    }
}
