//! A check that asks for a path: the service answers, and says that it is well.
//!
//! What it reads is limited in every direction, since an endpoint may be broken in any: the head to the size of any
//! answer's, the body to what is looked at, all of it to the time of the check.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Answer, Config, Door, Probe, Problem, said, words};
use crate::endpoint::state::Why;
use crate::h1::chunked;
use crate::h1::payload::Payload;
use crate::h1::{Fault, Limits, Message, Partial, response, write};
use crate::h2::answer;
use crate::message::fetch;
use crate::message::head::{Head, Method};
use crate::message::header_name::HeaderName;
use crate::net::descriptors::{Descriptor, Descriptors};
use crate::net::stream::Stream;
use crate::tls::client::Inside;
use crate::unit::{Matcher, Statuses};

/// GETs a path, over a new connection each time unless told otherwise: a kept one proves less.
pub struct Http {
    door: Door,
    path: String,
    /// The Host.
    host: String,
    /// It speaks HTTP/2, and nothing else.
    http2: bool,
    request: Vec<u8>,
    statuses: Vec<Statuses>,
    body: Option<String>,
    header: BTreeMap<HeaderName, Matcher>,
    drain_on_404: bool,
    trusts: bool,
    /// Whether a connection may be kept, and the one that was.
    reuse: bool,
    kept: Option<Kept>,
    descriptors: Arc<Descriptors>,
}

/// A connection that waits for the next check.
struct Kept {
    stream: Stream,
    /// Checks have a reserve for the moment they take; what is kept is counted like any connection.
    _descriptor: Descriptor,
}

impl Kept {
    /// Whether the endpoint has said nothing since: a goodbye is no answer to the next check.
    fn is_silent(&mut self) -> bool {
        self.stream.is_silent_now()
    }
}

impl Http {
    /// Asks there. `name` is the endpoint's Host, unless the file gives another.
    pub fn new(
        config: &Config,
        door: Door,
        name: &str,
        http2: bool,
        descriptors: &Arc<Descriptors>,
    ) -> Self {
        let path = config.path.clone().unwrap_or_else(|| String::from("/"));
        let host = config.host.as_deref().unwrap_or(name);
        let mut request = Vec::new();
        write::get(&path, host, !config.reuse, &mut request);
        Self {
            door,
            path,
            host: host.to_owned(),
            http2,
            request,
            statuses: config.status.clone(),
            body: config.body.clone(),
            header: config.header.clone(),
            drain_on_404: config.drain_on_404,
            trusts: config.trust_health_header,
            reuse: config.reuse,
            kept: None,
            descriptors: Arc::clone(descriptors),
        }
    }

    async fn check(&mut self) -> Result<(), Problem> {
        if self.http2 {
            let stream = self.door.open(Inside::Http2).await?;
            let heard = self.over_http2(stream).await?;
            return self.judge(&heard);
        }
        if let Some(mut kept) = self.kept.take()
            && kept.is_silent()
        {
            let Kept { mut stream, _descriptor } = kept;
            match self.exchange(&mut stream).await {
                // It was closed meanwhile, which says nothing: a new one will tell.
                Err(Broken { unheard: true, .. }) => {}
                Err(Broken { problem, .. }) => return Err(problem),
                Ok(heard) => return self.keep_and_judge(stream, &heard),
            }
        }
        let mut stream = self.door.open(Inside::Http1).await?;
        let heard = self.exchange(&mut stream).await.map_err(|broken| broken.problem)?;
        self.keep_and_judge(stream, &heard)
    }

    /// The same over HTTP/2, each time over a new connection.
    async fn over_http2(&self, stream: Stream) -> Result<Heard, Problem> {
        let protocol = |said: &str| {
            Problem::new(Why::Protocol, format!("no valid answer to GET {}: {said}", self.path))
        };
        let request = Request::get(format!("http://{}{}", self.host, self.path))
            .header("user-agent", concat!("weir/", env!("CARGO_PKG_VERSION")))
            .body(Full::default())
            .map_err(|error| protocol(&error.to_string()))?;
        let answered = fetch::over_http2(stream, request, LOOKED_AT).await;
        let answered = answered.map_err(|error| protocol(&words(&error)))?;
        let mut head = Head::default();
        answer::read(&answered.parts, false, Method::Get, &Limits::ENDPOINT, &mut head)
            .map_err(|fault| protocol(said(fault)))?;
        let seen = &answered.body[..answered.body.len().min(LOOKED_AT)];
        let text = self.body.as_deref().unwrap_or_default().as_bytes();
        let says_it = text.is_empty() || seen.windows(text.len()).any(|part| part == text);
        Ok(self.heard(&head, says_it))
    }

    /// What a head says.
    fn heard(&self, head: &Head, says_it: bool) -> Heard {
        let other = self.header.iter().find(|(name, matcher)| !name.meets(head, matcher));
        Heard {
            status: head.status,
            drains: said::drains(head),
            fails: self.trusts && said::fails(head),
            other: other.map(|(name, _)| name.clone()),
            says_it,
            whole: false,
        }
    }

    /// Sends the request and reads as much of the answer as matters.
    async fn exchange(&self, stream: &mut Stream) -> Result<Heard, Broken> {
        let broken = |said: &str, unheard| Broken {
            problem: Problem::new(
                Why::Protocol,
                format!("no valid answer to GET {}: {said}", self.path),
            ),
            unheard,
        };
        stream.write_all(&self.request).await.map_err(|error| broken(&words(&error), true))?;
        let mut received = Vec::new();
        let mut head = Head::default();
        let mut interim = 0;
        let message = loop {
            let mut partial = Partial::default();
            let message = loop {
                if partial.may_be_whole(&received, &Limits::ENDPOINT) {
                    let read = response::read(&received, Method::Get, &Limits::ENDPOINT, &mut head);
                    if let Some(message) = read.map_err(|fault| broken(said(fault), false))? {
                        break message;
                    }
                }
                let read = stream.read_buf(&mut received).await;
                let unheard = received.is_empty();
                if read.map_err(|error| broken(&words(&error), unheard))? == 0 {
                    let how = if unheard { "closed without one" } else { "closed within its head" };
                    return Err(broken(how, unheard));
                }
            };
            received.drain(..message.length);
            match head.status {
                101 => return Err(broken("it changes the protocol", false)),
                100..=199 if interim < INTERIM => interim += 1,
                100..=199 => return Err(broken("one 1xx after the other", false)),
                _ => break message,
            }
        };
        let mut heard = self.heard(&head, self.body.is_none());
        self.body(stream, message, received, &mut heard)
            .await
            .map_err(|said| broken(&said, false))?;
        Ok(heard)
    }

    /// Reads the body as far as its text is looked for, or to its end if the connection is to be kept.
    async fn body(
        &self,
        stream: &mut Stream,
        message: Message,
        mut received: Vec<u8>,
        heard: &mut Heard,
    ) -> Result<(), String> {
        let mut payload = Payload::new(message.framing, chunked::Limits::DEFAULT);
        let text = self.body.as_deref().unwrap_or_default().as_bytes();
        let (mut seen, mut trailers, mut total) = (Vec::new(), Vec::new(), 0);
        let keeps = self.reuse && message.persistent;
        if heard.says_it && !keeps {
            return Ok(());
        }
        let mut looked = heard.says_it;
        loop {
            let decoded = match payload.decode(&mut received, &mut trailers) {
                Ok(decoded) => decoded,
                // What comes behind what was looked at can only keep the connection from being kept.
                Err(_) if looked => return Ok(()),
                Err(_) => return Err(String::from("its body is not framed as HTTP")),
            };
            total += decoded.data;
            let news = &received[..decoded.data.min(LOOKED_AT - seen.len())];
            let from = (seen.len() + 1).saturating_sub(text.len());
            seen.extend_from_slice(news);
            heard.says_it = heard.says_it
                || seen[from.min(seen.len())..].windows(text.len().max(1)).any(|part| part == text);
            received.drain(..decoded.used);
            if payload.has_ended() {
                heard.whole = keeps && received.is_empty();
                return Ok(());
            }
            looked = heard.says_it || seen.len() == LOOKED_AT;
            if looked && (!keeps || total > WORTH_READING) {
                return Ok(());
            }
            if decoded.used > 0 && !received.is_empty() {
                continue;
            }
            match stream.read_buf(&mut received).await {
                Ok(read) if read > 0 => {}
                Ok(_) if payload.ends_by_close() => return Ok(()),
                Ok(_) | Err(_) if looked => return Ok(()),
                Ok(_) => return Err(String::from("closed within its body")),
                Err(error) => return Err(format!("{} within its body", words(&error))),
            }
        }
    }

    /// What an answer means; its connection is kept if it can be.
    fn keep_and_judge(&mut self, stream: Stream, heard: &Heard) -> Result<(), Problem> {
        if heard.whole
            && let Some(descriptor) = self.descriptors.take_spare()
        {
            self.kept = Some(Kept { stream, _descriptor: descriptor });
        }
        self.judge(heard)
    }

    /// What an answer means.
    fn judge(&self, heard: &Heard) -> Result<(), Problem> {
        let Heard { status, drains, fails, ref other, says_it, .. } = *heard;
        let path = &self.path;
        let problem = |why, words| Err(Problem::new(why, words));
        if status == 503 && drains {
            return problem(Why::Drain, format!("GET {path} was answered 503, x-weir-drain: 1"));
        }
        if status == 404 && self.drain_on_404 {
            return problem(Why::Drain, format!("GET {path} was answered 404"));
        }
        if fails {
            let words = format!("GET {path} was answered {status}, x-weir-health: fail");
            return problem(Why::SaysFail, words);
        }
        if !self.statuses.iter().any(|some| some.contains(status)) {
            let wanted: Vec<String> = self.statuses.iter().map(Statuses::to_string).collect();
            let wanted = wanted.join(", ");
            return problem(Why::Status, format!("GET {path} was answered {status}, not {wanted}"));
        }
        if let Some(name) = other {
            let words = format!("GET {path} was answered with another {name}: who answers there?");
            return problem(Why::Header, words);
        }
        if !says_it {
            let text = self.body.as_deref().unwrap_or_default();
            let words = format!("the first 4 KiB answered to GET {path} do not contain {text:?}");
            return problem(Why::Body, words);
        }
        Ok(())
    }
}

impl Probe for Http {
    fn ask(&mut self) -> Answer<'_> {
        Box::pin(self.check())
    }
}

/// What matters of an answer.
struct Heard {
    status: u16,
    drains: bool,
    /// It says that it is not well, and is believed.
    fails: bool,
    /// The header that is not as it must be.
    other: Option<HeaderName>,
    /// It has the text in its body, if one is looked for.
    says_it: bool,
    /// It was read to its end, and the connection can carry another.
    whole: bool,
}

/// There was no answer that could be understood.
struct Broken {
    problem: Problem,
    /// Not a byte of one came.
    unheard: bool,
}

/// What is wrong with a head, in the words of a person.
fn said(fault: Fault) -> &'static str {
    match fault {
        Fault::HeadTooLarge => "its head is too large",
        Fault::UnknownCoding => "it has a transfer coding that weir does not know",
        _ => "it is not HTTP",
    }
}

/// How many answers may come before the answer.
const INTERIM: usize = 8;
/// How much of a body is looked at.
pub const LOOKED_AT: usize = 4096;
/// How much of a body is read so that its connection can be kept.
const WORTH_READING: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server of its own mind says 408 to a connection that asks nothing (RFC 9110, 15.5.9).
    #[tokio::test]
    async fn a_goodbye_between_two_checks_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config { reuse: true, ..Config::default() };
        let address = listener.local_addr().unwrap();
        let mut http =
            Http::new(&config, Door { address, tls: None }, "app", false, &Descriptors::new(8));
        let serve = async || {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(peer.read(&mut request).await.unwrap() > 0);
            peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            Ok::<_, Problem>(peer)
        };
        let ((), mut peer) = tokio::try_join!(http.check(), serve()).unwrap();
        peer.write_all(b"HTTP/1.1 408 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        while http.kept.as_mut().unwrap().is_silent() {
            tokio::task::yield_now().await;
        }
        tokio::try_join!(http.check(), serve()).unwrap();
    }
}
