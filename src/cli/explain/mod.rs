//! `weir explain WORD`: what any word means that weir takes or says.
//!
//! Called by a person who has read a report, a log line, a metric, somebody else's configuration. The words
//! come as tables from whoever offers them, those of keys from the reference. It reads no file.

use serde_json::json;

use super::reference::{Key, Section, generic, sections};
use super::{Exit, say, say_exactly, tell};
use crate::diagnostic::{CODES, Page, nearest};
use crate::proxy::error::{Row, TABLE};
use crate::telemetry::access_log::fields::FIELDS;
use crate::telemetry::metrics::{self, Form, Metric};
use crate::{balance, config};

mod words;

/// `weir explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to explain: a code, a key (`pools.*.drain`), a balancing word, a metric, a field or a reason of the
    /// access log.
    word: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Prints what the word means; all of it, if it is a word for several things.
pub fn explain(args: &Args) -> Exit {
    let word = args.word.trim_matches(['[', ']', '`']);
    let entries = vocabulary();
    let mut found: Vec<&Entry> = entries.iter().filter(|entry| entry.is(word)).collect();
    if found.is_empty() {
        found.extend(within(word, &entries));
    }
    if found.is_empty() {
        return nothing(word, &entries);
    }
    if args.json {
        let found = found.iter().map(|one| {
            json!({ "kind": one.kind, "word": one.names.first(), "text": one.text.trim_end() })
        });
        let found: Vec<_> = found.collect();
        say_exactly(&format!("{}\n", json!({ "schema": 1, "found": found })));
    } else {
        let texts: Vec<&str> = found.iter().map(|one| one.text.trim_end()).collect();
        say(&format!("{}\n", texts.join("\n\n")));
    }
    Exit::Ok
}

/// A key that the reference shows in another section, or only as a part of a table.
fn within<'a>(word: &str, entries: &'a [Entry]) -> Option<&'a Entry> {
    let path = generic(word);
    if !config::keys().contains(&path) {
        return None;
    }
    let is_key = |entry: &&Entry| entry.kind == "key";
    let named =
        |entry: &Entry, end: &str| entry.names.first().is_some_and(|one| one.ends_with(end));
    let steps: Vec<&str> = path.split('.').collect();
    let tail = format!(".{}", steps[steps.len().saturating_sub(2)..].join("."));
    entries.iter().filter(is_key).find(|entry| named(entry, &tail)).or_else(|| {
        let mut above = (1..steps.len()).rev().map(|end| steps[..end].join(".").replace("[]", ""));
        above.find_map(|path| entries.iter().find(|entry| entry.is(&path)))
    })
}

fn nothing(word: &str, entries: &[Entry]) -> Exit {
    let names = || entries.iter().flat_map(|entry| entry.names.iter().map(|name| &**name));
    let like = generic(word);
    match nearest(word, names()).or_else(|| nearest(&like, names())) {
        Some(near) => tell(&format!("nothing to explain about `{word}`: did you mean `{near}`?\n")),
        None => tell(&format!(
            "nothing to explain about `{word}`: give a code such as E0201, a key such as \
             pools.*.drain, a metric, or a word of the access log\n"
        )),
    }
    Exit::Usage
}

/// Something that has a name.
struct Entry {
    kind: &'static str,
    /// What it is called; the first is its full name.
    names: Vec<String>,
    text: String,
}

impl Entry {
    fn new(kind: &'static str, names: &[&str], text: String) -> Self {
        Self { kind, names: names.iter().map(|name| (*name).to_owned()).collect(), text }
    }

    fn is(&self, word: &str) -> bool {
        let generic = generic(word);
        let same = |name: &String| name.eq_ignore_ascii_case(word) || *name == generic;
        self.names.iter().any(same)
    }
}

fn vocabulary() -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    all.extend(CODES.iter().map(code));
    all.extend(balance::KINDS.iter().map(|kind| {
        let text = format!(
            "{}\n\n{}\n\n    [pools.app]\n    {}",
            kind.name,
            wrap(kind.about),
            kind.example
        );
        Entry::new("balance", &[&format!("balance.{}", kind.name), kind.name], text)
    }));
    all.extend(TABLE.iter().map(reason));
    all.extend(metrics::ALL.iter().map(metric));
    all.extend(FIELDS.iter().map(|field| {
        let head = format!("A field of the access log, a {}.", field.kind.as_str());
        let text = format!("{}\n\n{head}\n{}", field.name, wrap(field.about));
        Entry::new("field", &[field.name], text)
    }));
    let said = words::WORDS.iter();
    all.extend(
        said.map(|(name, about)| Entry::new("word", &[name], format!("{name}\n\n{}", wrap(about)))),
    );
    let sections = sections();
    for one in &sections {
        all.push(section(one));
        all.extend(one.keys.iter().map(|entry| key(&sections, one, entry)));
    }
    all.extend(config::keys().iter().filter_map(|key| groups(&sections, key)));
    let fields = FIELDS.iter().map(|field| (field.name, field.about));
    all.push(list("access_log", "The fields of a line in JSON or logfmt", fields));
    let every = metrics::ALL.iter().map(|metric| (metric.name, metric.help));
    all.push(list("metrics", "Every metric", every));
    let kinds = balance::KINDS.iter().map(|kind| (kind.name, kind.about));
    all.push(list("balance", "The words of `balance`", kinds));
    all
}

/// A section that consists of sections, as `defaults` does.
fn groups(all: &[Section], key: &str) -> Option<Entry> {
    let inner = |one: &&Section| one.path.split('.').next() == Some(key);
    let headers: Vec<String> = all.iter().filter(inner).map(Section::header).collect();
    let text = format!("{key}\n\nSections, each with its page:\n\n    {}", headers.join("\n    "));
    (headers.len() > 1).then(|| Entry::new("group", &[key], text))
}

/// What there is of one sort.
fn list(
    name: &str,
    title: &str,
    rows: impl Iterator<Item = (&'static str, &'static str)>,
) -> Entry {
    let mut text = format!("{title}:");
    for (name, about) in rows {
        let about = wrap(about).replace('\n', "\n    ");
        text.push_str(&format!("\n\n{name}\n    {about}"));
    }
    Entry::new("list", &[name], text)
}

fn reason(row: &Row) -> Entry {
    let seen = match row.status {
        0 => String::from("the connection is closed"),
        status => format!("the client gets {status}"),
    };
    let about = wrap(row.about.trim_start_matches("weir: ").trim_end());
    let head = format!("A reason in the access log and in weir_http_refused_total: {seen}.");
    let text = format!("{}\n\n{head}\n{about}\n{}", row.reason, wrap(row.advice));
    Entry::new("reason", &[row.reason], text)
}

fn metric(metric: &Metric) -> Entry {
    let form = match metric.form {
        Form::Counter => "counter",
        Form::Gauge => "gauge",
        Form::Histogram => "histogram",
    };
    let text = format!("{}\n\nA metric, a {form}.\n{}", metric.name, wrap(metric.help));
    let parts = ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", metric.name));
    let mut names = vec![metric.name];
    if metric.form == Form::Histogram {
        names.extend(parts.iter().map(String::as_str));
    }
    Entry::new("metric", &names, text)
}

fn section(section: &Section) -> Entry {
    let about = if section.about.is_empty() { "A section." } else { &section.about };
    let mut text = format!("{}\n\n{}\n", section.header(), wrap(about));
    for key in &section.keys {
        text.push_str(&format!("\n    {} = {}", section.name_of(key), key.value));
    }
    let bare = section.path.trim_end_matches(".*");
    Entry::new("section", &[&section.path, bare], text)
}

/// What is shown without a word is told where it is shown first, as the keys of a policy in a route are.
fn key(all: &[Section], section: &Section, key: &Key) -> Entry {
    let name = section.name_of(key);
    let last = name.rsplit('.').next().unwrap_or(name);
    let same = |other: &&Key| !other.about.is_empty() && other.path.ends_with(&format!(".{name}"));
    let told = all.iter().flat_map(|section| &section.keys).find(same);
    let about = if key.about.is_empty() { told.map_or("", |told| &told.about) } else { &key.about };
    let table = all.iter().find(|section| section.path == format!("policies.*.{name}"));
    let about = match table {
        Some(table) if about.is_empty() => &format!("The keys of {}.", table.header()),
        _ => about,
    };
    let what = if key.is_default { "the default" } else { "an example" };
    let head = format!("{}\n\n    {}\n    {name} = {}", key.path, section.header(), key.value);
    let text = format!("{head}    # {what}\n\n{}", wrap(about));
    Entry::new("key", &[&key.path, last], text)
}

/// The page of a code.
fn code(page: &Page) -> Entry {
    let mut text = format!("{}: {}\n\n{}", page.code, page.title, wrap(page.cause));
    for (title, example) in [("wrong", page.broken), ("right", page.fixed)] {
        text.push_str(&format!("\n\n{title}\n"));
        for line in example.lines() {
            text.push_str(if line.is_empty() { "\n" } else { "\n    " });
            text.push_str(line);
        }
    }
    Entry::new("code", &[page.code.as_str()], text)
}

/// A text in lines of less than 80.
pub fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let long = word.chars().count();
        if width + long >= 80 {
            wrapped.push('\n');
            width = 0;
        } else if width > 0 {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += long;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Outcome;
    use crate::endpoint::state::{Told, Why};

    fn explained(word: &str) -> bool {
        vocabulary().iter().any(|entry| entry.is(word) && entry.text.lines().count() >= 3)
    }

    #[test]
    fn every_word_of_metrics_is_explained() {
        let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
        for word in outcomes.chain(Told::WORDS).chain(Why::ALL.map(Why::as_str)) {
            assert!(explained(word), "{word}");
        }
    }

    #[test]
    fn every_key_is_explained_whatever_its_section_is_called() {
        let mut missing = Vec::new();
        for key in config::keys() {
            let concrete = key.replacen('*', "my-own", 1);
            if !explained(&concrete) && within(&concrete, &vocabulary()).is_none() {
                missing.push(concrete);
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
    }
}
