//! `weir health`: whether a running weir is ready, for a container's HEALTHCHECK and for scripts.
//!
//! Asks the metrics port for /readyz, or for /livez. Which port that is says the configuration, unless it is
//! named. The exit code is the answer: 0 yes, 1 no, 69 nobody is there.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::check::style;
use super::{Exit, say, say_exactly, tell};
use crate::config::{self, Options};
use crate::net::address::Bind;

/// `weir health`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask only whether it lives, not whether it takes requests.
    #[arg(long)]
    live: bool,
    /// The metrics port, if not that of the configuration: 127.0.0.1:9347.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Asks, and says what it heard.
pub fn health(args: &Args, file: Option<&Path>, options: &Options) -> Exit {
    let address = match args.address.map_or_else(|| configured(file, options), Ok) {
        Ok(address) => address,
        Err(exit) => return exit,
    };
    let path = if args.live { "/livez" } else { "/readyz" };
    match ask(address, path) {
        Ok(well) => {
            let word = match (args.live, well) {
                (true, true) => "alive",
                (true, false) => "not alive",
                (false, true) => "ready",
                (false, false) => "not ready",
            };
            if args.json {
                let told = json!({ "schema": 1, "well": well, "state": word });
                say_exactly(&format!("{told}\n"));
            } else {
                say(&format!("{word}\n"));
            }
            if well { Exit::Ok } else { Exit::Failed }
        }
        Err(error) => {
            tell(&format!(
                "weir: nobody answers at {address}, {error}: is it running? --address names another port\n"
            ));
            Exit::Unavailable
        }
    }
}

/// Where the configuration says that the metrics port is.
fn configured(file: Option<&Path>, options: &Options) -> Result<SocketAddr, Exit> {
    let path = config::find(file);
    let loaded = config::load_with(&path, options).map_err(|report| {
        tell(&format!("{}{}\n", report.render(style(&io::stderr())), report.summary()));
        Exit::Config
    })?;
    match loaded.config.metrics.address {
        Bind::Listen(listen) if listen.port() != 0 => Ok(reachable(listen.socket())),
        _ => {
            tell(&format!(
                "weir: {} has no metrics port to ask: give [metrics] an address with a port\n",
                path.display()
            ));
            Err(Exit::Unavailable)
        }
    }
}

/// Every interface is also the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        // What is bound to every interface is so in IPv4, whether IPv6 is on or not.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether the answer to a GET is 200.
fn ask(address: SocketAddr, path: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    match head.strip_prefix(b"HTTP/1.1 ") {
        Some(status) => Ok(status == b"200"),
        None => Err(io::Error::other("it does not speak HTTP")),
    }
}

/// Nobody waits longer for an answer of a few bytes from the same machine.
const PATIENCE: Duration = Duration::from_secs(2);
