//! Where to listen, and where an endpoint is.
//!
//! Read from the configuration and kept in it; `listener` and `telemetry` bind what [`Listen`] says,
//! `pool` dials what [`Address`] says. Nothing is resolved here: this version takes no host names
//! except `localhost`, which is 127.0.0.1. Every mistake is answered with what to write.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::diagnostic::{Code, Fault, coded, shown};

/// Where an endpoint is: "127.0.0.1:3000", "[::1]:3000", "localhost:3000".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(SocketAddr);

impl Address {
    /// What to dial.
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl FromStr for Address {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        const WHAT: What = What { noun: "an endpoint", form: "host:port", any_port: 3000 };
        let (host, port) = split(text, &WHAT)?;
        if host.is_empty() {
            let problem =
                format!("an endpoint is host:port, without a host: write \"127.0.0.1:{port}\"");
            return Err(Fault::new(Code::E0103, problem, "on which host?"));
        }
        let ip = ip(host, port)?;
        if port == 0 {
            let problem = format!(
                "an endpoint's port is 1 to 65535, not 0: write \"{}\"",
                SocketAddr::new(ip, 3000)
            );
            return Err(Fault::new(Code::E0105, problem, "nothing can be at port 0"));
        }
        if ip.is_unspecified() {
            let problem =
                format!("an endpoint is one address, not all: write \"127.0.0.1:{port}\"");
            return Err(Fault::new(Code::E0103, problem, "this is for listening only"));
        }
        Ok(Self(SocketAddr::new(ip, port)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where to listen: ":8080" (every interface), "127.0.0.1:8080", "[::1]:8080"; port 0 = any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// Every interface, v4 and, where it is on, v6.
    All(u16),
    /// This address only.
    One(SocketAddr),
}

impl Listen {
    /// What to bind. For every interface: `[::]`, to be bound with IPV6_V6ONLY off.
    pub fn socket(self) -> SocketAddr {
        match self {
            Self::All(port) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port),
            Self::One(address) => address,
        }
    }

    /// What to bind instead where IPv6 is off: `0.0.0.0`. `None`: there is no second choice.
    pub fn fallback(self) -> Option<SocketAddr> {
        match self {
            Self::All(port) => Some(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)),
            Self::One(_) => None,
        }
    }

    /// The port; 0 = any free one.
    pub fn port(self) -> u16 {
        self.socket().port()
    }

    /// Whether both cannot be bound at once. Port 0 is a new port every time.
    pub fn overlaps(self, other: Self) -> bool {
        let covers = |one: Self, other: Self| match one {
            Self::All(_) => true,
            Self::One(address) => {
                address.ip() == other.socket().ip()
                    || (address.ip().is_unspecified()
                        && address.is_ipv4() == other.socket().is_ipv4())
            }
        };
        self.port() != 0
            && self.port() == other.port()
            && (covers(self, other) || covers(other, self))
    }
}

impl FromStr for Listen {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        const WHAT: What =
            What { noun: "an address to listen on", form: ":port or ip:port", any_port: 8080 };
        if text == "off" {
            let problem = "a listener has no \"off\": write \":8080\", or remove its section";
            return Err(Fault::new(Code::E0104, problem, "no address"));
        }
        let (host, port) = split(text, &WHAT)?;
        match host {
            "" => Ok(Self::All(port)),
            "*" => {
                let problem = format!("every interface has no sign: write \":{port}\"");
                Err(Fault::new(Code::E0103, problem, "drop `*`"))
            }
            host => Ok(Self::One(SocketAddr::new(ip(host, port)?, port))),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(port) => write!(f, ":{port}"),
            Self::One(address) => address.fmt(f),
        }
    }
}

/// Where to listen, or "off".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// Not at all.
    Off,
    /// There.
    Listen(Listen),
}

impl FromStr for Bind {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text == "off" { Ok(Self::Off) } else { text.parse().map(Self::Listen) }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Listen(listen) => listen.fmt(f),
        }
    }
}

/// What the text is meant to be, for sentences about it.
struct What {
    noun: &'static str,
    form: &'static str,
    any_port: u16,
}

/// Host (without brackets, perhaps empty) and port.
fn split<'a>(text: &'a str, what: &What) -> Result<(&'a str, u16), Fault> {
    let What { noun, form, any_port } = what;
    let fault = |code, problem: String, label: String| Err(Fault::new(code, problem, label));
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let port = if scheme == "https" { 443 } else { 80 };
        let host = match split(host, what) {
            Ok(_) => host.to_owned(),
            Err(_) if !host.is_empty() && !host.contains(':') => format!("{host}:{port}"),
            Err(_) => format!("127.0.0.1:{any_port}"),
        };
        let problem = format!("{noun} is {form}, not a URL: write \"{}\"", shown(&host));
        let mut fault = Fault::new(Code::E0106, problem, format!("drop `{}://`", shown(scheme)));
        if rest.contains('/') {
            fault.help = Some("a path belongs to a route: path_prefix = \"/…\"".to_owned());
        }
        return Err(fault);
    }
    if text.starts_with("unix:") || text.starts_with("fd:") {
        let problem = format!("{noun} is {form} in this version: write \"127.0.0.1:{any_port}\"");
        return fault(Code::E0103, problem, "no TCP address".to_owned());
    }
    if let Some((address, _)) = text.split_once('/') {
        let problem = format!("{noun} is {form}, without a path: write \"{}\"", shown(address));
        return fault(Code::E0106, problem, "drop the path".to_owned());
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        let problem = format!("{noun} is {form}: write \"[{text}]:{any_port}\"");
        return fault(Code::E0103, problem, "brackets and a port are missing".to_owned());
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| {
        // The colons of "[::1]" are not the one before the port.
        !host.starts_with('[') || host.ends_with(']')
    }) else {
        let problem = match text.parse::<u16>() {
            Ok(port) if form.starts_with(':') => format!("{noun} is {form}: write \":{port}\""),
            Ok(port) => format!("{noun} is {form}: write \"127.0.0.1:{port}\""),
            Err(_) if text.is_empty() => {
                format!("{noun} is {form}, not an empty text: write \"127.0.0.1:{any_port}\"")
            }
            Err(_) => {
                format!("{noun} is {form}, with a port: write \"{}:{any_port}\"", shown(text))
            }
        };
        return fault(Code::E0103, problem, "only half of it".to_owned());
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits => {
            let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            Ok((inner.unwrap_or(host), number))
        }
        _ => {
            let said = if port.is_empty() { "nothing".to_owned() } else { shown(port) };
            let problem = format!(
                "a port is a number from 1 to 65535, not {said}: write \"{}:{any_port}\"",
                shown(host)
            );
            let code = if digits { Code::E0105 } else { Code::E0103 };
            fault(code, problem, "no port".to_owned())
        }
    }
}

/// The address of a host as it is written.
fn ip(host: &str, port: u16) -> Result<IpAddr, Fault> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    host.parse().map_err(|_| {
        let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b':');
        if numeric {
            let problem =
                format!("no IP address `{}`: write \"127.0.0.1:{port}\" or the like", shown(host));
            return Fault::new(Code::E0103, problem, "four numbers from 0 to 255, or IPv6 in []");
        }
        let problem = format!(
            "host names are not resolved by this version: write an IP address, \
             such as \"10.0.0.1:{port}\""
        );
        let mut fault = Fault::new(Code::E0103, problem, "a host name");
        fault.help = Some(format!("`getent hosts {}` shows its addresses", shown(host)));
        fault
    })
}

/// Lets a type that is read from a text be read from the configuration.
struct Text<T> {
    made: fn(&str) -> Result<T, Fault>,
    about: &'static str,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.about)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.made)(text).map_err(|fault| E::custom(coded(&fault)))
    }
}

macro_rules! read_as_text {
    ($type:ident, $about:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Text { made: str::parse, about: $about })
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $about })
            }
        }
    };
}

read_as_text!(Address, "an endpoint in quotes, such as \"127.0.0.1:3000\"");
read_as_text!(Listen, "an address in quotes, such as \":8080\"");
read_as_text!(Bind, "an address in quotes or \"off\", such as \"127.0.0.1:9347\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_as_it_is_dialled() {
        for (text, shown) in [
            ("127.0.0.1:3000", "127.0.0.1:3000"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:1", "127.0.0.1:1"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_answered_with_what_to_write() {
        for (text, code) in [
            ("http://127.0.0.1:3000", Code::E0106),
            ("http://", Code::E0106),
            ("127.0.0.1:3000/x", Code::E0106),
            ("127.0.0.1", Code::E0103),
            ("3000", Code::E0103),
            (":3000", Code::E0103),
            ("", Code::E0103),
            ("::1", Code::E0103),
            ("[::1]", Code::E0103),
            ("[::1:80", Code::E0103),
            ("127.0.0.1:", Code::E0103),
            ("127.0.0.1:+1", Code::E0103),
            ("127.0.0.1:0", Code::E0105),
            ("127.0.0.1:65536", Code::E0105),
            ("256.0.0.1:80", Code::E0103),
            ("app.internal:80", Code::E0103),
            ("0.0.0.0:80", Code::E0103),
            ("unix:/run/app.sock", Code::E0103),
        ] {
            let fault = text.parse::<Address>().unwrap_err();
            assert_eq!(fault.code, code, "{text}: {fault}");
            assert!(fault.problem.contains("write "), "{text}: {fault}");
        }
    }

    #[test]
    fn every_interface_covers_each_of_them() {
        let listen = |text: &str| text.parse::<Listen>().unwrap();
        assert!(listen(":80").overlaps(listen("127.0.0.1:80")));
        assert!(listen("0.0.0.0:80").overlaps(listen("127.0.0.1:80")));
        assert!(!listen("0.0.0.0:80").overlaps(listen("[::1]:80")));
        assert!(!listen(":0").overlaps(listen(":0")));
        assert!(!listen("127.0.0.1:80").overlaps(listen("127.0.0.2:80")));
        assert_eq!(listen(":80").socket().to_string(), "[::]:80");
        assert_eq!(listen(":80").fallback().unwrap().to_string(), "0.0.0.0:80");
        assert_eq!("off".parse::<Bind>(), Ok(Bind::Off));
    }
}
