//! Where a route stands: its host and its path, as requests are compared with them.

use std::fmt;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::message::target::normal;
use crate::unit::Regex;

/// What a route asks for, in the form in which requests are compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host.
    pub host: Host,
    /// The path, normalised.
    pub path: Path,
}

/// Which hosts a route matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// Every one.
    Any,
    /// `*.example.com`, without the `*.`: one label more than this.
    Wildcard(String),
    /// This one, in lower case.
    Exact(String),
}

/// Which paths a route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// This one and all below it, by whole segments, without a slash at its end; the empty one is every
    /// path.
    Prefix(String),
    /// All in which this is found from the beginning to the end.
    Regex(Regex),
    /// Those of this form.
    Pattern(Pattern),
    /// This one.
    Exact(String),
}

/// A path in which some segments may be anything: `/users/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the slashes; `None` is one segment, whatever it is.
    pub segments: Vec<Option<String>>,
    /// The names of those, in order.
    pub names: Vec<String>,
}

impl Host {
    /// A host of the file: a name, `*.` and a name, perhaps with a port, which is not compared.
    pub fn new(text: &str) -> Self {
        let name = without_port(text).to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(rest) => Self::Wildcard(rest.to_owned()),
            None => Self::Exact(name),
        }
    }

    /// Whether it matches every host that the other one matches.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Wildcard(rest), Self::Exact(name)) => {
                parent(name.as_bytes()) == Some(rest.as_bytes())
            }
            _ => self == other,
        }
    }
}

/// A regular expression that matches a path as a whole.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "Regex")]
pub struct Whole(Regex);

impl Whole {
    /// Whether what it matches begins with a slash, as far as that can be seen.
    pub fn is_found_in_a_path(&self) -> bool {
        let begins = Beginnings::of(&self.0).0;
        begins.is_none_or(|all| all.iter().any(|one| one.is_empty() || one.starts_with(b"/")))
    }

    /// The expression, tied to both ends.
    pub const fn get(&self) -> &Regex {
        &self.0
    }

    /// As it is written in the file.
    pub fn bare(&self) -> &str {
        let text = self.0.as_str();
        let inside = text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$"));
        inside.unwrap_or(text)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By itself first: what is wrong with it must not be hidden by what is put around it.
        let bare = Regex::deserialize(deserializer)?;
        let tied = Regex::new(&format!("^(?:{})$", bare.as_str()));
        tied.map(Self).map_err(|problem| {
            de::Error::custom(format_args!("E0107 {problem}\nnot a regular expression"))
        })
    }
}

/// What is left of a host without its first label: the wildcard that matches it.
pub fn parent(host: &[u8]) -> Option<&[u8]> {
    let dot = host.iter().position(|b| *b == b'.').filter(|dot| *dot > 0)?;
    // An address in brackets has no labels.
    (host[0] != b'[').then(|| &host[dot + 1..])
}

impl Path {
    /// Whether it matches every path that the other one matches. `false`: perhaps not.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(prefix), Self::Prefix(path) | Self::Exact(path)) => {
                is_below(path, prefix)
            }
            (Self::Prefix(prefix), Self::Pattern(pattern)) => is_below(&pattern.start(), prefix),
            (Self::Prefix(prefix), _) => prefix.is_empty(),
            (Self::Regex(regex), Self::Exact(path)) => regex.is_found_in(path.as_bytes()),
            (Self::Pattern(pattern), Self::Pattern(other)) => pattern.covers(other),
            (Self::Pattern(pattern), Self::Exact(path)) => pattern.matches(path.as_bytes()),
            _ => self == other,
        }
    }

    /// With what whole segments all that it matches begins.
    pub fn start(&self) -> String {
        match self {
            Self::Prefix(path) | Self::Exact(path) => path.clone(),
            Self::Pattern(pattern) => pattern.start(),
            Self::Regex(_) => String::new(),
        }
    }
}

/// Whether a path is this one, or below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// With what texts all that an expression matches begins, if there are few of them.
pub struct Beginnings(Option<Vec<Vec<u8>>>);

impl Beginnings {
    /// Of an expression.
    pub fn of(regex: &Regex) -> Self {
        let mut parser =
            ParserBuilder::new().unicode(false).utf8(false).dot_matches_new_line(true).build();
        let hir = parser.parse(regex.as_str()).ok();
        let found = hir.map(|hir| Extractor::new().extract(&hir));
        let found = found.as_ref().and_then(|found| found.literals()).filter(|all| !all.is_empty());
        Self(found.map(|all| all.iter().map(|literal| literal.as_bytes().to_vec()).collect()))
    }

    /// Whether no text begins as both say. `false`: perhaps one does.
    pub fn exclude(&self, other: &Self) -> bool {
        let (Some(mine), Some(theirs)) = (&self.0, &other.0) else { return false };
        let apart = |one: &[u8], other: &[u8]| !one.starts_with(other) && !other.starts_with(one);
        mine.iter().all(|one| theirs.iter().all(|other| apart(one, other)))
    }
}

impl Pattern {
    /// Reads `/users/{id}`. `None`: there is nothing in braces.
    ///
    /// # Errors
    /// A sentence that says what is wrong with what stands in braces.
    pub fn new(text: &str) -> Result<Option<Self>, String> {
        if !text.contains(['{', '}']) {
            return Ok(None);
        }
        let mut pattern = Self { segments: Vec::new(), names: Vec::new() };
        for segment in text.strip_prefix('/').unwrap_or(text).split('/') {
            let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match inner {
                None if segment.contains(['{', '}']) => {
                    return Err(
                        "braces stand for a whole segment: write \"/users/{id}\"".to_owned()
                    );
                }
                None => pattern.segments.push(Some(normal(segment))),
                Some(name) if !is_name(name) => {
                    return Err(
                        "what stands in braces is a name of letters, digits and `_`: write \
                         \"/users/{id}\""
                            .to_owned(),
                    );
                }
                Some(name) if pattern.names.iter().any(|other| other == name) => {
                    return Err(format!("`{{{name}}}` is there twice: write another name"));
                }
                Some(name) => {
                    pattern.segments.push(None);
                    pattern.names.push(name.to_owned());
                }
            }
        }
        Ok(Some(pattern))
    }

    /// Which segment a name stands for.
    pub fn segment(&self, name: &str) -> Option<usize> {
        let which = self.names.iter().position(|one| one == name)?;
        let mut open = self.segments.iter().enumerate().filter(|(_, segment)| segment.is_none());
        open.nth(which).map(|(at, _)| at)
    }

    fn matches(&self, path: &[u8]) -> bool {
        let mut segments = path.strip_prefix(b"/").unwrap_or(path).split(|b| *b == b'/');
        self.segments.iter().all(|mine| match (mine, segments.next()) {
            (Some(mine), Some(segment)) => mine.as_bytes() == segment,
            (None, Some(segment)) => !segment.is_empty(),
            (_, None) => false,
        }) && segments.next().is_none()
    }

    fn covers(&self, other: &Self) -> bool {
        let one_covers = |(mine, theirs): (&Option<String>, &Option<String>)| match (mine, theirs) {
            (None, theirs) => theirs.as_ref().is_none_or(|theirs| !theirs.is_empty()),
            (mine, theirs) => mine == theirs,
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(one_covers)
    }

    /// The segments before the first that may be anything.
    fn start(&self) -> String {
        let fixed = self.segments.iter().map_while(Option::as_ref);
        fixed.fold(String::new(), |start, segment| start + "/" + segment)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.names.iter();
        self.segments.iter().try_for_each(|segment| match segment {
            Some(segment) => write!(f, "/{segment}"),
            None => write!(f, "/{{{}}}", names.next().map_or("", |name| name)),
        })
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !text.is_empty() && text.bytes().all(is_letter)
}

fn without_port(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_whole_segments() {
        let pattern = Pattern::new("/users/{id}/%7eposts/{post_1}").unwrap().unwrap();
        assert_eq!(pattern.to_string(), "/users/{id}/~posts/{post_1}");
        assert!(pattern.matches(b"/users/7/~posts/x"));
        for other in ["/users/7/~posts/", "/users//~posts/x", "/users/7/~posts/x/", "/users/7"] {
            assert!(!pattern.matches(other.as_bytes()), "{other}");
        }
        let segments = ["id", "post_1", "x"].map(|name| pattern.segment(name));
        assert_eq!(segments, [Some(1), Some(3), None]);
        assert_eq!(Pattern::new("/users"), Ok(None));
        for wrong in ["/a{b}", "/{a}b", "/{}", "/{a-b}", "/{a}/{a}", "/{a", "/a}"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_covers_what() {
        let prefix = |text: &str| Path::Prefix(text.to_owned());
        let exact = |text: &str| Path::Exact(text.to_owned());
        let regex = |text: &str| Path::Regex(Regex::new(text).unwrap());
        let pattern = |text: &str| Path::Pattern(Pattern::new(text).unwrap().unwrap());
        for (one, other, expected) in [
            (prefix(""), regex("x"), true),
            (prefix("/a"), exact("/a/b"), true),
            (prefix("/a"), exact("/ab"), false),
            (prefix("/a"), pattern("/a/{b}"), true),
            (prefix("/a/b"), pattern("/a/{b}"), false),
            (regex("^/a.*$"), exact("/ab"), true),
            (pattern("/{a}/{b}"), pattern("/x/{c}"), true),
            (pattern("/x/{c}"), pattern("/{a}/{b}"), false),
            (pattern("/{a}"), exact("/x"), true),
            (exact("/x"), pattern("/{a}"), false),
        ] {
            assert_eq!(one.covers(&other), expected, "{one:?} {other:?}");
        }
        let host = |text: &str| Host::new(text);
        assert_eq!(host("A.Example:80"), Host::Exact("a.example".to_owned()));
        assert!(host("*.example.com").covers(&host("a.example.com")));
        assert!(!host("*.example.com").covers(&host("a.b.example.com")));
        assert!(!host("*.example.com").covers(&host("example.com")));
        assert!(Host::Any.covers(&host("*.x")) && !host("*.x").covers(&Host::Any));
    }

    #[test]
    fn expressions_that_begin_differently_exclude_each_other() {
        let exclude = |one: &str, other: &str| {
            let beginnings = |text| Beginnings::of(&Regex::new(text).unwrap());
            beginnings(one).exclude(&beginnings(other))
        };
        assert!(exclude("^(?:/v1/.*)$", "^(?:/v2/[0-9]+)$"));
        assert!(!exclude("^(?:/v1/.*)$", "^(?:/v1/[0-9]+)$"));
        assert!(!exclude("^(?:/v[0-9]/.*)$", "^(?:/v2/[0-9]+)$"));
        assert!(!exclude("^(?:.*)$", "^(?:/v2)$"));
    }
}
