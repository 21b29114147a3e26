//! Listening and dialing.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::address::Listen;

/// Binds `count` listening sockets on one address, for as many workers. The address is first bound
/// without `SO_REUSEPORT`, so that a second process never shares a port by accident; not if this process
/// listens there itself (`ours`), and so keeps others out.
///
/// # Errors
/// What the kernel says: the address is in use, or needs a privilege.
pub fn listen(address: Listen, count: usize, ours: bool) -> io::Result<Vec<TcpListener>> {
    let probe = bind_first(address, ours)?;
    let exact = probe.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    drop(probe);
    (0..count)
        .map(|_| {
            let socket = bind(exact, true)?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

/// Connects to an endpoint; small writes are sent at once.
///
/// # Errors
/// What the kernel says.
pub async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Binds an address; IPv4 alone where IPv6 is off.
fn bind_first(address: Listen, shared: bool) -> io::Result<Socket> {
    match (bind(address.socket(), shared), address.fallback()) {
        (Err(error), Some(fallback)) if lacks_ipv6(&error) => bind(fallback, shared),
        (bound, _) => bound,
    }
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Not about sharing: a restart must not wait for the last connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // Inherited by every connection that is accepted.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(nix::errno::Errno::from_raw),
        Some(nix::errno::Errno::EAFNOSUPPORT | nix::errno::Errno::EADDRNOTAVAIL)
    )
}

const BACKLOG: i32 = 4096;
