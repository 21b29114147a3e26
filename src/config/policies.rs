//! What may be wrong with policies, whether they have a name, stand within a route, or hold for all routes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::words::variable_of_others;
use super::{Check, Config};
use crate::diagnostic::{At, Code, Diagnostic, shown};
use crate::message::target::{check_authority, normalise};
use crate::policy::headers::{self, is_weirs_own};
use crate::policy::{self, rewrite};
use crate::unit::Name;

/// Every section that says what policies may say: those with a name, the routes, and what holds for all routes.
pub fn sections(config: &Config) -> impl Iterator<Item = ([&str; 2], Cow<'_, policy::Config>)> {
    let named = config.policies.iter();
    let named = named.map(|(name, policy)| (["policies", name.as_str()], Cow::Borrowed(policy)));
    let routes = config.routes.iter();
    let routes = routes.map(|(name, route)| (["routes", name.as_str()], Cow::Owned(route.own())));
    let defaults = (["defaults", "routes"], Cow::Borrowed(&config.defaults.rules));
    named.chain(routes).chain([defaults])
}

impl Check<'_> {
    /// Adds what is wrong with policies.
    pub fn policies(&mut self) {
        for (section, policy) in sections(self.config) {
            self.headers(section, &policy.headers);
            self.rewrite(section, &policy.rewrite);
        }
        self.unused();
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
        for way in ["request", "response"] {
            for key in ["set", "add"] {
                self.twins(&[section[0], section[1], "headers", way, key]);
            }
        }
        for (path, template) in headers.templates() {
            let Some((theirs, ours)) = variable_of_others(template.as_str()) else { continue };
            let problem = format!("`{theirs}` is no variable here: write {ours}");
            let path = [&section[..], &["headers"], &path[..]].concat();
            let at = self.tree.value(&path);
            self.add(Diagnostic::new(Code::E0103, at, problem, "would be sent as it is"));
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
            let at = self.tree.value(&path("to"));
            let missing = groups(to).into_iter().find(|group| !regex.has_group(group));
            if let Some(group) = missing {
                let digits =
                    group.len() - group.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let write = match (&group[..digits], &group[digits..]) {
                    ("", _) => "write $1, or $$ for a dollar sign".to_owned(),
                    (number, rest) if !rest.is_empty() => format!("write ${{{number}}}{rest}"),
                    _ => format!("write one of the {} it has", regex.groups()),
                };
                let problem = format!("there is no group `{}` in `regex`: {write}", shown(group));
                self.add(Diagnostic::new(Code::E0105, at, problem, "stands for nothing"));
            } else {
                self.replacement(to, at);
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

    /// What stands around the groups must be a part of a path, as it is sent.
    fn replacement(&mut self, to: &str, at: Option<At>) {
        let sample = groups(to).iter().fold(to.replace("$$", ""), |sample, group| {
            sample.replace(&format!("${{{group}}}"), "x").replace(&format!("${group}"), "x")
        });
        let sample = format!("/{}", sample.trim_start_matches('/'));
        let problem = match normalise(sample.as_bytes()) {
            Ok(None) => return,
            _ if to.contains(['?', '#']) => "`to` is a path, without a query: write it without `?` and `#`".to_owned(),
            Ok(Some(normal)) => {
                let normal = String::from_utf8_lossy(&normal).into_owned();
                format!("`to` is written as paths are sent: write it as in \"{}\"", shown(&normal))
            }
            Err(_) => "`to` is no part of a path: write it in ASCII, its other characters as %XX, groups as $1".to_owned(),
        };
        self.add(Diagnostic::new(Code::E0103, at, problem, "no path"));
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

/// The groups that a replacement names, as `regex` reads it: the longest run of letters, digits and `_`, or what
/// stands in braces.
fn groups(to: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = to;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
        {
            found.push(name);
            rest = after;
        } else {
            let end =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            if end > 0 {
                found.push(&rest[..end]);
            }
            rest = &rest[end..];
        }
    }
    found
}
