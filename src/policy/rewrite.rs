//! `policies.NAME.rewrite`: another path or host for the endpoint than the client has asked for.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Filter, Refused};
use crate::message::exchange::Exchange;
use crate::message::head::{Head, Known};
use crate::message::target::{normal, normalise};
use crate::unit::Regex;

/// `[policies.NAME.rewrite]`: what the endpoint is asked for, in place of what the client has asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whole segments that are taken away from the path's beginning, first of all: "/api".
    pub strip_prefix: Option<String>,
    /// What is put before the path, last of all: "/v2".
    pub add_prefix: Option<String>,
    /// What is looked for in the path; what is found becomes `to`.
    pub regex: Option<Regex>,
    /// What replaces what `regex` finds; $1 is its first group, $$ a dollar sign.
    pub to: Option<String>,
    /// The host that the endpoint is asked for. Default: as the client asked.
    pub host: Option<String>,
}

/// Rewrites path and host.
pub struct Rewrite {
    strip_prefix: String,
    add_prefix: String,
    regex: Option<(Regex, String)>,
    host: Option<String>,
}

impl Config {
    /// What a later one says wins, key by key.
    pub fn merge(&mut self, later: &Self) {
        super::replace(&mut self.strip_prefix, &later.strip_prefix);
        super::replace(&mut self.add_prefix, &later.add_prefix);
        super::replace(&mut self.regex, &later.regex);
        super::replace(&mut self.to, &later.to);
        super::replace(&mut self.host, &later.host);
    }

    /// What does it, if there is anything to do.
    pub fn filter(&self) -> Option<Rewrite> {
        let trimmed = |prefix: &Option<String>| {
            let prefix = prefix.as_deref().map(normal).unwrap_or_default();
            prefix.trim_end_matches('/').to_owned()
        };
        let rewrite = Rewrite {
            strip_prefix: trimmed(&self.strip_prefix),
            add_prefix: trimmed(&self.add_prefix),
            regex: self.regex.clone().zip(self.to.clone()),
            host: self.host.clone(),
        };
        (*self != Self::default()).then_some(rewrite)
    }
}

impl Filter for Rewrite {
    fn on_request(&self, x: &mut Exchange, _: &dyn Fn() -> u64) -> Result<(), Refused> {
        if let Some(host) = &self.host {
            set_host(&mut x.head, host);
        }
        let path = x.head.slice(x.head.path);
        // `OPTIONS *` has no path.
        let rewritten = if path == b"*" { None } else { self.path(path) };
        if let Some(path) = rewritten {
            // Parts that are in order by themselves may make a dot segment together, which would lead elsewhere.
            if normalise(&path) != Ok(None) {
                return Err(Refused::Rewrite);
            }
            x.head.path = x.head.append(&path);
        }
        Ok(())
    }
}

impl Rewrite {
    /// The new path; `None`: it stays as it is.
    fn path(&self, path: &[u8]) -> Option<Vec<u8>> {
        let stripped = path
            .strip_prefix(self.strip_prefix.as_bytes())
            .filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
            .unwrap_or(path);
        let replaced = self.regex.as_ref().and_then(|(regex, to)| {
            let stripped = if stripped.is_empty() { b"/" } else { stripped };
            let groups = regex.captures(stripped)?;
            let whole = groups.get(0)?;
            let mut new = stripped[..whole.start()].to_vec();
            groups.expand(to.as_bytes(), &mut new);
            new.extend_from_slice(&stripped[whole.end()..]);
            Some(new)
        });
        let found = replaced.as_deref().unwrap_or(stripped);
        if found == path && self.add_prefix.is_empty() {
            return None;
        }
        let mut new = self.add_prefix.as_bytes().to_vec();
        if !found.starts_with(b"/") && (new.is_empty() || !found.is_empty()) {
            new.push(b'/');
        }
        new.extend_from_slice(found);
        Some(new)
    }
}

/// What the client asked stays what `x-forwarded-host` and routes see.
fn set_host(head: &mut Head, host: &str) {
    for field in head.fields.iter_mut().filter(|field| field.known == Known::Host) {
        field.removed = true;
    }
    head.add(Known::Host, "host", host);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_stripped_replaced_and_prefixed_in_this_order() {
        for (text, path, expected) in [
            ("strip_prefix = \"/api\"", "/api/x", "/x"),
            ("strip_prefix = \"/api/\"", "/api/x", "/x"),
            ("strip_prefix = \"/api\"", "/api", "/"),
            ("strip_prefix = \"/api\"", "/apix", "/apix"),
            ("add_prefix = \"/v2\"", "/x", "/v2/x"),
            ("strip_prefix = \"/api\"\nadd_prefix = \"/v2/\"", "/api", "/v2"),
            ("strip_prefix = \"/api\"\nadd_prefix = \"/v2\"", "/api/", "/v2/"),
            ("regex = \"^/old/(.*)$\"\nto = \"/new/$1\"", "/old/a/b", "/new/a/b"),
            ("regex = \"^/old/(.*)$\"\nto = \"/new/$1\"", "/other", "/other"),
            ("regex = \"[0-9]+\"\nto = \"n\"", "/a/12/3", "/a/n/3"),
            ("regex = \"^/\"\nto = \"\"", "/a", "/a"),
            ("regex = \"^.*$\"\nto = \"/$$x\"", "/a", "/$x"),
            ("strip_prefix = \"/a\"\nregex = \"^/$\"\nto = \"/root\"", "/a", "/root"),
            ("strip_prefix = \"/%61\"", "/a/b", "/b"),
            ("host = \"b\"", "/a", "/a"),
            ("strip_prefix = \"/a\"", "*", "*"),
        ] {
            let mut head = Head::default();
            head.path = head.append(path.as_bytes());
            let mut x = Exchange::bare(head);
            let config: Config = toml::from_str(text).unwrap();
            config.filter().unwrap().on_request(&mut x, &|| 0).unwrap();
            assert_eq!(x.head.text(x.head.path), expected, "{text} {path}");
            assert_eq!(x.head.text(x.asked), path, "it is remembered");
        }
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused() {
        for (text, path) in [
            ("regex = \"a\"\nto = \"..\"", "/a/b"),
            ("regex = \"-v[0-9]+\"\nto = \"\"\nadd_prefix = \"/public\"", "/.-v1./secret"),
            ("regex = \"-v[0-9]+\"\nto = \"\"", "/a/-v1."),
            ("regex = \"x\"\nto = \"\"", "/%x41"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            let mut head = Head::default();
            head.path = head.append(path.as_bytes());
            let mut x = Exchange::bare(head);
            assert!(config.filter().unwrap().on_request(&mut x, &|| 0).is_err(), "{path}");
        }
    }
}
