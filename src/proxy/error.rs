//! Every failure a client can see, in one table: status, reason, whose fault it was, may it be retried.
//!
//! The reason is one word of a closed list, the same in metrics, in the access log and in `weir explain`.

use crate::h1::Fault;
use crate::message::body;
use crate::message::grpc;
use crate::message::head::Head;
use crate::message::reply::Reply;
use crate::policy::Refused;
use crate::pool::broken::Broken;

/// Why a client got an error from weir itself, or an answer that was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    BadRequest,
    BadHello,
    BadBody,
    BodyTooLarge,
    LineTooLong,
    HeadTooLarge,
    UnknownCoding,
    UnknownVersion,
    ConnectMethod,
    HeaderTimeout,
    BodyTimeout,
    NoRoute,
    ListenerGone,
    Access,
    Rewrite,
    NoEndpoint,
    ConnectFailure,
    ConnectTimeout,
    Tls,
    Refused,
    Reset,
    Aborted,
    Protocol,
    ResponseTimeout,
    TotalTimeout,
    NoDescriptor,
    Truncated,
    BadAnswerBody,
    IdleTimeout,
    ExchangeTimeout,
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
    /// What it means: the answer's body.
    pub about: &'static str,
    /// What an operator should know besides, for `weir explain`.
    pub advice: &'static str,
}

macro_rules! table {
    ($($error:ident $status:literal $reason:literal $blame:ident $about:literal $($advice:literal)?;)*) => {
        /// The table, in the order of the enum.
        pub const TABLE: &[Row] = &[$(Row {
            error: Error::$error,
            status: $status,
            reason: $reason,
            blame: Blame::$blame,
            about: concat!("weir: ", $about, "\n"),
            advice: concat!($($advice)?),
        }),*];
    };
}

table! {
    BadRequest 400 "bad_request" Client
        "the request is not valid HTTP, or could be understood in two ways."
        "Its bytes are not shown anywhere: they are the client's. README tells what is refused.";
    BadHello 0 "bad_hello" Client "what came is no beginning of TLS; weir closed the connection.";
    BadBody 400 "bad_body" Client "the framing of the request's body is not valid.";
    BodyTooLarge 413 "body_too_large" Client "the request's body is larger than is accepted here."
        "The limit is `max_body` of the route or of its policies.";
    LineTooLong 414 "line_too_long" Client "the request line is too long."
        "The limit is `limits.request_line` of the listener.";
    HeadTooLarge 431 "head_too_large" Client
        "the head of the request, one of its fields, or their number is too large."
        "The limits are `limits.header_size`, `header_field` and `headers` of the listener.";
    UnknownCoding 501 "unknown_coding" Client
        "the only transfer coding that is understood is chunked.";
    UnknownVersion 505 "unknown_version" Client "this port does not speak this version of HTTP."
        "Which are spoken is `http_versions` of the listener; over TLS, HTTP/2 comes by ALPN only.";
    ConnectMethod 501 "connect_method" Client "CONNECT is not offered here.";
    HeaderTimeout 408 "header_timeout" Client "the head of the request took too long."
        "The limit is `timeouts.header` of the listener; a drip of bytes does not extend it.";
    BodyTimeout 408 "body_timeout" Client
        "the request's body did not go on for too long, or came too slowly."
        "The limits are `timeouts.body` and `limits.min_body_rate` of the listener.";
    NoRoute 404 "no_route" Client "no route matches this host and path.";
    ListenerGone 503 "listener_gone" Weir "this port is not served any more."
        "Its listener was taken out of the configuration while the client had a connection to it.";
    Access 403 "access" Client "this client may not come here."
        "`access` of the route or of its policies does not let its address in.";
    Rewrite 400 "rewrite" Client "the path cannot be rewritten as this route asks."
        "What `rewrite` of the route or of its policies made of it has a dot segment, or is no path.";
    NoEndpoint 503 "no_endpoint" Upstream "there is no endpoint that could be asked."
        "All are down or draining, and so are those of the pool's `fallback`; `limits.panic_below` \
         says when weir asks them all the same.";
    ConnectFailure 502 "connect_failure" Upstream "the endpoint could not be connected to.";
    ConnectTimeout 504 "connect_timeout" Upstream "the endpoint did not accept a connection in time."
        "The limit is `connections.connect_timeout` of the pool.";
    Tls 502 "tls" Upstream "no TLS connection to the endpoint could be made."
        "Its certificate is not believed, or has another name, or has ended: health checks say which, and so does the \
         log with `levels = { pool = \"debug\" }`. What is believed is `tls.ca` and `tls.server_name` of the pool.";
    Refused 502 "refused" Upstream "the endpoint closed the connection before the request.";
    Reset 502 "reset" Upstream "the endpoint closed the connection without an answer.";
    Aborted 502 "aborted" Upstream "the endpoint broke off within the head of its answer.";
    Protocol 502 "protocol" Upstream
        "the endpoint's answer is not valid HTTP, or could be understood in two ways.";
    ResponseTimeout 504 "response_timeout" Upstream "the endpoint did not answer in time."
        "The limit is `timeouts.response` of the route or of its policies.";
    TotalTimeout 504 "total_timeout" Upstream "there was no answer in the time for all attempts."
        "The limits are `timeouts.total` and `timeouts.exchange` of the route or of its policies.";
    NoDescriptor 503 "no_descriptor" Weir "no connection to an endpoint can be opened now."
        "No descriptor is left for it: raise the limit on open files, or lower `max_connections`.";
    Truncated 0 "truncated" Upstream
        "the endpoint broke off within the body of its answer; so did weir.";
    BadAnswerBody 0 "bad_answer_body" Upstream
        "the framing of the answer's body is not valid; weir broke the answer off.";
    IdleTimeout 0 "idle_timeout" Upstream
        "nothing of the answer's body came for too long; weir broke the answer off."
        "The limit is `timeouts.idle` of the route or of its policies, for streams `stream_idle`.";
    ExchangeTimeout 0 "exchange_timeout" Upstream
        "the answer took too long as a whole; weir broke it off."
        "The limit is `timeouts.exchange` of the route or of its policies.";
    WriteTimeout 0 "write_timeout" Client "the client took nothing of its answer for too long."
        "The limit is `timeouts.write` of the listener.";
    ClientGone 0 "client_gone" Client
        "the client closed the connection before its answer had ended.";
    Stopped 0 "stopped" Weir "it was stopped before the answer had ended.";
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

    /// The answer that tells the client of a call.
    pub fn refusal(self, head: Head) -> Reply {
        grpc::refusal(head, self.grpc_status(), self.row().about)
    }

    /// How a call ends of which weir could make nothing: as the protocol maps statuses of HTTP, but for times and sizes,
    /// which it has words for.
    fn grpc_status(self) -> grpc::Status {
        match self.row().status {
            403 => grpc::Status::PERMISSION_DENIED,
            404 => grpc::Status::UNIMPLEMENTED,
            413 | 414 | 431 => grpc::Status::RESOURCE_EXHAUSTED,
            504 if self != Self::ConnectTimeout => grpc::Status::DEADLINE_EXCEEDED,
            502..=504 => grpc::Status::UNAVAILABLE,
            408 => grpc::Status::DEADLINE_EXCEEDED,
            _ => grpc::Status::INTERNAL,
        }
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

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Access => Self::Access,
            Refused::Rewrite => Self::Rewrite,
        }
    }
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Connect { timed_out: false } => Self::ConnectFailure,
            Broken::Connect { timed_out: true } => Self::ConnectTimeout,
            Broken::Tls => Self::Tls,
            Broken::Refused => Self::Refused,
            Broken::Reset => Self::Reset,
            Broken::Aborted => Self::Aborted,
            Broken::Timeout => Self::ResponseTimeout,
            Broken::Late => Self::TotalTimeout,
            Broken::NoDescriptor => Self::NoDescriptor,
            Broken::Protocol => Self::Protocol,
            Broken::Upload(body::Broken::Cut) => Self::ClientGone,
            Broken::Upload(body::Broken::Malformed) => Self::BadBody,
            Broken::Upload(body::Broken::Silent) => Self::BodyTimeout,
            Broken::Upload(body::Broken::TooLarge) => Self::BodyTooLarge,
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
