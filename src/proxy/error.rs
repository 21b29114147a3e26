//! Every failure a client can see, in one table: status, reason, whose fault it was, may it be retried.
//!
//! The reason is one word of a closed list, the same in metrics, in the access log and in `weir explain`.

use crate::h1::Fault;
use crate::message::body;
use crate::message::head::Head;
use crate::message::reply::Reply;
use crate::pool::http1::Broken;

/// Why a client got an error from weir itself, or an answer that was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    BadRequest,
    BadBody,
    LineTooLong,
    HeadTooLarge,
    UnknownCoding,
    UnknownVersion,
    ConnectMethod,
    HeaderTimeout,
    BodyTimeout,
    NoRoute,
    NoEndpoint,
    ConnectFailure,
    ConnectTimeout,
    Refused,
    Reset,
    Aborted,
    Protocol,
    ResponseTimeout,
    Truncated,
    BadAnswerBody,
    IdleTimeout,
    WriteTimeout,
    ClientGone,
    Stopped,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Client,
    Upstream,
    Weir,
}

/// What the table says of a failure.
pub struct Row {
    /// The failure.
    pub error: Error,
    /// The status the client gets; 0: none, the connection is closed or the answer broken off.
    pub status: u16,
    /// Its word in metrics and logs.
    pub reason: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
    /// What it means and what to do, for `weir explain`; its first sentence is the answer's body.
    pub about: &'static str,
}

macro_rules! table {
    ($($error:ident $status:literal $reason:literal $blame:ident $about:literal;)*) => {
        /// The table, in the order of the enum.
        pub const TABLE: &[Row] = &[$(Row {
            error: Error::$error,
            status: $status,
            reason: $reason,
            blame: Blame::$blame,
            about: concat!($about, "\n"),
        }),*];
    };
}

table! {
    BadRequest 400 "bad_request" Client
        "weir: the request is not valid HTTP/1, or could be understood in two ways.";
    BadBody 400 "bad_body" Client "weir: the framing of the request's body is not valid.";
    LineTooLong 414 "line_too_long" Client "weir: the request line is longer than 8 KiB.";
    HeadTooLarge 431 "head_too_large" Client
        "weir: the head is larger than 32 KiB, one field than 16 KiB, or it has over 100 fields.";
    UnknownCoding 501 "unknown_coding" Client
        "weir: the only transfer coding that is understood is chunked.";
    UnknownVersion 505 "unknown_version" Client "weir: this port speaks HTTP/1.0 and HTTP/1.1.";
    ConnectMethod 501 "connect_method" Client "weir: CONNECT is not offered here.";
    HeaderTimeout 408 "header_timeout" Client "weir: the head of the request took over 10 s.";
    BodyTimeout 408 "body_timeout" Client "weir: nothing of the request's body came for 30 s.";
    NoRoute 404 "no_route" Client "weir: no route matches this host and path.";
    NoEndpoint 503 "no_endpoint" Upstream "weir: no endpoint of the pool is healthy.";
    ConnectFailure 502 "connect_failure" Upstream "weir: the endpoint could not be connected to.";
    ConnectTimeout 504 "connect_timeout" Upstream
        "weir: the endpoint did not accept a connection within 2 s.";
    Refused 502 "refused" Upstream "weir: the endpoint closed the connection before the request.";
    Reset 502 "reset" Upstream "weir: the endpoint closed the connection without an answer.";
    Aborted 502 "aborted" Upstream "weir: the endpoint broke off within the head of its answer.";
    Protocol 502 "protocol" Upstream
        "weir: the endpoint's answer is not valid HTTP/1, or could be understood in two ways.";
    ResponseTimeout 504 "response_timeout" Upstream "weir: the endpoint did not answer within 30 s.";
    Truncated 0 "truncated" Upstream
        "weir: the endpoint broke off within the body of its answer; so did weir.";
    BadAnswerBody 0 "bad_answer_body" Upstream
        "weir: the framing of the answer's body is not valid; weir broke the answer off.";
    IdleTimeout 0 "idle_timeout" Upstream
        "weir: nothing of the answer's body came for 60 s; weir broke the answer off.";
    WriteTimeout 0 "write_timeout" Client "weir: the client took nothing of its answer for 30 s.";
    ClientGone 0 "client_gone" Client
        "weir: the client closed the connection before its answer had ended.";
    Stopped 0 "stopped" Weir "weir: it was stopped before the answer had ended.";
}

impl Error {
    /// What the table says of it.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The answer that tells the client.
    pub fn reply(self, head: Head) -> Reply {
        Reply::own(head, self.row().status, self.row().about)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => Self::BadRequest,
            Fault::LineTooLong => Self::LineTooLong,
            Fault::HeadTooLarge => Self::HeadTooLarge,
            Fault::UnknownCoding => Self::UnknownCoding,
            Fault::UnknownVersion => Self::UnknownVersion,
        }
    }
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Connect { timed_out: false } => Self::ConnectFailure,
            Broken::Connect { timed_out: true } => Self::ConnectTimeout,
            Broken::Refused => Self::Refused,
            Broken::Reset => Self::Reset,
            Broken::Aborted => Self::Aborted,
            Broken::Timeout => Self::ResponseTimeout,
            Broken::Protocol => Self::Protocol,
            Broken::Upload(body::Broken::Cut) => Self::ClientGone,
            Broken::Upload(body::Broken::Malformed) => Self::BadBody,
            Broken::Upload(body::Broken::Silent) => Self::BodyTimeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::http::REASONS;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.error as usize, at, "{}", row.reason);
        }
        assert!(TABLE.len() <= REASONS);
    }

    #[test]
    fn blame_agrees_with_the_status() {
        for row in TABLE.iter().filter(|row| row.status != 0) {
            let clients = row.blame == Blame::Client;
            assert_eq!(
                clients,
                row.status < 500 || matches!(row.status, 501 | 505),
                "{}",
                row.reason
            );
        }
    }
}
