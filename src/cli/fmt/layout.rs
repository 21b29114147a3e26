//! The layout of a configuration: sections in reading order, each with what is said about it.
//!
//! A comment belongs to the line it stands above or behind; one that a blank line parts from the section
//! below it belongs to what is above it, and at the top to the file. Nothing but order and blanks changes.

use toml_parser::lexer::TokenKind;

use super::lines::Lines;
use super::tokens::Tokens;
use super::value::{self, Value};

/// Sections in the order in which they are read: the process, what it tells, TLS, then the way of a
/// request, then what moves and what is shared. What is not listed comes last.
pub const ORDER: &[&str] = &[
    "include",
    "runtime",
    "admin",
    "metrics",
    "log",
    "access_log",
    "tracing",
    "cache",
    "acme",
    "certificates",
    "listeners",
    "routes",
    "policies",
    "pools",
    "discovery",
    "releases",
    "defaults",
    "tests",
];

/// The same configuration, laid out. The text must be TOML.
pub fn layout(text: &str) -> String {
    let mut document = read(text.trim_start_matches('\u{feff}'));
    document.order();
    let mut lines = Lines::default();
    for item in &document.head {
        item.write(&mut lines);
    }
    for entry in &document.root {
        for item in entry {
            item.write(&mut lines);
        }
    }
    for section in &document.sections {
        lines.blank();
        let mut below_header = false;
        for item in &section.items {
            if !(below_header && matches!(item, Item::Blank)) {
                item.write(&mut lines);
                below_header = matches!(item, Item::Header { .. });
            }
        }
    }
    if !document.tail.is_empty() {
        lines.blank();
    }
    for item in &document.tail {
        item.write(&mut lines);
    }
    lines.finish()
}

/// What stands on lines of its own.
enum Item {
    Blank,
    Comment { text: String, indented: bool },
    Header { text: String, comment: Option<String> },
    Entry { key: Vec<String>, value: Value, comment: Option<String> },
}

/// A header with all up to the next, and the comments above it.
struct Section {
    path: Vec<String>,
    of_a_list: bool,
    items: Vec<Item>,
}

#[derive(Default)]
struct Document {
    /// What is said before anything else.
    head: Vec<Item>,
    /// The keys above the first header, each with its comments.
    root: Vec<Vec<Item>>,
    sections: Vec<Section>,
    /// What is said after everything else.
    tail: Vec<Item>,
}

fn read(text: &str) -> Document {
    let mut tokens = Tokens::new(text);
    let mut document = Document::default();
    // Comments and blanks since the last entry or header.
    let mut loose: Vec<Item> = Vec::new();
    loop {
        match tokens.kind() {
            TokenKind::Eof => break,
            TokenKind::Newline => {
                tokens.take();
                loose.push(Item::Blank);
            }
            TokenKind::Comment => {
                let indented = tokens.is_indented();
                let text = tokens.take().to_owned();
                end_of_line(&mut tokens);
                loose.push(Item::Comment { text, indented });
            }
            TokenKind::LeftSquareBracket => {
                let section = header(&mut tokens);
                let mut items = document.settle(std::mem::take(&mut loose));
                items.extend(section.items);
                document.sections.push(Section { items, ..section });
            }
            _ => {
                let mut above = Vec::new();
                let entry = entry(&mut tokens, &mut above);
                let hoisted = above.into_iter();
                loose.extend(hoisted.map(|text| Item::Comment { text, indented: false }));
                match document.sections.last_mut() {
                    Some(section) => {
                        section.items.append(&mut loose);
                        section.items.push(entry);
                    }
                    None => {
                        let mut items = document.settle(std::mem::take(&mut loose));
                        items.push(entry);
                        document.root.push(items);
                    }
                }
            }
        }
    }
    let is_blank = |item: &Item| matches!(item, Item::Blank);
    loose.truncate(loose.iter().rposition(|item| !is_blank(item)).map_or(0, |at| at + 1));
    if !loose.iter().any(is_blank) {
        // Said right below the last line: there it stays.
        loose.push(Item::Blank);
    }
    document.tail = document.settle(loose);
    document
}

/// `[a.b]` or `[[a.b]]`, and the comment behind it.
fn header(tokens: &mut Tokens<'_>) -> Section {
    tokens.take();
    let of_a_list = tokens.kind() == TokenKind::LeftSquareBracket;
    if of_a_list {
        tokens.take();
    }
    let path = tokens.key(TokenKind::RightSquareBracket);
    if of_a_list {
        tokens.take();
    }
    let key = path.join(".");
    let text = if of_a_list { format!("[[{key}]]") } else { format!("[{key}]") };
    let items = vec![Item::Header { text, comment: end_of_line(tokens) }];
    let path = path.iter().map(|part| part.trim_matches(['"', '\'']).to_owned()).collect();
    Section { path, of_a_list, items }
}

fn entry(tokens: &mut Tokens<'_>, above: &mut Vec<String>) -> Item {
    let key = tokens.key(TokenKind::Equals);
    let value = value::read(tokens, above);
    Item::Entry { key, value, comment: end_of_line(tokens) }
}

/// The comment at the end of a line, which is passed.
fn end_of_line(tokens: &mut Tokens<'_>) -> Option<String> {
    let comment = (tokens.kind() == TokenKind::Comment).then(|| tokens.take().to_owned());
    if tokens.kind() == TokenKind::Newline {
        tokens.take();
    }
    comment
}

impl Document {
    /// Gives comments to what they belong to; returns those of what comes next.
    fn settle(&mut self, mut loose: Vec<Item>) -> Vec<Item> {
        let first = self.root.is_empty() && self.sections.is_empty();
        // The last paragraph is about what follows, and so is a blank line alone.
        let mut split = loose.iter().rposition(|item| matches!(item, Item::Blank)).unwrap_or(0);
        if first {
            // A line for editors stays on top of the file.
            let for_editors =
                |item: &Item| matches!(item, Item::Comment { text, .. } if text.starts_with("#:"));
            split = split.max(loose.iter().rposition(for_editors).map_or(0, |at| at + 1));
        } else if split == 0 {
            // What goes on with the remark above belongs there.
            let goes_on = |item: &&Item| matches!(item, Item::Comment { indented: true, .. });
            split = loose.iter().take_while(goes_on).count();
        }
        let next = loose.split_off(split);
        let before = self.sections.last_mut().map(|section| &mut section.items);
        before.or_else(|| self.root.last_mut()).unwrap_or(&mut self.head).extend(loose);
        next
    }

    /// Puts sections in reading order; those of one name stay together, and its own table comes first.
    fn order(&mut self) {
        self.root.sort_by_key(|items| items.iter().find_map(Item::key).map_or(ORDER.len(), rank));
        let names: Vec<_> = self.sections.iter().map(|section| self.name(&section.path)).collect();
        let place = |name: &&[String]| names.iter().position(|other| other == name);
        let places: Vec<_> = names.iter().map(place).collect();
        let lists: Vec<bool> = places
            .iter()
            .map(|place| {
                let mut same =
                    self.sections.iter().zip(&places).filter(|(_, other)| *other == place);
                same.any(|(section, _)| section.of_a_list)
            })
            .collect();
        let keys: Vec<_> = self
            .sections
            .iter()
            .enumerate()
            .map(|(at, section)| {
                let rank = section.path.first().map_or(ORDER.len(), |name| rank(name));
                // Whose table of a list something belongs to is a matter of order.
                (rank, places[at], !lists[at] && section.path.len() > 2, at)
            })
            .collect();
        let mut sections: Vec<_> = self.sections.drain(..).zip(keys).collect();
        sections.sort_by_key(|(_, key)| *key);
        self.sections.extend(sections.into_iter().map(|(section, _)| section));
    }
}

impl Document {
    /// What is kept together: a thing with a name, or a list of tables with all that is in them.
    fn name<'a>(&self, path: &'a [String]) -> &'a [String] {
        let is_list = |one: &&Section| one.of_a_list && one.path.len() == 1;
        let mut lists = self.sections.iter().filter(is_list);
        let length = if lists.any(|list| path.first() == list.path.first()) { 1 } else { 2 };
        path.get(..length).unwrap_or(path)
    }
}

fn rank(name: &str) -> usize {
    ORDER.iter().position(|one| *one == name).unwrap_or(ORDER.len())
}

impl Item {
    /// The first part of an entry's key.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Entry { key, .. } => key.first().map(|key| key.trim_matches(['"', '\''])),
            _ => None,
        }
    }

    fn write(&self, lines: &mut Lines) {
        match self {
            Self::Blank => lines.blank(),
            Self::Comment { text, indented } => lines.comment(text, *indented, 0),
            Self::Header { text, comment } => {
                lines.begin(0);
                lines.add(text);
                comment.iter().for_each(|comment| lines.remark(comment));
            }
            Self::Entry { key, value, comment } => {
                lines.begin(0);
                lines.add(&format!("{} = ", key.join(".")));
                value.write(lines, 0, 0);
                comment.iter().for_each(|comment| lines.remark(comment));
            }
        }
    }
}
