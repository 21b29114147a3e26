//! hyper on a wire in memory, without sockets or a runtime: another reader of what weir writes.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::rt::ReadBufCursor;
use hyper::service::service_fn;
use hyper::{client, server};
use weir::h1::chunked;
use weir::h1::framing::Framing;

use super::chunks;
use super::passed::{self, Fields, Own};
use super::plain::Field;

/// A message, as hyper has understood it.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Method and target, or status and reason.
    line: String,
    own: Own,
    /// By name, since hyper keeps only those of one name in their order.
    passed: Vec<(String, String)>,
    /// How long the body was said to be.
    length: Option<u64>,
    /// `None`: it broke off.
    body: Option<Bytes>,
}

impl Seen {
    /// A message of these parts, as hyper would show it.
    pub fn new(line: &[u8], fields: Fields<'_>, length: Option<u64>, body: Option<Bytes>) -> Self {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let lower = |(name, value): &Field<'_>| (text(&name.to_ascii_lowercase()), text(value));
        let mut passed: Vec<_> = fields.passed.iter().map(lower).collect();
        passed.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { line: text(line), own: fields.own, passed, length, body }
    }
}

/// The requests that a server reads from these bytes, and whether it was content until their end.
pub fn serve(wire: Vec<u8>) -> (Vec<Seen>, bool) {
    let seen = RefCell::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let line = format!("{} {}", head.method, head.uri);
        let message = message(line.as_bytes(), &head.headers, body).await;
        seen.borrow_mut().push(message);
        Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
    });
    let ends = vec![wire.len()];
    let mut builder = server::conn::http1::Builder::new();
    // weir lets a client send 100 fields, and adds its own.
    builder.half_close(true).max_headers(200);
    let served = builder.serve_connection(Wire::new(wire, ends), service);
    let content = poll(pin!(served), || {}).is_ok();
    (seen.into_inner(), content)
}

/// The answers that a client reads from these bytes to one request after the other; the bytes to each come when
/// it was asked. It ends early where the connection does.
pub fn ask(methods: &[Method], answers: &[Vec<u8>]) -> Vec<Seen> {
    let mut ends = vec![0];
    ends.extend(answers.iter().scan(0, |end, answer| {
        *end += answer.len();
        Some(*end)
    }));
    let mut builder = client::conn::http1::Builder::new();
    let wire = Wire::new(answers.concat(), ends);
    let handshake = builder.max_headers(200).handshake::<_, Empty<Bytes>>(wire);
    let (mut sender, connection) = poll(pin!(handshake), || {}).expect("nothing is exchanged");
    let mut connection = Some(Box::pin(connection));
    let talk = async move {
        let mut seen = Vec::new();
        for method in methods {
            let mut request = Request::new(Empty::new());
            *request.method_mut() = method.clone();
            let ready = sender.ready().await;
            let Ok(()) = ready else { break };
            let Ok(answer) = sender.send_request(request).await else { break };
            let (head, body) = answer.into_parts();
            let reason = head.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
            let usual = head.status.canonical_reason().unwrap_or_default().as_bytes();
            let line = [head.status.as_str().as_bytes(), b" ", reason.unwrap_or(usual)].concat();
            seen.push(message(&line, &head.headers, body).await);
        }
        seen
    };
    poll(pin!(talk), || {
        let cx = &mut Context::from_waker(Waker::noop());
        if connection.as_mut().is_some_and(|future| future.as_mut().poll(cx).is_ready()) {
            connection = None;
        }
    })
}

async fn message(line: &[u8], fields: &HeaderMap, body: Incoming) -> Seen {
    let length = body.size_hint().exact();
    let body = body.collect().await.ok().map(|body| body.to_bytes());
    let fields = fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    Seen::new(line, passed::seen(&fields.collect::<Vec<_>>()), length, body)
}

/// A body for a head that says this, made of bytes that would be another message if they were not a body; and
/// the payload that it is to be read as: `None` if it breaks off.
pub fn body(framing: Framing) -> (Vec<u8>, Option<Bytes>) {
    let payload = b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    match framing {
        Framing::None => (Vec::new(), Some(Bytes::new())),
        Framing::Length(length) if length <= 64 * 1024 => {
            let bytes: Vec<u8> = payload.iter().copied().cycle().take(length as usize).collect();
            (bytes.clone(), Some(bytes.into()))
        }
        Framing::Length(_) => (payload.to_vec(), None),
        Framing::Chunked => {
            let mut bytes = Vec::new();
            payload.chunks(17).for_each(|chunk| chunks::write(chunk, &mut bytes));
            chunked::end(b"", &mut bytes);
            (bytes, Some(Bytes::from_static(payload)))
        }
        Framing::UntilClose => (payload.to_vec(), Some(Bytes::from_static(payload))),
    }
}

/// Polls until it is ready; nobody wakes, since all there is to wait for is there.
fn poll<F: Future>(mut future: Pin<&mut F>, mut beside: impl FnMut()) -> F::Output {
    for _ in 0..10_000 {
        beside();
        let cx = &mut Context::from_waker(Waker::noop());
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return output;
        }
    }
    panic!("hyper waits for more")
}

/// What is written is forgotten, but that it was a head.
struct Wire {
    bytes: Vec<u8>,
    at: usize,
    /// How much can be read after no request was written, one, and so on.
    ends: Vec<usize>,
    asked: usize,
}

impl Wire {
    fn new(bytes: Vec<u8>, ends: Vec<usize>) -> Self {
        Self { bytes, at: 0, ends, asked: 0 }
    }
}

impl hyper::rt::Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.ends[self.asked.min(self.ends.len() - 1)];
        if self.at == end && end < self.bytes.len() {
            return Poll::Pending;
        }
        let next = end.min(self.at + into.remaining());
        into.put_slice(&self.bytes[self.at..next]);
        self.at = next;
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked += usize::from(bytes.ends_with(b"\r\n\r\n"));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
