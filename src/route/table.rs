//! The index of routes: the most specific wins, wherever it stands in the file.
//!
//! A host that is named comes before none, an exact path before a prefix, a longer prefix before a
//! shorter. A look-up costs one hash per segment of the path, however many routes there are, and
//! allocates nothing.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// Finds the `T` of the most specific match. Keys come from the configuration, so no client can make
/// them collide.
pub struct Table<T> {
    hosts: HashMap<Box<str>, Paths<T>, FixedState>,
    any_host: Paths<T>,
}

struct Paths<T> {
    exact: HashMap<Box<str>, T, FixedState>,
    prefixes: HashMap<Box<str>, T, FixedState>,
    /// Bytes of the longest prefix: nothing longer need be looked up.
    longest: usize,
}

/// What a route asks for, in the form in which requests are compared with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The host in lower case; `None` is every one.
    pub host: Option<String>,
    /// The path, normalised.
    pub path: Path,
}

/// Which paths a route matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// This one.
    Exact(String),
    /// This one and all below it, by whole segments, without a slash at its end; the empty one is every
    /// path.
    Prefix(String),
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), prefixes: HashMap::default(), longest: 0 }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { hosts: HashMap::default(), any_host: Paths::default() }
    }
}

impl<T> Table<T> {
    /// Adds a route. A second one for the same place replaces it: the configuration is checked for such
    /// ties before.
    pub fn insert(&mut self, place: Place, target: T) {
        let paths = match place.host {
            Some(host) => self.hosts.entry(host.into()).or_default(),
            None => &mut self.any_host,
        };
        match place.path {
            Path::Exact(path) => paths.exact.insert(path.into(), target),
            Path::Prefix(path) => {
                paths.longest = paths.longest.max(path.len());
                paths.prefixes.insert(path.into(), target)
            }
        };
    }

    /// The most specific match for a host in lower case and a normalised path.
    pub fn find(&self, host: &str, path: &str) -> Option<&T> {
        self.hosts.get(host).and_then(|paths| paths.find(path)).or_else(|| self.any_host.find(path))
    }
}

impl<T> Paths<T> {
    fn find(&self, path: &str) -> Option<&T> {
        if let Some(target) = self.exact.get(path) {
            return Some(target);
        }
        if self.prefixes.is_empty() {
            return None;
        }
        let mut prefix = path;
        loop {
            if prefix.len() <= self.longest
                && let Some(target) = self.prefixes.get(prefix)
            {
                return Some(target);
            }
            // `OPTIONS *` asks about no path: only who matches every path takes it (RFC 9110, 9.3.7).
            let above = if prefix == "*" { Some(0) } else { prefix.rfind('/') };
            prefix = &prefix[..above?];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: Option<&str>, path: Path) -> Place {
        Place { host: host.map(str::to_owned), path }
    }

    fn exact(path: &str) -> Path {
        Path::Exact(path.to_owned())
    }

    fn prefix(path: &str) -> Path {
        Path::Prefix(path.to_owned())
    }

    #[test]
    fn the_most_specific_route_wins() {
        let mut table = Table::default();
        table.insert(place(None, prefix("")), "all");
        table.insert(place(None, prefix("/a")), "a");
        table.insert(place(None, prefix("/a/b")), "ab");
        table.insert(place(None, exact("/a/b")), "exact");
        table.insert(place(Some("h.example"), prefix("/x")), "host");
        for (host, path, expected) in [
            ("", "/", "all"),
            ("", "/z", "all"),
            ("", "/a", "a"),
            ("", "/a/", "a"),
            ("", "/ab", "all"),
            ("", "/a/b", "exact"),
            ("", "/a/b/", "ab"),
            ("", "/a/b/c/d", "ab"),
            ("h.example", "/x/y", "host"),
            ("h.example", "/a/b", "exact"),
            ("other.example", "/x", "all"),
        ] {
            assert_eq!(table.find(host, path), Some(&expected), "{host} {path}");
        }
    }

    #[test]
    fn no_match_is_none() {
        let mut table = Table::default();
        table.insert(place(Some("h"), prefix("")), 1);
        assert_eq!(table.find("g", "/"), None);
        assert_eq!(table.find("h", "*"), Some(&1), "`OPTIONS *` has no path");
        table.insert(place(None, exact("/a")), 2);
        assert_eq!(table.find("g", "/b"), None);
        assert_eq!(table.find("g", "*"), None);
    }
}
