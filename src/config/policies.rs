//! What may be wrong with policies, whether they have a name or stand within a route.

use std::collections::BTreeSet;

use super::Check;
use crate::diagnostic::{Code, Diagnostic, shown};
use crate::message::target::check_authority;
use crate::policy::headers::{self, is_weirs_own};
use crate::policy::{self, rewrite};
use crate::unit::Name;

impl Check<'_> {
    /// Adds what is wrong with policies.
    pub fn policies(&mut self) {
        let config = self.config;
        for (name, policy) in &config.policies {
            self.policy(["policies", name], policy);
        }
        for (name, route) in &config.routes {
            self.policy(["routes", name], &route.own());
        }
        self.unused();
    }

    fn policy(&mut self, section: [&str; 2], policy: &policy::Config) {
        self.headers(section, &policy.headers);
        self.rewrite(section, &policy.rewrite);
    }

    fn headers(&mut self, section: [&str; 2], headers: &headers::Config) {
        for (path, name) in headers.names().filter(|(_, name)| is_weirs_own(name)) {
            let problem = if name.as_str() == "host" {
                "the host that the endpoint is asked for is `rewrite.host`: write that".to_owned()
            } else {
                format!(
                    "`{name}` frames messages or belongs to a connection: remove it, weir writes it itself"
                )
            };
            let path = [&section[..], &["headers"], &path[..]].concat();
            let at = self.tree.key(&path);
            self.add(Diagnostic::new(Code::E0103, at, problem, "not to be changed"));
        }
    }

    fn rewrite(&mut self, section: [&str; 2], rewrite: &rewrite::Config) {
        let path = |key| [section[0], section[1], "rewrite", key];
        self.path(&path("strip_prefix"), rewrite.strip_prefix.as_deref());
        self.path(&path("add_prefix"), rewrite.add_prefix.as_deref());
        let lonely = match (&rewrite.regex, &rewrite.to) {
            (Some(_), None) => Some(("regex", "to")),
            (None, Some(_)) => Some(("to", "regex")),
            _ => None,
        };
        if let Some((here, missing)) = lonely.filter(|(_, missing)| !self.tree.has(&path(missing)))
        {
            let example =
                if missing == "to" { "to = \"/new/$1\"" } else { "regex = \"^/old/(.*)$\"" };
            let problem = format!("`{here}` does nothing without `{missing}`: write `{example}`");
            let at = self.tree.key(&path(here));
            self.add(Diagnostic::new(Code::E0403, at, problem, format!("needs `{missing}`")));
        }
        if let (Some(regex), Some(to)) = (&rewrite.regex, &rewrite.to) {
            let most = groups(to).max().unwrap_or(0);
            if most > regex.groups() {
                let has = regex.groups();
                let problem = format!(
                    "there is no group ${most} in `regex`, which has {has}: write one of them"
                );
                let at = self.tree.value(&path("to"));
                self.add(Diagnostic::new(Code::E0105, at, problem, "stands for nothing"));
            }
        }
        let host = rewrite.host.as_deref();
        if let Some(host) = host.filter(|host| check_authority(host.as_bytes()).is_err()) {
            let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
            let bare = shown(bare.split('/').next().unwrap_or_default());
            let (code, problem) = if host.contains('/') {
                (Code::E0106, format!("a host is a name, not a URL: write \"{bare}\""))
            } else {
                (
                    Code::E0103,
                    "a host is a name in ASCII: write \"internal.example.com\"".to_owned(),
                )
            };
            let at = self.tree.value(&path("host"));
            self.add(Diagnostic::new(code, at, problem, "no host"));
        }
    }

    /// A policy that nobody names does nothing, which is surely not what was meant.
    fn unused(&mut self) {
        if self.found.iter().any(|one| !one.code.is_warning()) {
            return;
        }
        let config = self.config;
        let listed = config.listeners.values().map(|listener| &listener.policies);
        let listed = listed.chain(config.routes.values().map(|route| &route.policies));
        let used: BTreeSet<&Name> = listed.flat_map(|names| names.iter()).collect();
        for name in config.policies.keys().filter(|name| !used.contains(name)) {
            let problem = format!(
                "policy `{name}` is never used: write `policies = [\"{name}\"]` in a route or a \
                 listener, or remove it"
            );
            let at = self.tree.key(&["policies", name.as_str()]);
            self.found.push(Diagnostic::new(Code::W0102, at, problem, "nobody names it"));
        }
    }
}

/// The groups that a replacement names by number.
fn groups(to: &str) -> impl Iterator<Item = usize> + '_ {
    let parts = to.split("$$").flat_map(|part| part.split('$').skip(1));
    parts.filter_map(|part| {
        let part = part.strip_prefix('{').unwrap_or(part);
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    })
}
