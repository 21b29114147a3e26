//! What may be wrong with certificates, with TLS on both sides, and with PROXY headers: sources that are missing or
//! contradict, keys that nothing obeys.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Check;
use crate::diagnostic::{Code, Diagnostic, shown};
use crate::listener::timeouts::Timeouts;
use crate::listener::{self, Protocol, ProxyProtocol};
use crate::message::target::check_authority;
use crate::net::address::Listen;
use crate::pool;
use crate::tls::certificate;
use crate::tls::client;
use crate::tls::server::{self, ClientAuth};
use crate::unit::Name;

impl Check<'_> {
    /// Adds what is wrong with certificates, and with who shows them.
    pub fn tls(&mut self) {
        let config = self.config;
        for (name, section) in &config.certificates {
            self.certificate(name, section);
        }
        for (name, section) in &config.listeners {
            self.names_of_tls(name);
            self.proxied(name, section);
            if section.protocol.is_secured() {
                self.secured(name, section);
            } else {
                self.plain(name, section);
            }
        }
        self.unused_certificates();
        for (name, pool) in &config.pools {
            self.client(name, pool);
        }
    }

    /// TLS to endpoints.
    fn client(&mut self, name: &str, pool: &pool::Config) {
        let path = |key| ["pools", name, "tls", key];
        let tls = &pool.tls;
        if self.tree.is_wrong(&["pools", name], self.found) {
            return;
        }
        if !pool.scheme.has_tls() {
            if *tls != client::Config::default() {
                let problem = "no TLS is spoken to these endpoints: write `scheme = \"https\"`, or remove `tls`";
                let at = self.tree.key(&["pools", name, "tls"]);
                self.add(Diagnostic::new(Code::E0402, at, problem, "asks for nothing"));
            }
            return;
        }
        let both = [("cert", tls.cert.is_some()), ("key", tls.key.is_some())];
        if let [(_, true), (missing, false)] | [(missing, false), (_, true)] = both {
            let problem =
                format!("a certificate and its key belong together: write `{missing}`, too");
            let at = self.tree.key(&["pools", name, "tls"]);
            self.add(Diagnostic::new(Code::E0403, at, problem, format!("no `{missing}`")));
        }
        if let Some(host) = &tls.server_name
            && !is_host(host)
        {
            let problem =
                format!("`{}` is no name of a host: write \"orders.internal\"", shown(host));
            let at = self.tree.value(&path("server_name"));
            self.add(Diagnostic::new(Code::E0105, at, problem, "not a name"));
        }
        if !tls.verify {
            let problem = "anybody on the way to the endpoints may read and change everything: write `ca`, whom to \
                           believe, and remove `verify`";
            let at = self.tree.value(&path("verify"));
            self.add(Diagnostic::new(Code::W0106, at, problem, "believes everybody"));
        }
    }

    fn certificate(&mut self, name: &str, section: &certificate::Config) {
        let path = |key| ["certificates", name, key];
        if self.tree.is_wrong(&["certificates", name], self.found) {
            return;
        }
        let brought = [("cert", section.cert.is_some()), ("key", section.key.is_some())];
        if section.self_signed {
            for (key, _) in brought.iter().filter(|(_, given)| *given) {
                let problem = format!(
                    "weir makes a self-signed certificate itself: remove `{key}`, or `self_signed`"
                );
                let at = self.tree.key(&path(key));
                let found = Diagnostic::new(Code::E0402, at, problem, "not together");
                self.add(found.also(self.tree.key(&path("self_signed")), "with this"));
            }
            if section.hosts.is_empty() {
                let problem =
                    "a self-signed certificate is made for names: write `hosts = [\"localhost\"]`";
                let at = self.tree.key(&path("self_signed"));
                self.add(Diagnostic::new(Code::E0403, at, problem, "for which names?"));
            }
        } else if let Some((key, _)) = brought.iter().find(|(_, given)| !given) {
            let problem = match (section.cert.is_some(), section.key.is_some()) {
                (false, false) => "a certificate comes from somewhere: write `cert` and `key`, or `self_signed = true`".to_owned(),
                _ => format!("a certificate and its key belong together: write `{key}`, too"),
            };
            let at = self.tree.key(&["certificates", name]);
            self.add(Diagnostic::new(Code::E0403, at, problem, format!("no `{key}`")));
        }
        for (index, host) in section.hosts.iter().enumerate() {
            let plain = host.strip_prefix("*.").unwrap_or(host);
            if !is_host(plain) {
                let said = shown(host);
                let problem = format!(
                    "`{said}` is no name of a host: write \"example.com\", or \"*.example.com\""
                );
                let index = index.to_string();
                let at = self.tree.value(&["certificates", name, "hosts", &index]);
                self.add(Diagnostic::new(Code::E0105, at, problem, "not a name"));
            }
        }
    }

    fn names_of_tls(&mut self, name: &str) {
        let who = format!("listener `{name}`");
        let path = ["listeners", name, "tls", "certificates"];
        self.exists(&path, "certificate", &who);
        for index in 0..self.tree.count(&path) {
            let index = index.to_string();
            self.exists(&["listeners", name, "tls", "certificates", &index], "certificate", &who);
        }
    }

    /// A header of the PROXY protocol is believed of somebody, or of nobody.
    fn proxied(&mut self, name: &str, section: &listener::Config) {
        let off = section.proxy_protocol == ProxyProtocol::Off;
        let sure = !self.tree.is_wrong(&["listeners", name], self.found);
        if sure && !off && section.trusted_proxies.is_empty() {
            let problem = "a PROXY header is believed of nobody: write `trusted_proxies`, where your proxies are";
            let at = self.tree.value(&["listeners", name, "proxy_protocol"]);
            self.add(Diagnostic::new(Code::E0403, at, problem, "of whom?"));
        }
        if off && section.timeouts.proxy_protocol != Timeouts::default().proxy_protocol {
            let problem = "no PROXY header is waited for: write `proxy_protocol = \"require\"`, or remove \
                           `timeouts.proxy_protocol`";
            let at = self.tree.key(&["listeners", name, "timeouts", "proxy_protocol"]);
            self.add(Diagnostic::new(Code::E0402, at, problem, "asks for nothing"));
        }
    }

    /// A listener with TLS has something to show.
    fn secured(&mut self, name: &str, section: &listener::Config) {
        let tls = &section.tls;
        let path = |key| ["listeners", name, "tls", key];
        if self.tree.names("certificates").is_empty() && self.config.certificates.is_empty() {
            let problem = "a listener that speaks TLS needs a certificate: write [certificates.main] and under it \
                           `cert` and `key`, or `self_signed = true`";
            let at = self.tree.value(&["listeners", name, "protocol"]);
            self.add(Diagnostic::new(Code::E0404, at, problem, "what would it show?"));
        }
        let sure = !self.tree.is_wrong(&["listeners", name, "tls"], self.found);
        if sure && tls.client_auth != ClientAuth::Off && tls.client_ca.is_none() {
            let problem = "somebody has signed the certificates of clients: write `client_ca`, the path of a PEM file";
            let at = self.tree.value(&path("client_auth"));
            self.add(Diagnostic::new(Code::E0403, at, problem, "nobody could come"));
        }
        let given =
            [("client_ca", tls.client_ca.is_some()), ("client_crl", tls.client_crl.is_some())];
        for (key, _) in
            given.iter().filter(|(_, given)| *given && sure && tls.client_auth == ClientAuth::Off)
        {
            let problem = format!(
                "nobody asks clients for a certificate: write `client_auth = \"require\"`, or remove `{key}`"
            );
            let at = self.tree.key(&path(key));
            self.add(Diagnostic::new(Code::E0402, at, problem, "asks for nothing"));
        }
        let beyond = match section.address {
            Listen::All(_) => true,
            Listen::One(address) => !address.ip().is_loopback(),
        };
        let shown = self.config.certificates.iter().filter(|(one, _)| shows(section, one));
        for (certificate, _) in shown.filter(|(_, one)| beyond && one.self_signed) {
            let problem = format!(
                "listener `{name}` is reachable from elsewhere, where nobody believes a self-signed certificate: \
                 bring one, or listen on 127.0.0.1"
            );
            let at = self.tree.key(&["certificates", certificate, "self_signed"]);
            let found = Diagnostic::new(Code::W0110, at, problem, "for localhost and tests");
            self.found
                .push(found.also(self.tree.value(&["listeners", name, "address"]), "shown here"));
        }
    }

    /// A listener that sends everybody elsewhere does nothing else.
    fn redirecting(&mut self, name: &str) {
        for key in ["pool", "policies"] {
            if self.tree.has(&["listeners", name, key]) {
                let problem =
                    format!("all requests are sent to https: remove `{key}`, or `redirect_https`");
                let at = self.tree.key(&["listeners", name, key]);
                let found = Diagnostic::new(Code::E0402, at, problem, "nothing comes so far");
                self.add(
                    found.also(self.tree.key(&["listeners", name, "redirect_https"]), "with this"),
                );
            }
        }
    }

    /// A listener without TLS has nothing of it.
    fn plain(&mut self, name: &str, section: &listener::Config) {
        if section.redirect_https {
            self.redirecting(name);
        }
        // What is built in may be written.
        let times = section.protocol != Protocol::TlsPassthrough
            && section.timeouts.handshake != Timeouts::default().handshake;
        let asks = [
            (section.tls != server::Config::default(), &["listeners", name, "tls"][..]),
            (times, &["listeners", name, "timeouts", "handshake"]),
        ];
        for (_, path) in asks.into_iter().filter(|(asks, _)| *asks) {
            let key = path.last().copied().unwrap_or_default();
            let (has, with) = match section.protocol {
                Protocol::Tcp | Protocol::TlsPassthrough => ("such a", "tls"),
                _ => ("an http", "https"),
            };
            let problem = format!(
                "{has} listener has no TLS of its own: write `protocol = \"{with}\"`, or remove `{key}`"
            );
            let at = self.tree.key(path);
            self.add(Diagnostic::new(Code::E0402, at, problem, "asks for nothing"));
        }
    }

    fn unused_certificates(&mut self) {
        let config = self.config;
        // With an error elsewhere, that may be the reason.
        if self.found.iter().any(|one| !one.code.is_warning()) {
            return;
        }
        let secured = config.listeners.values().filter(|one| one.protocol.is_secured());
        let used: BTreeSet<&Name> = secured
            .flat_map(|one| config.certificates.keys().filter(|name| shows(one, name)))
            .collect();
        for name in config.certificates.keys().filter(|name| !used.contains(name)) {
            let problem = format!(
                "certificate `{name}` is never shown: write `protocol = \"https\"` in a listener, or remove it"
            );
            let at = self.tree.key(&["certificates", name]);
            self.add(Diagnostic::new(Code::W0102, at, problem, "nobody shows it"));
        }
    }
}

/// Whether a listener shows a certificate.
fn shows(listener: &listener::Config, name: &Name) -> bool {
    let named = &listener.tls.certificates;
    named.is_empty() || named.contains(name)
}

/// Whether it is a name, or an address; without a port.
pub fn is_host(host: &str) -> bool {
    let is_name = !host.is_empty() && !host.contains(['*', ':']);
    host.parse::<IpAddr>().is_ok() || is_name && check_authority(host.as_bytes()).is_ok()
}
