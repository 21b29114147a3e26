//! `weir explain WORD`: the page of a code, or of a word that the configuration takes.
//!
//! Called by a person who has read a report. The pages are `diagnostic::CODES`; the words come as a
//! table from whoever offers them. It reads no file.

use super::{Exit, say, tell};
use crate::balance;
use crate::diagnostic::{CODES, Page, nearest};
use crate::proxy::error::TABLE;

/// Prints what `word` means: a code, a balancing algorithm, or a reason of metrics and logs.
pub fn explain(word: &str) -> Exit {
    let words = words();
    let same = |one: &str| one.eq_ignore_ascii_case(word);
    if let Some(page) = CODES.iter().find(|page| same(page.code.as_str())) {
        say(&told(page));
        return Exit::Ok;
    }
    if let Some((word, about)) = words.iter().find(|(one, _)| same(one)) {
        say(&format!("{word}\n\n{}\n", about.trim_end()));
        return Exit::Ok;
    }
    let known = CODES.iter().map(|page| page.code.as_str()).chain(words.iter().map(|row| row.0));
    match nearest(word, known) {
        Some(near) => tell(&format!("nothing to explain about `{word}`: did you mean `{near}`?\n")),
        None => tell(&format!(
            "nothing to explain about `{word}`: give a code of a report, such as E0201, \
             or a balancing word\n"
        )),
    }
    Exit::Usage
}

/// Words that are not codes, each with what it means.
fn words() -> Vec<(&'static str, String)> {
    let balance = balance::KINDS.iter().map(|kind| {
        (kind.name, format!("{}\n\n    [pools.app]\n    {}", kind.about, kind.example))
    });
    let reasons = TABLE.iter().map(|row| {
        let seen = match row.status {
            0 => String::from("the connection is closed"),
            status => format!("the client gets {status}"),
        };
        let about = row.about.trim_start_matches("weir: ").trim_end();
        (
            row.reason,
            format!(
                "A reason in the access log and in weir_http_refused_total: {seen}.\n{about}\n{}",
                row.advice
            ),
        )
    });
    balance.chain(reasons).collect()
}

/// A page as it is printed, 80 wide.
fn told(page: &Page) -> String {
    let mut text = format!("{}: {}\n\n", page.code, page.title);
    let mut width = 0;
    for word in page.cause.split_whitespace() {
        if width + word.len() >= 80 {
            text.push('\n');
            width = 0;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += word.chars().count();
    }
    for (title, example) in [("wrong", page.broken), ("right", page.fixed)] {
        text.push_str("\n\n");
        text.push_str(title);
        text.push('\n');
        for line in example.lines() {
            text.push_str(if line.is_empty() { "\n" } else { "\n    " });
            text.push_str(line);
        }
    }
    text.push('\n');
    text
}
