//! The TLS handshake of a client's connection, which has a time of its own: no drip of bytes extends it.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use rustls::server::Acceptor;
use rustls::{CommonState, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::Listener;
use super::begin::within;
use crate::net::stream::{Counted, Secured, Stream, Tls};
use crate::proxy::Local;
use crate::telemetry::listener::Handshake;
use crate::tls::hello::UNRECOGNIZED_NAME;
use crate::tls::server::Server;
use crate::tls::subject;

/// Why there is no connection.
enum Failed {
    /// The client's fault, in the words of whoever noticed.
    Client(io::Error),
    /// It asks for a name that nobody here has.
    UnknownName(String),
    /// Its certificate was not accepted, or it has shown none.
    Certificate(io::Error),
    /// It took too long.
    Late,
}

/// Makes a connection of a socket. `None`: the client did not do its part; that is counted.
pub async fn secure(
    local: &Local,
    listener: &Listener,
    server: &Server,
    io: TcpStream,
) -> Option<Stream> {
    let began = local.now();
    let time = listener.settings.load().timeouts.handshake.get();
    let shaken = within(local, listener, time, shake(server, io)).await;
    let shard = listener.metrics.of(local.worker);
    let name = listener.name();
    match shaken.unwrap_or(Err(Failed::Late)) {
        Ok((stream, version)) => {
            let ok = if version == ProtocolVersion::TLSv1_3 {
                Handshake::Tls13
            } else {
                Handshake::Tls12
            };
            shard.handshakes[ok as usize].add(1);
            shard.handshake.record(&local.shared.buckets, local.now() - began);
            return Some(stream);
        }
        Err(Failed::Late) => shard.timeout.add(1),
        Err(Failed::Client(error)) => {
            tracing::debug!(listener = %name, %error, "no TLS handshake");
            shard.handshakes[Handshake::ClientError as usize].add(1);
            shard.insecure.add(1);
        }
        Err(Failed::UnknownName(asked)) => {
            tracing::debug!(listener = %name, asked, "no TLS handshake: no certificate has this name");
            shard.handshakes[Handshake::NoCertificate as usize].add(1);
            shard.insecure.add(1);
        }
        Err(Failed::Certificate(error)) => {
            tracing::debug!(listener = %name, %error, "no TLS handshake: the client's certificate");
            shard.handshakes[Handshake::ClientCert as usize].add(1);
            shard.insecure.add(1);
        }
    }
    None
}

async fn shake(server: &Server, mut io: TcpStream) -> Result<(Stream, ProtocolVersion), Failed> {
    let mut first = [0];
    io.peek(&mut first).await.map_err(Failed::Client)?;
    if first[0].is_ascii_uppercase() {
        // The first letter of a method: nobody else begins like that.
        tell(&mut io, PLAIN).await.map_err(Failed::Client)?;
        return Err(Failed::Client(io::Error::other("HTTP without TLS")));
    }
    let address = io.local_addr().map_err(Failed::Client)?.ip().to_canonical();
    let mut acceptor = pin!(LazyConfigAcceptor::new(Acceptor::default(), Counted::from(io)));
    let mut start = acceptor.as_mut().await.map_err(Failed::Client)?;
    let asked = start.client_hello().server_name().map(str::to_owned);
    let Some(config) = server.choose(asked.as_deref(), address) else {
        let _ = start.io.write_all(UNRECOGNIZED_NAME).await;
        return Err(Failed::UnknownName(asked.unwrap_or_default()));
    };
    let stream = start.into_stream(Arc::clone(config)).await.map_err(of_handshake)?;
    let session: &CommonState = stream.get_ref().1;
    let version = session.protocol_version().unwrap_or(ProtocolVersion::TLSv1_2);
    let suite = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let secured = Secured {
        version: if version == ProtocolVersion::TLSv1_3 { "1.3" } else { "1.2" },
        // As the registry names them (RFC 8446, B.4).
        cipher: suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1),
        server_name: asked.unwrap_or_default(),
        client_subject: shown.map(|certificate| subject(certificate)).unwrap_or_default(),
    };
    Ok((Stream::Tls(Box::new(Tls::new(TlsStream::Server(stream), Arc::new(secured)))), version))
}

/// Whose fault it is.
fn of_handshake(error: io::Error) -> Failed {
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Failed::Certificate(error)
        }
        _ => Failed::Client(error),
    }
}

/// Says something to who does not speak TLS, and waits until it has been read: what came unread would be answered
/// with a reset.
async fn tell(io: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    io.write_all(answer).await?;
    io.shutdown().await?;
    let (mut block, mut left) = ([0; 1024], UNREAD);
    while left > 0 {
        let read = io.read(&mut block).await?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}

const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 51\r\n\r\nweir: this port speaks TLS: write https, not http.\n";
/// So much of a request that was not meant for this port is read past.
const UNREAD: usize = 64 * 1024;
