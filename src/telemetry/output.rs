//! Where lines go: of the access log, and of what weir says about itself. Their threads write; nobody who
//! serves a request does.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::libc::O_NONBLOCK;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::diagnostic::{Code, Fault, coded, nearest, shown};
use crate::net::address::Address;

/// Where lines go: "stdout", "stderr", "off", a path, or "syslog:127.0.0.1:514".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere.
    Off,
    /// This file, behind what it holds; opened anew on SIGUSR1.
    File(PathBuf),
    /// A syslog server, in UDP datagrams (RFC 5424 and 5426).
    Syslog(SocketAddr),
}

impl Output {
    /// Reads what is written in the file.
    ///
    /// # Errors
    /// What to write instead.
    pub fn read(text: &str) -> Result<Self, Fault> {
        match text {
            "stdout" => return Ok(Self::Stdout),
            "stderr" => return Ok(Self::Stderr),
            "off" => return Ok(Self::Off),
            _ => {}
        }
        if let Some(address) = text.strip_prefix("syslog:") {
            return address.parse::<Address>().map(|address| Self::Syslog(address.get())).map_err(
                |fault| {
                    let problem = format!(
                        "a syslog server is an IP address and a port: write \
                         \"syslog:127.0.0.1:514\", not \"{}\"",
                        shown(text)
                    );
                    Fault { problem, ..fault }
                },
            );
        }
        // A word that is none is a slip of the pen rather than the name of a file.
        if text.contains(['/', '.']) && !text.ends_with('/') {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let near = nearest(text, ["stdout", "stderr", "off"]);
        let said = shown(text);
        let problem = match near {
            Some(near) => {
                format!("no output `{said}`: write \"{near}\", or \"./{said}\" for a file")
            }
            None => format!(
                "no output `{said}`: write \"stdout\", \"stderr\", \"off\", a path such as \
                 \"/var/log/weir/access.log\", or \"syslog:127.0.0.1:514\""
            ),
        };
        let label =
            near.map_or_else(|| "none of them".to_owned(), |n| format!("did you mean `{n}`?"));
        Err(Fault::new(Code::E0104, problem, label))
    }

    /// The same with its path relative to this directory.
    pub fn within(&mut self, directory: &Path) {
        if let Self::File(path) = self {
            *path = directory.join(&*path);
        }
    }

    /// Opens it. A file is made if it is not there, readable for its group; nothing here waits for a reader.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn open(&self) -> io::Result<Sink> {
        let explained = |error: io::Error, what: String| {
            io::Error::new(error.kind(), format!("{what} cannot be opened: {error} (E0501)"))
        };
        Ok(match self {
            Self::Stdout => Sink::Stdout,
            Self::Stderr => Sink::Stderr,
            Self::Off => Sink::Off,
            Self::File(path) => {
                let mut options = OpenOptions::new();
                options.append(true).create(true).mode(0o640).custom_flags(O_NONBLOCK);
                let file = options.open(path);
                Sink::File(file.map_err(|error| explained(error, path.display().to_string()))?)
            }
            Self::Syslog(server) => {
                let syslog = Syslog::new(*server);
                Sink::Syslog(syslog.map_err(|error| explained(error, format!("syslog:{server}")))?)
            }
        })
    }
}

/// An output that is open.
pub enum Sink {
    Stdout,
    Stderr,
    Off,
    File(File),
    Syslog(Syslog),
}

impl Sink {
    /// Writes lines, each with its end; how many could not be, and why.
    pub fn write(&mut self, lines: &[u8], count: u64) -> Result<(), (u64, io::Error)> {
        let all = |error| (count, error);
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines).and_then(|()| out.flush()).map_err(all)
            }
            Self::Stderr => io::stderr().lock().write_all(lines).map_err(all),
            Self::Off => Ok(()),
            Self::File(file) => file.write_all(lines).map_err(all),
            Self::Syslog(syslog) => syslog.write(lines),
        }
    }
}

/// A syslog server. What the kernel does not take at once is lost.
pub struct Syslog {
    socket: UdpSocket,
    /// What follows the time: the host, weir, the process.
    origin: String,
}

impl Syslog {
    fn new(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }
            .parse()
            .map_err(io::Error::other)?;
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
        let is_visible = |host: &String| host.bytes().all(|byte| byte.is_ascii_graphic());
        let host = host.filter(|host| !host.is_empty() && is_visible(host));
        let host = host.unwrap_or_else(|| String::from("-"));
        Ok(Self { socket, origin: format!("{host} weir {} access - ", std::process::id()) })
    }

    fn write(&self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        // Facility local7, severity informational: as nginx does.
        let mut message = format!("<190>1 {now} {}", self.origin).into_bytes();
        let front = message.len();
        let mut lost: Option<(u64, io::Error)> = None;
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            message.truncate(front);
            // A line that is longer than a datagram may be is cut: a client must not keep itself out of the log.
            message.extend_from_slice(&line[..line.len().min(LONGEST_LINE)]);
            if let Err(error) = self.socket.send(&message) {
                let (count, first) = lost.unwrap_or((0, error));
                lost = Some((count + 1, first));
            }
        }
        lost.map_or(Ok(()), Err)
    }
}

/// Bytes of a line that fit into a UDP datagram, with what stands before it.
const LONGEST_LINE: usize = 65_000;

impl<'de> Deserialize<'de> for Output {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Output;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an output, such as \"stdout\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Output, E> {
                Output::read(text).map_err(|fault| E::custom(coded(&fault)))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Output {
    fn schema_name() -> Cow<'static, str> {
        "Output".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_output_is_a_word_a_path_or_a_syslog_server() {
        for (text, output) in [
            ("stdout", Output::Stdout),
            ("off", Output::Off),
            ("access.log", Output::File("access.log".into())),
            ("/var/log/a", Output::File("/var/log/a".into())),
            ("syslog:127.0.0.1:514", Output::Syslog(([127, 0, 0, 1], 514).into())),
        ] {
            assert_eq!(Output::read(text).unwrap(), output);
        }
        for text in ["stdot", "log", "", "syslog:host:514", "syslog:127.0.0.1", "logs/"] {
            assert!(Output::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_that_no_datagram_holds_is_cut_rather_than_lost() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut sink = Output::Syslog(server.local_addr().unwrap()).open().unwrap();
        sink.write(&["x".repeat(70_000), "y\n".to_owned()].join("\n").into_bytes(), 2).unwrap();
        let mut datagram = vec![0; 65_535];
        let long = server.recv(&mut datagram).unwrap();
        assert!(datagram[..long].ends_with(&b"x".repeat(LONGEST_LINE)));
        let next = server.recv(&mut datagram).unwrap();
        assert!(datagram[..next].ends_with(b" - y"));
    }
}
