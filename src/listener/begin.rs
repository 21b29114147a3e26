//! What comes before HTTP: a header of the PROXY protocol, where a proxy stands before weir; then TLS, where the
//! listener speaks it. Each has a time of its own.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

use super::clients::Counted;
use super::{Listener, Protocol, ProxyProtocol, Settings, handshake};
use crate::net::deadline::Wait;
use crate::net::proxy_protocol::{self, Begins, Header};
use crate::net::stream::Stream;
use crate::proxy::Local;

/// A connection on which HTTP can begin.
pub struct Begun {
    /// What it goes over.
    pub stream: Stream,
    /// Who has connected.
    pub peer: SocketAddr,
    /// Its place among those of its client, to be dropped after it.
    pub counted: Option<Counted>,
}

/// Whether it is not HTTP from the first byte on.
pub fn is_needed(settings: &Settings) -> bool {
    settings.protocol != Protocol::Http || settings.proxy_protocol != ProxyProtocol::Off
}

/// Goes through what comes before HTTP. `None`: it came otherwise, or not in time; that is counted.
pub async fn begin(
    local: &Local,
    listener: &Listener,
    settings: &Settings,
    mut io: TcpStream,
    peer: SocketAddr,
) -> Option<Begun> {
    let shard = listener.metrics.of(local.worker);
    let peer = match (settings.proxy_protocol, settings.trusts(peer.ip())) {
        (ProxyProtocol::Off, _) | (ProxyProtocol::Accept, false) => peer,
        (ProxyProtocol::Require, false) => {
            tracing::debug!(listener = %listener.name(), %peer, "no PROXY header is believed of it");
            shard.unproxied.add(1);
            return None;
        }
        (how, true) => {
            let time = settings.timeouts.proxy_protocol.get();
            let begun = Cell::new(false);
            let told = match within(local, listener, time, told(&mut io, &begun)).await {
                Some(told) => told,
                // Who says nothing may wait for the other side to speak first.
                None if how == ProxyProtocol::Accept && !begun.get() && !listener.is_cut(local) => {
                    Ok(None)
                }
                None => {
                    shard.timeout.add(1);
                    return None;
                }
            };
            match told {
                // An IPv4 client of a proxy of both families comes as an IPv6 one.
                Ok(Some(header)) => header.source.map_or(peer, |source| {
                    SocketAddr::new(source.ip().to_canonical(), source.port())
                }),
                Ok(None) if how == ProxyProtocol::Accept => peer,
                _ => {
                    shard.unproxied.add(1);
                    return None;
                }
            }
        }
    };
    let most = settings.limits.connections_per_client;
    let Ok(counted) = listener.clients.enter(peer.ip(), most) else {
        shard.limited.add(1);
        return None;
    };
    let stream = match &settings.tls {
        None => Stream::Plain(io.into()),
        Some(server) => handshake::secure(local, listener, server, io).await?,
    };
    Some(Begun { stream, peer, counted })
}

/// The work's result, or `None` when it takes longer, or the listener's time is over.
pub async fn within<T>(
    local: &Local,
    listener: &Listener,
    time: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let deadline = local.deadlines.add();
    deadline.arm(Wait::Step, time);
    let mut work = pin!(work);
    poll_fn(|cx| {
        deadline.belongs_to(cx);
        let done = work.as_mut().poll(cx);
        if done.is_pending() && (deadline.passed(Wait::Step) || listener.is_cut(local)) {
            return Poll::Ready(None);
        }
        done.map(Some)
    })
    .await
}

/// Reads the header that the connection begins with, and not a byte more. `None`: there is none.
async fn told(io: &mut TcpStream, begun: &Cell<bool>) -> io::Result<Option<Header>> {
    let mut block = vec![0; proxy_protocol::LONGEST];
    let mut before = 0;
    loop {
        let seen = io.peek(&mut block).await?;
        begun.set(seen > 0);
        match proxy_protocol::read(&block[..seen]) {
            Ok(Begins::With(header)) => {
                io.read_exact(&mut block[..header.length]).await?;
                return Ok(Some(header));
            }
            Ok(Begins::Otherwise) => return Ok(None),
            Ok(Begins::Partly) if seen > 0 => {}
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        if seen == before {
            if io.ready(Interest::READABLE).await?.is_read_closed() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // The event loop tells only that there is something, which is known.
            tokio::time::sleep(LOOK).await;
        }
        before = seen;
    }
}

/// Proxies send the header at once: that it comes in pieces is rare.
const LOOK: Duration = Duration::from_millis(10);
