//! What may be wrong with routes: hosts and paths that no request has, destinations that are none or several.

use super::Check;
use super::words::{path_of_others, variable_of_others};
use crate::diagnostic::{Code, Diagnostic, nearest, shown};
use crate::message::target::{check_authority, normalise};
use crate::message::template::Template;
use crate::route::place::Pattern;
use crate::route::redirect::Redirect;
use crate::route::{self, LARGEST_BODY};
use crate::unit::Name;

/// What a route leads to, one of these.
const TARGETS: [&str; 4] = ["pool", "split", "redirect", "respond"];
/// What a route says of paths, one of these.
const PATHS: [&str; 3] = ["path", "path_prefix", "path_regex"];

impl Check<'_> {
    /// Adds what is wrong with routes.
    pub fn routes(&mut self) {
        for name in self.tree.names("routes") {
            let who = format!("route `{name}`");
            self.exists(&["routes", name, "pool"], "pool", &who);
            for pool in self.tree.keys(&["routes", name, "split"]) {
                self.named(pool, self.tree.key(&["routes", name, "split", pool]), "pool", &who);
            }
            self.all_exist(&["routes", name, "listeners"], "listener", &who);
            self.all_exist(&["routes", name, "policies"], "policy", &who);
            self.one_of(name, &PATHS);
            self.one_of(name, &TARGETS);
        }
        let config = self.config;
        for (name, route) in &config.routes {
            if *name == Name::none() {
                let problem = "`none` stands in metrics for requests that no route matched: \
                               write another name";
                let at = self.tree.key(&["routes", name]);
                self.add(Diagnostic::new(Code::E0103, at, problem, "taken"));
            }
            self.target(name, route);
            self.conditions(name, route);
            self.exact_path(name, route.path.as_deref());
            self.path(&["routes", name, "path_prefix"], route.path_prefix.as_deref());
            for (index, host) in route.host.iter().enumerate() {
                self.host(name, index, host);
            }
            self.segments(name, route);
        }
    }

    /// Conditions that no request meets.
    fn conditions(&mut self, name: &str, route: &route::Config) {
        self.twins(&["routes", name, "header"]);
        for header in route.header.keys().filter(|header| header.as_str().contains('_')) {
            let at = self.tree.key(&["routes", name, "header", header.as_str()]);
            let problem = format!(
                "headers with `_` in their name are not passed on, or refused: write `{}`",
                header.as_str().replace('_', "-")
            );
            self.add(Diagnostic::new(Code::E0103, at, problem, "no request has it"));
        }
        if let Some(regex) = &route.path_regex
            && let Some(text) = self.tree.text(&["routes", name, "path_regex"])
            && !regex.is_found_in_a_path()
        {
            let bare = text.0.trim_start_matches('^').trim_end_matches('$');
            let problem = format!(
                "`path_regex` matches whole paths, which begin with a slash: write \"/{}\"",
                shown(bare.trim_start_matches('/'))
            );
            self.add(Diagnostic::new(Code::E0103, Some(text.1), problem, "matches no path"));
        }
    }

    /// Two names of headers that differ in case only are one.
    pub fn twins(&mut self, table: &[&str]) {
        let keys = self.tree.keys(table);
        for (index, key) in keys.iter().enumerate() {
            let Some(first) = keys[..index].iter().find(|first| first.eq_ignore_ascii_case(key))
            else {
                continue;
            };
            let place = |key: &str| self.tree.key(&[table, &[key]].concat());
            let problem =
                format!("header `{key}` is `{first}` in another case: remove one of them");
            let found = Diagnostic::new(Code::E0204, place(key), problem, "the second");
            let first = place(first);
            self.add(found.also(first, "the first"));
        }
    }

    /// At most one of a group of keys.
    fn one_of(&mut self, name: &str, group: &[&str]) {
        let here = |key: &&&str| self.tree.has(&["routes", name, key]);
        let mut here = group.iter().filter(here);
        let (Some(first), Some(second)) = (here.next(), here.next()) else { return };
        let problem = format!(
            "route `{name}` has both `{first}` and `{second}`: write one of them, or two routes"
        );
        let at = self.tree.key(&["routes", name, second]);
        let label = format!("not together with `{first}`");
        let found = Diagnostic::new(Code::E0402, at, problem, label);
        let other = self.tree.key(&["routes", name, first]);
        self.add(found.also(other, "the other one").note(format!("one of: {}", group.join(", "))));
    }

    fn target(&mut self, name: &str, route: &route::Config) {
        let path = |key| ["routes", name, key];
        if !TARGETS.iter().any(|key| self.tree.has(&path(key))) {
            let pool = self.config.pools.keys().next().map_or("app", |pool| pool);
            let problem =
                format!("route `{name}` leads nowhere: write `pool = \"{}\"`", shown(pool));
            let at = self.tree.key(&["routes", name]);
            let found = Diagnostic::new(Code::E0403, at, problem, "needs a destination");
            self.add(found.note(format!("one of: {}", TARGETS.join(", "))));
        }
        if let Some(weights) = &route.split {
            let sound = !self.tree.is_wrong(&path("split"), self.found);
            if sound && weights.values().all(|weight| *weight == 0) {
                let problem = "a split needs a pool with a weight: write { a = 90, b = 10 }";
                let at = self.tree.value(&path("split"));
                self.add(Diagnostic::new(Code::E0105, at, problem, "leads nowhere"));
            }
        } else if !route.sticky.is_empty() {
            let problem = "`sticky` keeps clients at a pool of a `split`, and there is none: \
                           write `split = { a = 90, b = 10 }`, or remove it";
            let at = self.tree.key(&path("sticky"));
            self.add(Diagnostic::new(Code::E0403, at, problem, "keeps nobody anywhere"));
        }
        if let Some(redirect) = &route.redirect {
            self.redirect(name, redirect);
        }
        if let Some(respond) = &route.respond {
            let path = |key| ["routes", name, "respond", key];
            if !(200..600).contains(&respond.status) {
                let problem =
                    format!("`status` is 200 to 599, not {}: write 200, or 404", respond.status);
                let at = self.tree.value(&path("status"));
                self.add(Diagnostic::new(Code::E0105, at, problem, "200 to 599"));
            }
            if respond.body.len() > LARGEST_BODY {
                let problem = "`body` is at most 128 KiB: write a pool that serves it";
                let at = self.tree.value(&path("body"));
                self.add(Diagnostic::new(Code::E0105, at, problem, "too long"));
            }
            if matches!(respond.status, 204 | 205 | 304) && !respond.body.is_empty() {
                let problem =
                    format!("an answer with status {} has no body: remove it", respond.status);
                let at = self.tree.key(&path("body"));
                self.add(Diagnostic::new(Code::E0402, at, problem, "would not be sent"));
            }
            if respond.content_type.bytes().any(|byte| !(b' '..0x7f).contains(&byte)) {
                let problem = "`content_type` is ASCII without line ends: write \"text/plain\"";
                let at = self.tree.value(&path("content_type"));
                self.add(Diagnostic::new(Code::E0103, at, problem, "no content type"));
            }
        }
    }

    fn redirect(&mut self, name: &str, redirect: &Redirect) {
        let path = |key| ["routes", name, "redirect", key];
        if !Redirect::STATUSES.contains(&redirect.status) {
            let problem =
                format!("{} does not redirect: write 308, or 301, 302, 303, 307", redirect.status);
            let at = self.tree.value(&path("status"));
            self.add(Diagnostic::new(Code::E0105, at, problem, "not a redirection"));
        }
        let text = redirect.to.as_str();
        let at = self.tree.value(&path("to"));
        if let Some(foreign) = variable_of_others(text) {
            let problem = format!("`{}` is no variable here: write {}", foreign.0, foreign.1);
            self.add(Diagnostic::new(Code::E0103, at.clone(), problem, "would be sent as it is"));
        }
        if !text.starts_with(['/', '{']) && !text.contains("://") {
            let problem =
                format!("`to` is a URL or a path: write \"https://{}\", or \"/{0}\"", shown(text));
            self.add(Diagnostic::new(Code::E0103, at, problem, "neither of them"));
        } else if text.bytes().any(|byte| !(0x21..0x7f).contains(&byte)) {
            let problem = "`to` is ASCII without spaces: write other characters as %XX";
            self.add(Diagnostic::new(Code::E0103, at, problem, "no URL"));
        }
    }

    /// Names of segments that are used must be in the route's path.
    fn segments(&mut self, name: &str, route: &route::Config) {
        let known = match Pattern::new(route.path.as_deref().unwrap_or_default()) {
            Ok(Some(pattern)) => pattern.names,
            _ => Vec::new(),
        };
        let config = self.config;
        let mut used: Vec<(Vec<String>, &Template)> = Vec::new();
        let steps = |path: &[&str]| path.iter().map(|step| (*step).to_owned()).collect();
        for (path, template) in route.headers.templates() {
            used.push((steps(&[&["routes", name, "headers"], &path[..]].concat()), template));
        }
        let listeners =
            config.listeners.iter().filter(|(listener, one)| one.takes(listener, route));
        let listed = listeners.flat_map(|(_, listener)| listener.policies.iter());
        let listed = route.policies.iter().chain(listed);
        let listed = listed.filter_map(|name| config.policies.get_key_value(name));
        let listed = listed.map(|(name, policy)| (["policies", name.as_str()], policy));
        for (section, policy) in listed.chain([(["defaults", "routes"], &config.defaults.rules)]) {
            for (path, template) in policy.headers.templates() {
                used.push((steps(&[&section[..], &["headers"], &path[..]].concat()), template));
            }
        }
        if let Some(redirect) = &route.redirect {
            used.push((steps(&["routes", name, "redirect", "to"]), &redirect.to));
        }
        for (path, template) in used {
            let Some(wrong) = template.segments().find(|one| !known.iter().any(|k| k == one))
            else {
                continue;
            };
            let near = nearest(wrong, known.iter().map(String::as_str));
            let write = match near.or_else(|| known.first().map(String::as_str)) {
                Some(known) => format!("write {{path.{known}}}"),
                None => format!("write `path = \"/{{{wrong}}}\"` there"),
            };
            let problem = format!("no segment `{wrong}` in the path of route `{name}`: {write}");
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let at = self.tree.value(&path);
            // A policy of many routes is told once.
            if self.found.iter().all(|one| one.at.is_none() || one.at != at) {
                self.add(Diagnostic::new(Code::E0301, at, problem, "stands for nothing"));
            }
        }
    }

    fn exact_path(&mut self, name: &str, path: Option<&str>) {
        let at = ["routes", name, "path"];
        let Some(path) = path else { return };
        if let Some((problem, label)) = path_of_others(path) {
            let at = self.tree.value(&at);
            self.add(Diagnostic::new(Code::E0103, at, problem, label));
            return;
        }
        if path.split('/').count() > SEGMENTS {
            let problem = format!("`path` has at most {SEGMENTS} segments: write `path_prefix`");
            let at = self.tree.value(&at);
            self.add(Diagnostic::new(Code::E0105, at, problem, "longer than any"));
            return;
        }
        match Pattern::new(path) {
            Ok(None) => self.path(&at, Some(path)),
            Ok(Some(pattern)) if path.starts_with('/') => {
                // The segments that are named are whatever a request has.
                let bare = pattern.to_string().replace(['{', '}'], "");
                let dots =
                    pattern.segments.iter().flatten().any(|one| matches!(&**one, "." | ".."));
                if dots || normalise(bare.as_bytes()).is_err() || path.contains(['?', '#']) {
                    self.path(&at, Some(path));
                }
            }
            Ok(Some(_)) => self.path(&at, Some(path)),
            Err(problem) => {
                let at = self.tree.value(&at);
                self.add(Diagnostic::new(Code::E0103, at, problem, "no path"));
            }
        }
    }

    /// A path of the file must be one that a request can have.
    pub fn path(&mut self, at: &[&str], path: Option<&str>) {
        let key = at.last().copied().unwrap_or_default();
        if key == "path_prefix"
            && let Some((problem, label)) = path.and_then(path_of_others)
        {
            self.add(Diagnostic::new(Code::E0103, self.tree.value(at), problem, label));
            return;
        }
        let Some(path) = path.filter(|path| normalise(path.as_bytes()).is_err()) else { return };
        let bare = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
        let mended = format!("/{}", shown(bare));
        let problem = if path.starts_with('/') && path.contains(['{', '}']) && key != "path" {
            format!("`{key}` knows no {{names}}: write them in `path`, or in a regular expression")
        } else if path.starts_with('/') && !path.contains(['?', '#']) {
            format!(
                "`{key}` is no path that a request can have: write one in ASCII, its other \
                 characters as %XX, that stays below the root"
            )
        } else if path.starts_with('/') {
            format!("`{key}` has no query and no fragment: write \"{mended}\"")
        } else {
            format!("`{key}` begins with a slash: write \"{mended}\"")
        };
        self.add(Diagnostic::new(Code::E0103, self.tree.value(at), problem, "no path"));
    }

    fn host(&mut self, route: &str, index: usize, host: &str) {
        let index = index.to_string();
        let list = ["routes", route, "host", &index];
        let at = match self.tree.count(&list[..3]) {
            0 => self.tree.value(&list[..3]),
            _ => self.tree.value(&list),
        };
        let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
        let bare = shown(bare.split('/').next().unwrap_or_default());
        let named = host.strip_prefix("*.").unwrap_or(host);
        let (code, problem, label) = if host.contains('/') {
            (Code::E0106, format!("a host is a name, not a URL: write \"{bare}\""), "a URL")
        } else if host.is_empty() {
            let problem = "a host is a name, not an empty text: write one, or remove `host`";
            (Code::E0103, problem.to_owned(), "matches nothing")
        } else if let Some(rest) = host.strip_prefix('.') {
            let problem = format!("a host begins with a name: write \"*.{}\"", shown(rest));
            (Code::E0103, problem, "would match no request")
        } else if host.ends_with('.') {
            let problem = format!(
                "a host is written without a dot at its end, and matches with one, too: write \"{}\"",
                shown(host.trim_end_matches('.'))
            );
            (Code::E0103, problem, "one dot too many")
        } else if named.contains('*') {
            let problem = "`*` stands for the first label of a host: write \"*.example.com\", \
                           or remove `host` to match every one";
            (Code::E0103, problem.to_owned(), "would match no request")
        } else if host.contains(char::is_whitespace) {
            let problem = "a host has no spaces: write several as a list [\"a\", \"b\"]";
            (Code::E0103, problem.to_owned(), "would match no request")
        } else if check_authority(named.as_bytes()).is_err() {
            let problem = "no request can name this host: write a name in ASCII (another one as \
                           xn--…), or an IPv6 address in [brackets]";
            (Code::E0103, problem.to_owned(), "would match no request")
        } else {
            return;
        };
        self.add(Diagnostic::new(code, at, problem, label));
    }
}

/// Segments of a path with names: more than any service has, and few enough to be followed one within the other.
const SEGMENTS: usize = 256;
