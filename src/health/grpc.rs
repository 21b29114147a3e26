//! A check by the health protocol of gRPC: `grpc.health.v1.Health/Check`, one message in and one out.

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body_util::Full;

use super::{Answer, Config, Door, Probe, Problem, words};
use crate::endpoint::state::Why;
use crate::message::fetch;
use crate::message::grpc::Status;
use crate::tls::client::Inside;

/// Asks whether a service is served.
pub struct Grpc {
    door: Door,
    authority: String,
    service: String,
}

impl Grpc {
    /// Asks there. `name` is the endpoint's authority, unless the file gives another.
    pub fn new(config: &Config, door: Door, name: &str) -> Self {
        let authority = config.host.as_deref().unwrap_or(name).to_owned();
        Self { door, authority, service: config.service.clone() }
    }

    async fn check(&self) -> Result<(), Problem> {
        let stream = self.door.open(Inside::Http2).await?;
        let protocol = |said: String| Problem::new(Why::Protocol, format!("{CHECK} has {said}"));
        if self.door.tls.is_some() && !stream.has_http2() {
            return Err(protocol(String::from("no HTTP/2 to go over")));
        }
        let request = Request::post(format!("http://{}{CHECK}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("weir/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(question(&self.service)))
            .map_err(|error| protocol(format!("no valid request: {error}")))?;
        let answered = fetch::over_http2(stream, request, LOOKED_AT).await;
        let answered =
            answered.map_err(|error| protocol(format!("no answer: {}", words(&error))))?;
        let status = answered.parts.status;
        if status != 200 {
            return Err(Problem::new(Why::Status, format!("{CHECK} was answered {status}")));
        }
        let of = |fields: &http::HeaderMap| Status::read(fields.get("grpc-status")?.as_bytes());
        // An answer may be its head alone.
        match of(&answered.trailers).or_else(|| of(&answered.parts.headers)) {
            None => return Err(protocol(String::from("no grpc-status in its answer"))),
            Some(Status(0)) => {}
            Some(Status(5)) => return Err(self.not("known there")),
            Some(Status::UNIMPLEMENTED) => {
                return Err(Problem::new(Why::Status, format!("{CHECK} is not offered there")));
            }
            Some(Status(code)) => {
                return Err(Problem::new(Why::Status, format!("{CHECK} ended with status {code}")));
            }
        }
        match serving(&answered.body) {
            Some(1) => Ok(()),
            Some(2) => Err(Problem::new(Why::SaysFail, self.words("NOT_SERVING"))),
            Some(3) => Err(self.not("known there")),
            Some(_) => Err(Problem::new(Why::Status, self.words("UNKNOWN"))),
            None => Err(protocol(String::from("no message in its answer"))),
        }
    }

    fn words(&self, said: &str) -> String {
        match self.service.as_str() {
            "" => format!("{CHECK} says {said}"),
            service => format!("{CHECK} says {said} of {service}"),
        }
    }

    fn not(&self, what: &str) -> Problem {
        let service = &self.service;
        Problem::new(Why::Status, format!("{CHECK}: the service {service:?} is not {what}"))
    }
}

impl Probe for Grpc {
    fn ask(&mut self) -> Answer<'_> {
        Box::pin(self.check())
    }
}

/// `HealthCheckRequest { string service = 1; }`, in a frame of gRPC: not compressed, and how long it is.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 128 {
            message.put_u8((length % 128) as u8 | 128);
            length /= 128;
        }
        message.put_u8(length as u8);
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(&message);
    frame.freeze()
}

/// Of `HealthCheckResponse { ServingStatus status = 1; }` in its frame: the status. `None`: it is none.
fn serving(frame: &[u8]) -> Option<u8> {
    let (head, message) = frame.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    match (head[0], message.get(..length)?) {
        // Zero is not written.
        (0, []) => Some(0),
        (0, [0x08, status, ..]) if *status < 128 => Some(*status),
        _ => None,
    }
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// How much of an answer is looked at: its message is two bytes.
const LOOKED_AT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_protobuf_makes_of_them() {
        assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
        assert_eq!(serving(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(serving(&[0, 0, 0, 0, 0]), Some(0));
        for frame in [&[][..], &[0, 0, 0, 0, 2, 8], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 2, 16, 1]]
        {
            assert_eq!(serving(frame), None, "{frame:?}");
        }
    }
}
