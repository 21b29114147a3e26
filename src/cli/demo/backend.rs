//! A sample backend: answers every GET with its name, can be killed, and can come back.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A backend; killed when it is dropped.
pub struct Backend {
    /// What it answers.
    pub name: &'static str,
    /// Where it listens, now or once it is back.
    pub address: SocketAddr,
    serving: JoinSet<()>,
}

impl Backend {
    /// Starts a backend on a free port.
    pub async fn start(name: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, name));
        Ok(Self { name, address, serving })
    }

    /// Kills it in the midst of whatever it does: its port and all its connections close.
    pub fn kill(&mut self) {
        self.serving.abort_all();
    }

    /// Starts it again where it was.
    pub async fn come_back(&mut self) -> io::Result<()> {
        self.serving.shutdown().await;
        let listener = TcpListener::bind(self.address).await?;
        self.serving.spawn(accept(listener, self.name));
        Ok(())
    }
}

async fn accept(listener: TcpListener, name: &'static str) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, name));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, name: &'static str) {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}\n", name.len() + 1);
    let mut received = Vec::new();
    while stream.read_buf(&mut received).await.is_ok_and(|n| n > 0) {
        while let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") {
            received.drain(..end + 4);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
