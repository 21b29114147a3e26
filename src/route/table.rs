//! The index of routes: the most specific place first, wherever a route stands in the file.
//!
//! An exact host comes before a wildcard, that before none; an exact path before a pattern, a regular
//! expression, a longer prefix, a shorter. A look-up costs a hash per segment of the path, however many routes
//! there are (but each regular expression of a host is tried), and allocates nothing.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::place::{Host, Path, Pattern, Place, parent};
use crate::unit::Regex;

/// Keys come from the configuration, so no client can make them collide.
type Map<T> = HashMap<Box<[u8]>, T, FixedState>;

/// What stands at each place.
#[derive(Debug)]
pub struct Table<T> {
    hosts: Map<Paths<T>>,
    wildcards: Map<Paths<T>>,
    any_host: Paths<T>,
}

#[derive(Debug)]
struct Paths<T> {
    exact: Map<T>,
    patterns: Node<T>,
    regexes: Vec<(Regex, T)>,
    prefixes: Map<T>,
    /// Bytes of the longest prefix: nothing longer need be looked up.
    longest: usize,
}

/// A segment of patterns: what may follow it.
#[derive(Debug)]
struct Node<T> {
    fixed: Map<Self>,
    open: Option<Box<Self>>,
    end: Option<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { fixed: Map::default(), open: None, end: None }
    }
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self {
            exact: Map::default(),
            patterns: Node::default(),
            regexes: Vec::new(),
            prefixes: Map::default(),
            longest: 0,
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { hosts: Map::default(), wildcards: Map::default(), any_host: Paths::default() }
    }
}

impl<T: Default> Table<T> {
    /// What stands at a place; nothing at first.
    pub fn at(&mut self, place: Place) -> &mut T {
        let bytes = |text: String| text.into_bytes().into_boxed_slice();
        let paths = match place.host {
            Host::Exact(host) => self.hosts.entry(bytes(host)).or_default(),
            Host::Wildcard(rest) => self.wildcards.entry(bytes(rest)).or_default(),
            Host::Any => &mut self.any_host,
        };
        match place.path {
            Path::Exact(path) => paths.exact.entry(bytes(path)).or_default(),
            Path::Pattern(pattern) => paths.patterns.at(&pattern),
            Path::Regex(regex) => {
                let known = paths.regexes.iter().position(|(known, _)| *known == regex);
                let at = known.unwrap_or(paths.regexes.len());
                if known.is_none() {
                    paths.regexes.push((regex, T::default()));
                }
                &mut paths.regexes[at].1
            }
            Path::Prefix(path) => {
                paths.longest = paths.longest.max(path.len());
                paths.prefixes.entry(bytes(path)).or_default()
            }
        }
    }
}

impl<T> Table<T> {
    /// Looks at what stands at the places that match a host in lower case and a normalised path, the most specific
    /// first, until `look` finds something.
    pub fn find<'t, R>(
        &'t self,
        host: &[u8],
        path: &[u8],
        mut look: impl FnMut(&'t T) -> Option<R>,
    ) -> Option<R> {
        if !self.hosts.is_empty()
            && let Some(paths) = self.hosts.get(host)
            && let Some(found) = paths.find(path, &mut look)
        {
            return Some(found);
        }
        if !self.wildcards.is_empty()
            && let Some(paths) = parent(host).and_then(|rest| self.wildcards.get(rest))
            && let Some(found) = paths.find(path, &mut look)
        {
            return Some(found);
        }
        self.any_host.find(path, &mut look)
    }
}

impl<T> Paths<T> {
    fn find<'t, R>(&'t self, path: &[u8], look: &mut impl FnMut(&'t T) -> Option<R>) -> Option<R> {
        if let Some(found) = self.exact.get(path).and_then(&mut *look) {
            return Some(found);
        }
        // `OPTIONS *` asks about no path: only who matches every path takes it (RFC 9110, 9.3.7).
        if path == b"*" {
            return self.prefixes.get(&b""[..]).and_then(look);
        }
        if !self.patterns.is_empty()
            && let Some(found) = self.patterns.find(path.strip_prefix(b"/"), look)
        {
            return Some(found);
        }
        let regexes = self.regexes.iter().filter(|(regex, _)| regex.is_found_in(path));
        if let Some(found) = regexes.map(|(_, at)| at).find_map(&mut *look) {
            return Some(found);
        }
        if self.prefixes.is_empty() {
            return None;
        }
        let mut prefix = path;
        loop {
            if prefix.len() <= self.longest
                && let Some(found) = self.prefixes.get(prefix).and_then(&mut *look)
            {
                return Some(found);
            }
            prefix = &prefix[..prefix.iter().rposition(|b| *b == b'/')?];
        }
    }
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.open.is_none()
    }

    fn at(&mut self, pattern: &Pattern) -> &mut T
    where
        T: Default,
    {
        let node = pattern.segments.iter().fold(self, |node, segment| match segment {
            Some(segment) => node.fixed.entry(segment.as_bytes().into()).or_default(),
            None => node.open.get_or_insert_default(),
        });
        node.end.get_or_insert_default()
    }

    /// The rest of a path; `None` behind its last segment. A fixed segment comes before an open one.
    fn find<'t, R>(
        &'t self,
        rest: Option<&[u8]>,
        look: &mut impl FnMut(&'t T) -> Option<R>,
    ) -> Option<R> {
        let Some(rest) = rest else { return self.end.as_ref().and_then(look) };
        let slash = rest.iter().position(|b| *b == b'/');
        let (segment, rest) = slash.map_or((rest, None), |at| (&rest[..at], Some(&rest[at + 1..])));
        if let Some(node) = self.fixed.get(segment)
            && let Some(found) = node.find(rest, look)
        {
            return Some(found);
        }
        self.open.as_ref().filter(|_| !segment.is_empty())?.find(rest, look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(places: &[(&str, Path, &'static str)]) -> Table<Vec<&'static str>> {
        let mut table: Table<Vec<&'static str>> = Table::default();
        for (host, path, name) in places {
            let host = if host.is_empty() { Host::Any } else { Host::new(host) };
            table.at(Place { host, path: path.clone() }).push(*name);
        }
        table
    }

    fn exact(path: &str) -> Path {
        Path::Exact(path.to_owned())
    }

    fn prefix(path: &str) -> Path {
        Path::Prefix(path.to_owned())
    }

    fn pattern(path: &str) -> Path {
        Path::Pattern(Pattern::new(path).unwrap().unwrap())
    }

    fn regex(text: &str) -> Path {
        Path::Regex(Regex::new(&format!("^(?:{text})$")).unwrap())
    }

    /// All that matches, in the order in which it is looked at.
    fn order(table: &Table<Vec<&'static str>>, host: &str, path: &str) -> String {
        let mut seen = Vec::new();
        table.find(host.as_bytes(), path.as_bytes(), |names| {
            seen.extend_from_slice(names);
            None::<()>
        });
        seen.join(" ")
    }

    #[test]
    fn the_most_specific_place_comes_first() {
        let table = table(&[
            ("", prefix(""), "all"),
            ("", prefix("/a"), "a"),
            ("", prefix("/a/b"), "ab"),
            ("", exact("/a/b"), "exact"),
            ("", regex("/a/.*"), "regex"),
            ("", pattern("/a/{x}"), "open"),
            ("", pattern("/{x}/b"), "late"),
            ("", pattern("/a/{x}/c"), "deep"),
            ("h.example", prefix("/x"), "host"),
            ("*.example", prefix("/x"), "wild"),
        ]);
        for (host, path, expected) in [
            ("", "/", "all"),
            ("", "/z", "all"),
            ("", "/a", "a all"),
            ("", "/a/", "regex a all"),
            ("", "/ab", "all"),
            ("", "/a/b", "exact open late regex ab a all"),
            ("", "/a/z", "open regex a all"),
            ("", "/z/b", "late all"),
            ("", "/a/b/c", "deep regex ab a all"),
            ("", "/a//c", "regex a all"),
            ("", "/a/b/c/d", "regex ab a all"),
            ("", "*", "all"),
            ("h.example", "/x/y", "host wild all"),
            ("h.example", "/a", "a all"),
            ("g.example", "/x", "wild all"),
            ("f.g.example", "/x", "all"),
            ("example", "/x", "all"),
        ] {
            assert_eq!(order(&table, host, path), expected, "{host} {path}");
        }
    }

    #[test]
    fn no_match_is_none() {
        let table = table(&[("h", prefix(""), "h"), ("", exact("/a"), "a")]);
        assert_eq!(order(&table, "g", "/"), "");
        assert_eq!(order(&table, "h", "*"), "h", "`OPTIONS *` has no path");
        assert_eq!(order(&table, "g", "*"), "");
        assert_eq!(order(&table, "[::1]", "/a"), "a");
    }
}
