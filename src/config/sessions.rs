//! What may be wrong with listeners that carry connections as they are, and with what asks for requests there.

use super::Check;
use super::tls::is_host;
use crate::diagnostic::{Code, Diagnostic, shown};
use crate::listener::{self, Protocol};
use crate::pool::Scheme;
use crate::route;
use crate::unit::Name;

impl Check<'_> {
    /// Adds what is wrong with them.
    pub fn sessions(&mut self) {
        let config = self.config;
        for (name, listener) in config.listeners.iter().filter(|(_, one)| !one.protocol.is_http()) {
            let routed = config.routes.values().any(|route| listener.takes(name, route));
            if !routed && listener.pool.is_none() && !self.tree.has(&["listeners", name, "pool"]) {
                let problem = "this listener carries connections, and has nowhere to carry them: write `pool`";
                let at = self.tree.value(&["listeners", name, "protocol"]);
                self.add(Diagnostic::new(Code::E0403, at, problem, "no `pool`"));
            }
        }
        for (name, listener) in &config.listeners {
            self.versions(name, listener);
        }
        for (name, listener) in config.listeners.iter().filter(|(_, one)| one.redirect_https) {
            if listener.protocol != Protocol::Http {
                let problem = "`redirect_https` is for http listeners, which have somebody to send: remove it";
                let at = self.tree.key(&["listeners", name, "redirect_https"]);
                self.add(Diagnostic::new(Code::E0402, at, problem, "nobody to send"));
            }
        }
        for (name, listener) in config.listeners.iter().filter(|(_, one)| one.protocol.is_http()) {
            if let Some(pool) = &listener.pool {
                self.carries_requests(pool, &["listeners", name, "pool"]);
            }
        }
        for (name, route) in &config.routes {
            self.place_of(name, route);
            if let Some(pool) = route.pool.as_ref().filter(|_| route.sni.is_empty()) {
                self.carries_requests(pool, &["routes", name, "pool"]);
            }
            if !route.sni.is_empty() {
                self.by_name(name, route);
            }
        }
    }

    /// Requests go to a pool that speaks HTTP.
    fn carries_requests(&mut self, pool: &Name, path: &[&str; 3]) {
        let scheme = self.config.pools.get(pool).map(|pool| pool.scheme);
        if scheme == Some(Scheme::Tls) {
            let problem = format!(
                "requests cannot go to pool `{pool}`, to which bytes are carried as they are: write `scheme = \"https\"` there"
            );
            let at = self.tree.value(path);
            let found = Diagnostic::new(Code::E0402, at, problem, "no HTTP is spoken there");
            self.add(found.also(self.tree.value(&["pools", pool, "scheme"]), "because of this"));
        }
    }

    /// A listener speaks some version of HTTP, if it speaks HTTP at all.
    fn versions(&mut self, name: &str, listener: &listener::Config) {
        let path = ["listeners", name, "http_versions"];
        if listener.http_versions.is_empty() {
            let problem =
                "`http_versions` names one at least: write [\"1.1\", \"2\"], or remove it";
            let at = self.tree.value(&path);
            self.add(Diagnostic::new(Code::E0105, at, problem, "none"));
        } else if !listener.protocol.is_http() && self.tree.has(&path) {
            let problem =
                "this listener carries connections, whatever they speak: remove `http_versions`";
            let at = self.tree.key(&path);
            let found = Diagnostic::new(Code::E0402, at, problem, "asks for nothing");
            self.add(
                found.also(self.tree.value(&["listeners", name, "protocol"]), "because of this"),
            );
        }
    }

    /// A route and the listeners that it names have the same things in mind.
    fn place_of(&mut self, name: &str, route: &route::Config) {
        let config = self.config;
        for (index, listener) in route.listeners.iter().enumerate() {
            let Some(one) = config.listeners.get(listener) else { continue };
            if one.takes(listener, route) {
                continue;
            }
            let problem = if route.sni.is_empty() {
                format!(
                    "no requests come to listener `{listener}`, which carries connections: remove it here"
                )
            } else {
                format!(
                    "nobody asks listener `{listener}` for a name before all else: remove it here, or write `host`"
                )
            };
            let index = index.to_string();
            let path = ["routes", name, "listeners", &index];
            let short = if self.tree.has(&path) { &path[..] } else { &path[..3] };
            let at = self.tree.value(short);
            let found = Diagnostic::new(Code::E0402, at, problem, "nothing to route");
            let protocol = self.tree.value(&["listeners", listener, "protocol"]);
            self.add(found.also(protocol, "because of this"));
        }
    }

    /// A route of connections asks for nothing that only requests have.
    fn by_name(&mut self, name: &str, route: &route::Config) {
        for key in OF_REQUESTS {
            if self.tree.has(&["routes", name, key]) {
                let problem = format!(
                    "a route by `sni` takes connections, which have no `{key}`: remove one of them"
                );
                let at = self.tree.key(&["routes", name, key]);
                let found = Diagnostic::new(Code::E0402, at, problem, "of requests");
                self.add(found.also(self.tree.key(&["routes", name, "sni"]), "of connections"));
            }
        }
        if !self.config.listeners.iter().any(|(listener, one)| one.takes(listener, route)) {
            let problem = "no listener is asked for names: write `protocol = \"tls-passthrough\"` in one, or `host` here";
            let at = self.tree.value(&["routes", name, "sni"]);
            self.add(Diagnostic::new(Code::E0402, at, problem, "nobody asks"));
        }
        for (index, host) in route.sni.iter().enumerate() {
            if !is_host(host.strip_prefix("*.").unwrap_or(host)) {
                let said = shown(host);
                let problem = format!(
                    "`{said}` is no name of a host: write \"example.com\", or \"*.example.com\""
                );
                let index = index.to_string();
                let path = ["routes", name, "sni", &index];
                let short = if self.tree.has(&path) { &path[..] } else { &path[..3] };
                let at = self.tree.value(short);
                self.add(Diagnostic::new(Code::E0105, at, problem, "not a name"));
            }
        }
    }
}

/// Keys of a route that only requests have.
const OF_REQUESTS: [&str; 17] = [
    "host",
    "path",
    "path_prefix",
    "path_regex",
    "method",
    "header",
    "query",
    "cookie",
    "redirect",
    "respond",
    "rewrite",
    "headers",
    "error_pages",
    "request_id",
    "max_body",
    "forwarded",
    "upgrade",
];
