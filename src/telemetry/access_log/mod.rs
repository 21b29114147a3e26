//! `[access_log]`: one line per request.
//!
//! A worker writes lines into a buffer of its own (`lines`) and hands full ones to one writer thread (`writer`);
//! when that cannot keep up, buffers are dropped and counted rather than slowing traffic. Names are OpenTelemetry's
//! where it has one, ECS's where not, `weir.*` for ours. What clients sent is escaped; headers that hold secrets
//! are never written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::output::Output;
use crate::message::head::Head;
use crate::net::stream::Secured;
use crate::unit::{self, Percent, Size};

mod escape;
pub mod fields;
mod line;
mod lines;
mod recorded;
mod redact;
mod settings;
mod stamp;
#[cfg(test)]
mod tests;
mod writer;

pub use lines::Lines;
pub use recorded::Recorded;
pub use writer::{Opened, Switch, Writer, open};

/// `[access_log]`: one line per request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the lines go: "stdout", "stderr", "off", a path, or "syslog:127.0.0.1:514". A file is opened anew on
    /// SIGUSR1.
    pub output: Output,
    /// Form of a line: "json", "combined" (Apache's and nginx's) or "logfmt".
    pub format: Format,
    /// Share of the requests without an error that is written.
    pub sample: Percent,
    /// Share of the failed ones: 5xx, timeouts, what broke off.
    pub sample_errors: Percent,
    /// Slower requests are always written, whatever `sample` says.
    pub slow: unit::Duration,
    /// Request headers that are recorded.
    pub request_headers: Vec<Recorded>,
    /// Response headers that are recorded.
    pub response_headers: Vec<Recorded>,
    /// Parameters of a query whose values become "…", also in URLs that headers hold.
    pub redact_query: Vec<String>,
    /// A worker's lines are written when they are this long, at most "1MiB" …
    pub buffer: Size,
    /// … or this old.
    pub flush: unit::Duration,
}

impl Default for Config {
    fn default() -> Self {
        let names =
            |names: &[&str]| names.iter().filter_map(|name| Recorded::new(name).ok()).collect();
        Self {
            output: Output::default(),
            format: Format::default(),
            sample: Percent::new(100),
            sample_errors: Percent::new(100),
            slow: unit::Duration::from_secs(1),
            request_headers: names(&["user-agent", "referer"]),
            response_headers: names(&["content-type"]),
            redact_query: ["token", "code", "key"].map(String::from).into(),
            buffer: Size::from_kib(64),
            flush: unit::Duration::from_secs(1),
        }
    }
}

/// Form of an access-log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    #[default]
    Json,
    Combined,
    Logfmt,
}

/// What a route says of its lines; what it does not say is as `[access_log]` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Share of its requests without an error that is written.
    pub sample: Option<Percent>,
    /// Slower ones are always written.
    pub slow: Option<Duration>,
}

/// What is told of one request. Empty fields are left out.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub listener: &'a str,
    pub route: &'a str,
    pub pool: &'a str,
    /// Health was ignored.
    pub panic: bool,
    /// What its route says of its line.
    pub rule: Rule,
    /// `None`: its head could not be understood.
    pub request: Option<&'a Head>,
    /// Its path as the client asked for it, normalised.
    pub path: &'a [u8],
    /// What of the path its route asks for, in two parts.
    pub pattern: (&'a str, &'a str),
    pub request_id: &'a [u8],
    pub answer: Option<&'a Head>,
    /// 0: no answer was sent.
    pub status: u16,
    /// How a call of gRPC ended.
    pub grpc: Option<u8>,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// Who connected.
    pub peer: SocketAddr,
    /// … and for whom.
    pub client: IpAddr,
    /// How the client speaks.
    pub scheme: &'static str,
    /// What its connection was encrypted with.
    pub secured: Option<&'a Secured>,
    pub endpoint: Option<SocketAddr>,
    pub attempts: u8,
    pub took: Duration,
    /// To dial the endpoint.
    pub connect: Option<Duration>,
    /// From the start to the head of the endpoint's answer.
    pub answered: Option<Duration>,
    /// What of it was spent in weir.
    pub overhead: Option<Duration>,
    pub result: &'static str,
    pub reason: &'static str,
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            listener: "",
            route: "",
            pool: "",
            panic: false,
            rule: Rule::default(),
            request: None,
            path: b"",
            pattern: ("", ""),
            request_id: b"",
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            scheme: "http",
            secured: None,
            answer: None,
            status: 0,
            grpc: None,
            received: 0,
            sent: 0,
            peer: SocketAddr::from((IpAddr::from(Ipv4Addr::UNSPECIFIED), 0)),
            endpoint: None,
            attempts: 0,
            took: Duration::ZERO,
            connect: None,
            answered: None,
            overhead: None,
            result: "ok",
            reason: "",
        }
    }
}
