//! The texts of a configuration, as one: each file, and each `--set`, has its own range of places.
//!
//! So a place is one number from the parser to the report, and says by itself which file it is in.

use std::ops::Range;

use crate::diagnostic::{At, Diagnostic, Source};

/// The texts that make one document, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    sources: Vec<Source>,
    /// Where the places of each begin.
    starts: Vec<usize>,
    /// Where each line of each ends.
    lines: Vec<Vec<usize>>,
}

impl Texts {
    /// Adds a text; where its places begin.
    pub fn add(&mut self, name: String, text: String) -> usize {
        let start = self.starts.last().zip(self.sources.last());
        let start = start.map_or(0, |(start, source)| start + source.text.len() + 1);
        self.lines.push(text.match_indices('\n').map(|(at, _)| at).collect());
        self.sources.push(Source { name, text });
        self.starts.push(start);
        start
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// What stands there.
    pub fn slice(&self, at: Range<usize>) -> &str {
        let Some((file, at)) = self.local(&at) else { return "" };
        self.sources[file].text.get(at).unwrap_or_default()
    }

    /// Makes what stands there unreadable, in its place: reports show the lines around a mistake.
    pub fn mask(&mut self, at: Range<usize>) {
        let Some((file, at)) = self.local(&at) else { return };
        let text = &mut self.sources[file].text;
        let Some(secret) = text.get(at.clone()) else { return };
        let hidden = |letter: char| match letter {
            '\n' | '\r' | '"' | '\'' => letter.to_string(),
            // As long, so that places stay what they are.
            _ => "*".repeat(letter.len_utf8()),
        };
        let masked: String = secret.chars().map(hidden).collect();
        text.replace_range(at, &masked);
    }

    /// Of each line of each text, what a look at it answers: `within` is remembered from line to line.
    pub fn lines(
        &self,
        look: impl Fn(&str, &mut bool) -> Option<Range<usize>>,
    ) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for (start, source) in self.starts.iter().zip(&self.sources) {
            let (mut at, mut within) = (*start, false);
            for line in source.text.split_inclusive('\n') {
                let part = look(line, &mut within);
                found.extend(part.map(|part| at + part.start..at + part.end));
                at += line.len();
            }
        }
        found
    }

    /// Which text has this place: its name.
    pub fn file(&self, place: usize) -> Option<&str> {
        let (file, _) = self.local(&(place..place))?;
        Some(&self.sources[file].name)
    }

    /// Which line of which text: "weir.toml:3".
    pub fn line(&self, place: usize) -> Option<String> {
        let (file, at) = self.local(&(place..place))?;
        let line = 1 + self.lines[file].partition_point(|end| *end < at.start);
        Some(format!("{}:{line}", self.sources[file].name))
    }

    /// The diagnostics with the file of each place, and the sources for a report.
    pub fn report(&self, mut found: Vec<Diagnostic>) -> (Vec<Source>, Vec<Diagnostic>) {
        for one in &mut found {
            let also = one.also.iter_mut().map(|(at, _)| at);
            for at in one.at.iter_mut().chain(also) {
                if let Some((file, span)) = self.local(&(at.start..at.end)) {
                    *at = At { file, start: span.start, end: span.end };
                }
            }
        }
        (self.sources.clone(), found)
    }

    fn local(&self, at: &Range<usize>) -> Option<(usize, Range<usize>)> {
        let file = self.starts.partition_point(|start| *start <= at.start).checked_sub(1)?;
        let start = self.starts[file];
        let length = self.sources[file].text.len();
        let within = |place: usize| place.saturating_sub(start).min(length);
        Some((file, within(at.start)..within(at.end)))
    }
}
