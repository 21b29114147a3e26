//! Values: read from tokens, and written anew.
//!
//! What is written is TOML 1.0: an inline table is one line, whose comments go to the line above; the
//! escapes of TOML 1.1 become those of 1.0. Numbers, words and the quotes of a text stay as they are.

use toml_parser::lexer::TokenKind;

use super::lines::Lines;
use super::tokens::Tokens;

/// A value.
pub enum Value {
    /// As it is written.
    Scalar(String),
    /// `[ … ]`
    Array(Array),
    /// `{ key = value, … }`
    Table(Vec<(String, Self)>),
}

/// A list. One that is written over several lines stays so.
#[derive(Default)]
pub struct Array {
    elements: Vec<Element>,
    tail: Vec<Above>,
    tall: bool,
}

struct Element {
    above: Vec<Above>,
    value: Value,
    comment: Option<String>,
}

/// What stands on a line of its own within a list.
enum Above {
    Blank,
    Comment(String),
}

/// Reads a value; comments within an inline table go to `above`.
pub fn read(tokens: &mut Tokens<'_>, above: &mut Vec<String>) -> Value {
    match tokens.kind() {
        TokenKind::LeftSquareBracket => Value::Array(array(tokens)),
        TokenKind::LeftCurlyBracket => Value::Table(table(tokens, above)),
        TokenKind::BasicString | TokenKind::MlBasicString => {
            Value::Scalar(older_escapes(tokens.take()))
        }
        _ => Value::Scalar(tokens.scalar()),
    }
}

fn array(tokens: &mut Tokens<'_>) -> Array {
    tokens.take();
    let mut array = Array::default();
    let mut above = Vec::new();
    // Whether an element ends on this line, and how many lines have ended since.
    let mut behind = false;
    let mut newlines = 0;
    loop {
        match tokens.kind() {
            TokenKind::RightSquareBracket | TokenKind::Eof => break,
            TokenKind::Newline => {
                (array.tall, behind) = (true, false);
                newlines += 1;
                if newlines == 2 {
                    above.push(Above::Blank);
                }
                tokens.take();
            }
            TokenKind::Comma => {
                tokens.take();
            }
            TokenKind::Comment => {
                let comment = tokens.take().trim_end().to_owned();
                newlines = 0;
                match array.elements.last_mut() {
                    Some(last) if behind && last.comment.is_none() => last.comment = Some(comment),
                    _ => above.push(Above::Comment(comment)),
                }
            }
            _ => {
                let mut hoisted = Vec::new();
                let value = read(tokens, &mut hoisted);
                above.extend(hoisted.into_iter().map(Above::Comment));
                array.tall |= value.is_tall() || !above.is_empty();
                let above = std::mem::take(&mut above);
                array.elements.push(Element { above, value, comment: None });
                (behind, newlines) = (true, 0);
            }
        }
    }
    tokens.take();
    array.tail = above;
    array
}

fn table(tokens: &mut Tokens<'_>, above: &mut Vec<String>) -> Vec<(String, Value)> {
    tokens.take();
    let mut entries = Vec::new();
    loop {
        match tokens.kind() {
            TokenKind::RightCurlyBracket | TokenKind::Eof => break,
            TokenKind::Comment => above.push(tokens.take().to_owned()),
            TokenKind::Newline | TokenKind::Comma => {
                tokens.take();
            }
            _ => {
                let key = tokens.key(TokenKind::Equals).join(".");
                entries.push((key, read(tokens, above)));
            }
        }
    }
    tokens.take();
    entries
}

impl Value {
    /// Whether it needs several lines.
    fn is_tall(&self) -> bool {
        match self {
            Self::Scalar(text) => text.contains('\n'),
            Self::Array(array) => array.tall && !array.is_empty(),
            Self::Table(entries) => entries.iter().any(|(_, value)| value.is_tall()),
        }
    }

    /// On one line.
    fn short(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(array) => {
                let elements = array.elements.iter().map(|element| element.value.short());
                format!("[{}]", elements.collect::<Vec<_>>().join(", "))
            }
            Self::Table(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Table(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| format!("{key} = {}", value.short()));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Adds it to the last line, and as many as it needs; `room` is what follows it on its line.
    pub fn write(&self, lines: &mut Lines, indent: usize, room: usize) {
        let short = self.short();
        let fits = lines.width() + short.chars().count() + room <= WIDTH;
        match self {
            Self::Array(array) if !array.is_empty() && (self.is_tall() || !fits) => {
                array.write(lines, indent);
            }
            Self::Table(entries) if self.is_tall() => {
                lines.add("{ ");
                for (at, (key, value)) in entries.iter().enumerate() {
                    lines.add(&format!("{}{key} = ", if at == 0 { "" } else { ", " }));
                    value.write(lines, indent, 2);
                }
                lines.add(" }");
            }
            _ => lines.add(&short),
        }
    }
}

impl Array {
    fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.tail.iter().all(|above| matches!(above, Above::Blank))
    }

    /// One element per line.
    fn write(&self, lines: &mut Lines, indent: usize) {
        lines.add("[");
        for (at, element) in self.elements.iter().enumerate() {
            write_above(&element.above, at == 0, lines, indent + 2);
            lines.begin(indent + 2);
            element.value.write(lines, indent + 2, 1);
            lines.add(",");
            if let Some(comment) = &element.comment {
                lines.remark(comment);
            }
        }
        let last = self.tail.iter().rposition(|above| matches!(above, Above::Comment(_)));
        let tail = &self.tail[..last.map_or(0, |last| last + 1)];
        write_above(tail, self.elements.is_empty(), lines, indent + 2);
        lines.begin(indent);
        lines.add("]");
    }
}

fn write_above(above: &[Above], first: bool, lines: &mut Lines, indent: usize) {
    for (at, above) in above.iter().enumerate() {
        match above {
            Above::Blank if first && at == 0 => {}
            Above::Blank => lines.blank(),
            Above::Comment(comment) => lines.comment(comment, false, indent),
        }
    }
}

/// `\e` and `\x41` are of TOML 1.1.
fn older_escapes(text: &str) -> String {
    let mut older = String::with_capacity(text.len());
    let mut left = text.chars();
    while let Some(c) = left.next() {
        older.push(c);
        if c != '\\' {
            continue;
        }
        match left.next() {
            Some('e') => older.push_str("u001B"),
            Some('x') => older.push_str("u00"),
            Some(other) => older.push(other),
            None => {}
        }
    }
    older
}

/// A list that makes its line wider is written over several.
const WIDTH: usize = 100;
