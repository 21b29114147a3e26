//! Weir's own requests, over hyper: health checks, and the demo's load. Never on the request path.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
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
