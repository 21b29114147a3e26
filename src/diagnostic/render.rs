//! Diagnostics as text: file, line, caret, suggestion, and a last line that says how to go on.
//!
//! Called by the commands for a terminal and by a reload for the log. The form is rustc's, drawn by
//! annotate-snippets. It reads no file: the text of every source is in the report.

use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{At, Diagnostic};

/// How many diagnostics are shown: nobody mends more at once.
const MOST: usize = 20;

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// What the user calls it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Whether the report may have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only: logs, pipes, tests.
    Plain,
    /// For a terminal.
    Colour,
}

/// All that is wrong with a configuration, or worth a warning.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) sources: Vec<Source>,
    pub(super) found: Vec<Diagnostic>,
}

impl Report {
    /// A report; its diagnostics are put in the order of their places.
    pub fn new(sources: Vec<Source>, mut found: Vec<Diagnostic>) -> Self {
        found.sort_by(|a, b| (&a.at, a.code).cmp(&(&b.at, b.code)));
        Self { sources, found }
    }

    /// The diagnostics, in the order of their places.
    pub fn found(&self) -> &[Diagnostic] {
        &self.found
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Every diagnostic with its lines of the file, without a last line.
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colour => Renderer::styled(),
        };
        let mut text = String::new();
        for diagnostic in self.shown() {
            text.push_str(renderer.render(&[self.group(diagnostic)]).trim_end());
            text.push_str("\n\n");
        }
        if self.found.len() > MOST {
            text.push_str(&format!("and {} more\n\n", self.found.len() - MOST));
        }
        text
    }

    /// Those that are shown: errors before warnings, if there are too many, else all in the order of their places.
    fn shown(&self) -> Vec<&Diagnostic> {
        let mut shown: Vec<(usize, &Diagnostic)> = self.found.iter().enumerate().collect();
        shown
            .sort_by_key(|(place, one)| (self.found.len() > MOST && one.code.is_warning(), *place));
        shown.truncate(MOST);
        shown.into_iter().map(|(_, one)| one).collect()
    }

    /// The last line: how many there are, and what to do next. Empty without diagnostics.
    pub fn summary(&self) -> String {
        let warnings = self.found.iter().filter(|found| found.code.is_warning()).count();
        let errors = self.found.len() - warnings;
        let Some(first) = self.found.iter().find(|one| errors == 0 || !one.code.is_warning())
        else {
            return String::new();
        };
        let name = self.place();
        let mut counts = Vec::new();
        if errors > 0 {
            counts.push(plural(errors, "error"));
        }
        if warnings > 0 {
            counts.push(plural(warnings, "warning"));
        }
        let mut line = format!("{} in {name}", counts.join(" and "));
        if errors > 0 {
            line.push_str("; nothing was changed");
        }
        format!("{line}            explain one: weir explain {}", first.code)
    }

    /// What the diagnostics are in: a file, or several.
    fn place(&self) -> String {
        let places = self.found.iter().filter_map(|one| Some(one.at.as_ref()?.file));
        let files: BTreeSet<usize> = places.collect();
        let first = files.first().copied().unwrap_or_default();
        match self.sources.get(first) {
            _ if files.len() > 1 => format!("{} files", files.len()),
            Some(source) => source.name.clone(),
            None => "the configuration".to_owned(),
        }
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = if diagnostic.code.is_warning() { Level::WARNING } else { Level::ERROR };
        let title = level.primary_title(&diagnostic.problem).id(diagnostic.code.as_str());
        let mut group = Group::with_title(title);
        let place = diagnostic.at.as_ref().and_then(|at| Some((at, self.sources.get(at.file)?)));
        if let Some((at, source)) = place {
            let mut snippet = Snippet::source(&source.text).path(&source.name).annotation(
                AnnotationKind::Primary
                    .span(on_characters(&source.text, at))
                    .label(Some(&*diagnostic.label).filter(|label| !label.is_empty())),
            );
            if let Some(header) = header_above(&source.text, at.start) {
                snippet = snippet.annotation(AnnotationKind::Visible.span(header));
            }
            for (other, label) in diagnostic.also.iter().filter(|(also, _)| also.file == at.file) {
                let span = on_characters(&source.text, other);
                snippet = snippet.annotation(AnnotationKind::Context.span(span).label(&**label));
            }
            group = group.element(snippet);
            for (other, label) in diagnostic.also.iter().filter(|(also, _)| also.file != at.file) {
                group = group.elements(self.elsewhere(other, label));
            }
        }
        for note in &diagnostic.notes {
            group = group.element(Level::NOTE.message(note));
        }
        match &diagnostic.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        }
    }
}

impl Report {
    /// A place in another file than the diagnostic's.
    fn elsewhere<'a>(
        &'a self,
        at: &At,
        label: &'a str,
    ) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let source = self.sources.get(at.file)?;
        let span = on_characters(&source.text, at);
        let annotation = AnnotationKind::Context.span(span).label(label);
        Some(Snippet::source(&source.text).path(&source.name).annotation(annotation))
    }
}

/// "1 error", "6 errors".
fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The span of a place, moved to where characters begin and not behind the end of the text.
fn on_characters(text: &str, at: &At) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(at.start.min(text.len()));
    let end = text.ceil_char_boundary(at.end.min(text.len())).max(start);
    start..end
}

/// The `[header]` line that `offset` stands under, if it stands under one and is not on it.
fn header_above(text: &str, offset: usize) -> Option<std::ops::Range<usize>> {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let line = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    if text[line..].trim_start().starts_with('[') {
        return None;
    }
    let mut end = line;
    for above in text[..line].split_inclusive('\n').rev() {
        let start = end - above.len();
        // A line of a list may begin with a bracket too, but it has a quote or a comma.
        if above.trim_start().starts_with('[') && !above.contains(['"', '\'', ',']) {
            return Some(start..start + above.trim_end().len());
        }
        end = start;
    }
    None
}
