//! `[listeners.NAME]`: where clients connect, and what a reload may change of that.
//!
//! Every worker accepts on a socket of its own; a connection never leaves the worker that accepted it.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::h1::request;
use crate::message::head::{Head, Version};
use crate::net::address::Listen;
use crate::net::leaving::Leaving;
use crate::net::places::Places;
use crate::proxy::error::Error;
use crate::route;
use crate::telemetry::listener::ListenerMetrics;
use crate::tls::server::{self, Server};
use crate::unit::{Cidr, Name, OneOrMany};

mod accept;
mod answer;
mod answering;
mod begin;
mod body;
mod clients;
mod handshake;
mod http1;
mod http2;
mod interim;
pub mod limits;
mod metered;
mod origin;
mod pace;
mod pauses;
mod session;
mod stream;
pub mod timeouts;
mod traffic;
mod tunnel;
pub mod versions;
mod writing;

pub use accept::accept;
use clients::Clients;
use limits::Limits;
use pauses::Pauses;
use timeouts::Timeouts;
use versions::{HttpVersion, Versions};

/// `[listeners.NAME]`: where clients connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on: ":8080" (every interface), "127.0.0.1:8080", "[::1]:8080"; port 0 = any free one.
    pub address: Listen,
    /// What is spoken: "http", "https", or nothing that weir knows: "tcp"; "tls", of which the inside is carried on;
    /// "tls-passthrough", of which the name is read that a client asks for.
    #[serde(default)]
    pub protocol: Protocol,
    /// Which versions of HTTP are spoken: "1.1" (and 1.0), "2", or both. HTTP/2 comes by ALPN over TLS; without it,
    /// from clients that know that it is spoken (gRPC's, for example).
    #[serde(default = "versions::all")]
    pub http_versions: OneOrMany<HttpVersion>,
    /// TLS, for "https".
    #[serde(default)]
    pub tls: server::Config,
    /// Of an http listener: all requests are sent to https at the same host, with 308.
    #[serde(default)]
    pub redirect_https: bool,
    /// Pool used when no route matches. Without it, such a request gets 404.
    #[serde(default)]
    pub pool: Option<Name>,
    /// Names of the policies that hold for every request that comes here; those of its route come after them.
    #[serde(default)]
    pub policies: OneOrMany<Name>,
    /// Whether a header of the PROXY protocol (version 1 or 2) comes first: "off", "accept" or "require". It is
    /// believed of `trusted_proxies` only; with "require" nobody else may connect.
    #[serde(default)]
    pub proxy_protocol: ProxyProtocol,
    /// Proxies whose word about their clients (`X-Forwarded-*`, `Forwarded`) is believed: CIDR, or a list of them.
    #[serde(default)]
    pub trusted_proxies: OneOrMany<Cidr>,
    /// Client connections at once, on this listener. 0: no limit of its own.
    #[serde(default)]
    pub max_connections: u32,
    /// Request headers with `_` in their name, which some servers read as `-`: "drop" them, or "reject" the request.
    #[serde(default)]
    pub underscore_headers: Underscores,
    /// How long clients are waited for.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How much clients may send, and how many may come.
    #[serde(default)]
    pub limits: Limits,
}

impl Config {
    /// Whether a route belongs to this listener, whose name this is.
    pub fn takes(&self, name: &Name, route: &route::Config) -> bool {
        let by_name = !route.sni.is_empty();
        let fits = if by_name { self.protocol.has_names() } else { self.protocol.is_http() };
        fits && route.belongs_to(name)
    }

    /// The versions of HTTP that it speaks; none, if it speaks something else.
    pub fn versions(&self) -> Versions {
        Versions::of(if self.protocol.is_http() { &self.http_versions } else { &[] })
    }
}

/// What becomes of request headers with `_` in their name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Underscores {
    #[default]
    Drop,
    Reject,
}

/// Whether a header of the PROXY protocol comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyProtocol {
    #[default]
    Off,
    Accept,
    Require,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    #[default]
    Http,
    Https,
    Tcp,
    Tls,
    TlsPassthrough,
}

impl Protocol {
    /// Whether requests come.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether clients ask for a name before anything else.
    pub const fn has_names(self) -> bool {
        matches!(self, Self::Tls | Self::TlsPassthrough)
    }

    /// Whether it begins with a handshake.
    pub const fn is_secured(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}

/// A listener as workers see it.
pub struct Listener {
    /// Its number: connections keep it, whatever becomes of the configuration.
    pub id: usize,
    /// What its connections are counted in.
    pub metrics: ListenerMetrics,
    /// What the configuration says of it now.
    pub settings: ArcSwap<Settings>,
    /// Whether the configuration has lost it.
    pub leaving: Leaving,
    /// As many as it may have connections.
    places: Arc<Places>,
    /// How many of them are whose.
    clients: Arc<Clients>,
    /// Why it does not accept, while it does not.
    pauses: Pauses,
}

/// What a reload may change of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub name: Name,
    /// Proxies whose word about their clients is believed.
    pub trusted_proxies: OneOrMany<Cidr>,
    /// Client connections at once; 0: no limit of its own.
    pub max_connections: u32,
    /// What becomes of request headers with `_` in their name.
    pub underscore_headers: Underscores,
    /// How long clients are waited for.
    pub timeouts: Timeouts,
    /// How much clients may send.
    pub limits: Limits,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether a header of the PROXY protocol comes first.
    pub proxy_protocol: ProxyProtocol,
    /// In which versions, if it is HTTP.
    pub versions: Versions,
    /// What is spoken below that.
    pub tls: Option<Arc<Server>>,
}

impl Settings {
    /// Whether this peer's word about its clients is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(peer))
    }

    /// Why a sound head is refused all the same.
    pub fn refusal(&self, head: &Head) -> Option<Error> {
        if head.version != Version::Http2 && !self.versions.http1 {
            return Some(Error::UnknownVersion);
        }
        let rejects = self.underscore_headers == Underscores::Reject;
        (rejects && request::has_underscores(head)).then_some(Error::BadRequest)
    }

    /// What the section of this name says, with the TLS that it comes to.
    pub fn new(name: &Name, section: &Config, tls: Option<Arc<Server>>) -> Self {
        Self {
            name: name.clone(),
            trusted_proxies: section.trusted_proxies.clone(),
            max_connections: section.max_connections,
            underscore_headers: section.underscore_headers,
            timeouts: section.timeouts,
            limits: section.limits,
            protocol: section.protocol,
            versions: section.versions(),
            proxy_protocol: section.proxy_protocol,
            tls,
        }
    }

    /// How many connections there may be.
    fn places(&self) -> usize {
        match self.max_connections {
            0 => usize::MAX,
            most => most as usize,
        }
    }
}

impl Listener {
    /// A new listener of this number.
    pub fn new(id: usize, metrics: ListenerMetrics, settings: Arc<Settings>) -> Self {
        let places = Places::new(settings.places());
        let settings = ArcSwap::new(settings);
        let (clients, pauses) = (Arc::default(), Pauses::default());
        Self { id, metrics, settings, leaving: Leaving::default(), places, clients, pauses }
    }

    /// Its name, as it is now.
    pub fn name(&self) -> Name {
        self.settings.load().name.clone()
    }

    /// From now on it is as the configuration says. Connections that are open stay so.
    pub fn obey(&self, settings: &Arc<Settings>) {
        self.places.set_limit(settings.places());
        self.settings.store(Arc::clone(settings));
    }
}
