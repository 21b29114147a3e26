//! What may be wrong with listeners that carry connections as they are, and with what asks for requests there.

use super::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::listener::Protocol;

impl Check<'_> {
    /// Adds what is wrong with them.
    pub fn sessions(&mut self) {
        let config = self.config;
        for (name, listener) in config.listeners.iter().filter(|(_, one)| !one.protocol.is_http()) {
            if listener.pool.is_none() && !self.tree.has(&["listeners", name, "pool"]) {
                let problem = "this listener carries connections, and has nowhere to carry them: write `pool`";
                let at = self.tree.value(&["listeners", name, "protocol"]);
                self.add(Diagnostic::new(Code::E0403, at, problem, "no `pool`"));
            }
        }
        for (name, listener) in config.listeners.iter().filter(|(_, one)| one.redirect_https) {
            if listener.protocol != Protocol::Http {
                let problem = "`redirect_https` is for http listeners, which have somebody to send: remove it";
                let at = self.tree.key(&["listeners", name, "redirect_https"]);
                self.add(Diagnostic::new(Code::E0402, at, problem, "nobody to send"));
            }
        }
        for (name, route) in &config.routes {
            for (index, listener) in route.listeners.iter().enumerate() {
                if config.listeners.get(listener).is_none_or(|one| one.protocol.is_http()) {
                    continue;
                }
                let index = index.to_string();
                let path = ["routes", name.as_str(), "listeners", &index];
                let at = if self.tree.has(&path) {
                    self.tree.value(&path)
                } else {
                    self.tree.value(&path[..3])
                };
                let problem = format!(
                    "no requests come to listener `{listener}`, which carries connections: remove it here"
                );
                let found = Diagnostic::new(Code::E0402, at, problem, "nothing to route");
                let protocol = self.tree.value(&["listeners", listener, "protocol"]);
                self.add(found.also(protocol, "because of this"));
            }
        }
    }
}
