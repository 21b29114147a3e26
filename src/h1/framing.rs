//! How long is this body? Content-Length, chunked, until close, or none (RFC 9112, 6.3).

use super::Fault;

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// This many bytes, at least one.
    Length(u64),
    /// In chunks (RFC 9112, 7.1).
    Chunked,
    /// All until the connection ends; answers only.
    UntilClose,
}

impl Framing {
    /// A known length; 0 is no body.
    pub const fn of_length(length: u64) -> Self {
        if length == 0 { Self::None } else { Self::Length(length) }
    }

    /// How many bytes there are, if that is known before they come.
    pub const fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked | Self::UntilClose => None,
        }
    }
}

/// The number in a Content-Length: digits, nothing else, at most 19 (RFC 9110, 8.6).
///
/// # Errors
/// `Malformed` for all that another parser might read as another number.
pub fn content_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Malformed);
    }
    Ok(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_is_digits_and_nothing_else() {
        assert_eq!(content_length(b"0"), Ok(0));
        assert_eq!(content_length(b"007"), Ok(7));
        assert_eq!(content_length(b"9999999999999999999"), Ok(9_999_999_999_999_999_999));
        for bad in ["", "+5", "-5", "0x5", "5 0", "5,5", "5, 6", "10000000000000000000", "٣", "5.0"]
        {
            assert_eq!(content_length(bad.as_bytes()), Err(Fault::Malformed), "{bad}");
        }
    }
}
