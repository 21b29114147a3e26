//! Weir's own requests, over hyper: health checks, and the demo's load. Never on the request path.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::net::socket;

/// A connection for GETs, one after the other. Dropped, it closes.
pub struct Fetch {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
    /// Drives the connection; ends with it.
    _driver: JoinSet<()>,
}

impl Fetch {
    /// Connects.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = socket::dial(address).await?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let mut driver = JoinSet::new();
        driver.spawn(async { drop(connection.await) });
        Ok(Self { sender, host: address.to_string(), _driver: driver })
    }

    /// Asks for a path; the answer's status and its body, at most 1 MiB of it.
    ///
    /// # Errors
    /// The connection broke, or the answer is not HTTP or too long.
    pub async fn get(&mut self, path: &str) -> io::Result<(StatusCode, Bytes)> {
        self.sender.ready().await.map_err(io::Error::other)?;
        let request = Request::get(path)
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(io::Error::other)?;
        let answer = self.sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), 1024 * 1024);
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok((status, body))
    }
}

/// An answer over HTTP/2, as far as it was looked at.
pub struct Answered {
    /// Its head.
    pub parts: Parts,
    /// What was looked at of its body.
    pub body: Bytes,
    /// What came behind it, if all of it was looked at.
    pub trailers: HeaderMap,
}

/// One request over a new connection that speaks HTTP/2; of its answer's body about `most` bytes are looked at.
///
/// # Errors
/// The connection broke, or what came is no answer.
pub async fn over_http2(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    most: usize,
) -> io::Result<Answered> {
    let io = TokioIo::new(io);
    let builder = http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
    let mut driver = JoinSet::new();
    driver.spawn(async { drop(connection.await) });
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let (parts, mut incoming) = answer.into_parts();
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    while body.len() <= most
        && let Some(frame) = incoming.frame().await
    {
        match frame.map_err(io::Error::other)?.into_data() {
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok(Answered { parts, body: body.into(), trailers })
}
