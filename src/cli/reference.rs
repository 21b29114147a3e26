//! `config/reference.toml`, read as what it is: a table of every key with its value and what it means.
//!
//! `weir explain` and the man page of weir.toml take their words from it, so there is no second description
//! of a key.

use crate::config;

/// The reference, built in.
pub const TEXT: &str = include_str!("../../config/reference.toml");

/// A section: `[pools.NAME.health]`.
pub struct Section {
    /// "pools.*.health"
    pub path: String,
    /// What it is for.
    pub about: String,
    /// Its keys, as they are shown.
    pub keys: Vec<Key>,
}

/// A key of a section.
pub struct Key {
    /// "pools.*.health.interval"
    pub path: String,
    /// The value that is shown.
    pub value: String,
    /// Whether that is the default, and not an example.
    pub is_default: bool,
    /// Type, unit, meaning.
    pub about: String,
}

/// Every section that the reference shows, in its order. One that is shown twice is one section.
pub fn sections() -> Vec<Section> {
    // What stands above the first header is of no section.
    let mut sections =
        vec![Section { path: String::new(), about: String::new(), keys: Vec::new() }];
    let mut above: Vec<&str> = Vec::new();
    let mut at = 0;
    let mut lines = TEXT.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            above.clear();
        } else if let Some(comment) = trimmed.strip_prefix('#') {
            match sections.get_mut(at).and_then(|section| section.keys.last_mut()) {
                Some(key) if line.starts_with(' ') => append(&mut key.about, comment),
                _ => above.push(comment),
            }
        } else if trimmed.starts_with('[') {
            let (header, comment) = parts(trimmed);
            let path = generic(header.trim_matches(['[', ']']));
            at = sections.iter().position(|one| one.path == path).unwrap_or(sections.len());
            if at == sections.len() {
                sections.push(Section { path, about: String::new(), keys: Vec::new() });
            }
            let about = &mut sections[at].about;
            std::mem::take(&mut above).into_iter().for_each(|line| append(about, plain(line)));
            append(about, plain(comment));
        } else if let Some(section) = sections.get_mut(at) {
            let (mut entry, comment) = parts(trimmed);
            let mut about = comment.trim().to_owned();
            while open(&entry) > 0 {
                let Some(line) = lines.next() else { break };
                let (more, comment) = parts(line.trim());
                entry.push(' ');
                entry.push_str(&more);
                append(&mut about, comment.trim_start().trim_start_matches("e.g."));
            }
            section.add(&entry, about);
        }
    }
    sections
}

impl Section {
    /// Adds an entry. Of two with one key the first one counts.
    fn add(&mut self, entry: &str, about: String) {
        let Some((key, value)) = entry.split_once('=') else { return };
        let path = format!("{}.{}", self.path, key.trim()).trim_start_matches('.').to_owned();
        if self.keys.iter().all(|key| key.path != path) {
            let is_default = !about.is_empty() && !about.starts_with("e.g.");
            let about = about.trim_start_matches("e.g.").trim_start().to_owned();
            let value = value.trim().replace("[ ", "[").replace(", ]", "]");
            self.keys.push(Key { path, value, is_default, about });
        }
    }

    /// A key as it is written under the header.
    pub fn name_of<'a>(&self, key: &'a Key) -> &'a str {
        key.path.strip_prefix(&*self.path).unwrap_or(&key.path).trim_start_matches('.')
    }

    /// "[pools.NAME.health]"; of what is above the first header, that.
    pub fn header(&self) -> String {
        if self.path.is_empty() {
            return String::from("# above the first [header]");
        }
        format!("[{}]", self.path.replace('*', "NAME"))
    }
}

/// A path with `*` for the name of a listener, a route, a policy, a pool: "pools.api.drain" is "pools.*.drain".
pub fn generic(path: &str) -> String {
    let mut steps: Vec<&str> = path.split('.').collect();
    let named = format!("{}.*.", steps.first().copied().unwrap_or_default());
    if steps.len() > 1 && config::keys().iter().any(|key| key.starts_with(&named)) {
        steps[1] = "*";
    }
    steps.join(".")
}

/// A line without its comment, and the comment.
fn parts(line: &str) -> (String, &str) {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (c, quote) {
            ('#', None) => return (line[..at].trim_end().to_owned(), &line[at + 1..]),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    (line.to_owned(), "")
}

/// How many brackets are open at the end of an entry.
fn open(entry: &str) -> usize {
    entry.matches(['[', '{']).count().saturating_sub(entry.matches([']', '}']).count())
}

/// What is said in a heading, without its rule and the place of its code.
fn plain(heading: &str) -> &str {
    let text = heading.trim().trim_start_matches('─').trim_start();
    let end = [" ──", "src/"].iter().filter_map(|end| text.find(end)).min();
    text[..end.unwrap_or(text.len())].trim_end()
}

fn append(text: &mut String, more: &str) {
    let more = more.trim();
    if !text.is_empty() && !more.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_or_within_one() {
        let sections = sections();
        for path in config::keys() {
            let found = |path: &str| {
                sections.iter().any(|section| {
                    section.path == path || section.keys.iter().any(|key| key.path == path)
                })
            };
            // A section by itself is the table of its names, or the beginning of a longer header.
            let within = path.replace("[]", "");
            let mut path = within.as_str();
            while !found(path)
                && !sections.iter().any(|one| one.path.starts_with(&format!("{path}.")))
            {
                path = path.rsplit_once('.').unwrap_or_else(|| panic!("{within} is nowhere")).0;
            }
        }
    }

    #[test]
    fn what_is_said_of_a_key_is_all_of_it() {
        let sections = sections();
        let all = || sections.iter().flat_map(|section| &section.keys);
        let drain = all().find(|key| key.path == "pools.*.drain").unwrap();
        assert_eq!((&*drain.value, drain.is_default), ("\"30s\"", true));
        assert!(drain.about.starts_with("duration;") && drain.about.ends_with("is the same"));
        let endpoints = all().find(|key| key.path == "pools.*.endpoints").unwrap();
        assert!(!endpoints.is_default && endpoints.about.contains("weight: int"));
        let health = sections.iter().find(|one| one.path == "pools.*.health").unwrap();
        assert_eq!(health.header(), "[pools.NAME.health]");
        assert!(health.about.starts_with("active checks") && !health.about.contains("src/"));
    }
}
