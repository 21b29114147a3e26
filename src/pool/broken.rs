//! Why an attempt came to nothing: decides what the client is told, and whether another one may be made.

use crate::endpoint::Outcome;
use crate::message::body;

/// Why an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The endpoint could not be connected to; or not in time.
    Connect { timed_out: bool },
    /// The kernel took no byte of the request.
    Refused,
    /// The endpoint and weir came to no TLS.
    Tls,
    /// Closed before any byte of an answer.
    Reset,
    /// Closed within the head of the answer.
    Aborted,
    /// No answer in time.
    Timeout,
    /// No answer in the time that all attempts have together.
    Late,
    /// Weir has no descriptor left for a connection.
    NoDescriptor,
    /// The answer is not HTTP, or ambiguous.
    Protocol,
    /// The client's own body did not come to its end.
    Upload(body::Broken),
}

impl Broken {
    /// Its class.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Connect { .. } | Self::Tls => Outcome::ConnectFailure,
            Self::Refused => Outcome::Refused,
            Self::Reset => Outcome::Reset,
            Self::Aborted => Outcome::Aborted,
            Self::Timeout | Self::Late => Outcome::Timeout,
            Self::Protocol => Outcome::Protocol,
            Self::Upload(_) | Self::NoDescriptor => Outcome::ClientGone,
        }
    }
}
