//! Reports for programs: JSON, and the annotations of GitHub's checks.
//!
//! Called by `weir check`. They tell of everything, not only of what a person would read at once.

use serde_json::{Value, json};

use super::{At, Diagnostic, Report};

/// A place as editors count it: lines and characters from 1.
struct Spot<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Report {
    /// What is wrong with the configuration of this name, as one object.
    pub fn json(&self, name: &str, valid: bool) -> Value {
        let warnings = self.found().iter().filter(|one| one.code.is_warning()).count();
        let found: Vec<Value> = self.found().iter().map(|one| self.object(one)).collect();
        json!({
            "schema": 1,
            "configuration": name,
            "valid": valid,
            "errors": found.len() - warnings,
            "warnings": warnings,
            "diagnostics": found,
        })
    }

    fn object(&self, one: &Diagnostic) -> Value {
        let also = one.also.iter().filter_map(|(at, label)| {
            let spot = self.spot(at)?;
            Some(json!({ "file": spot.file, "line": spot.line, "column": spot.column, "label": label }))
        });
        let mut object = json!({
            "code": one.code.as_str(),
            "level": level(one),
            "message": one.problem,
            "label": one.label,
            "notes": one.notes,
            "help": one.help,
            "also": also.collect::<Vec<_>>(),
        });
        if let Some(spot) = one.at.as_ref().and_then(|at| self.spot(at)) {
            object["file"] = spot.file.into();
            object["line"] = spot.line.into();
            object["column"] = spot.column.into();
            object["end_line"] = spot.end_line.into();
            object["end_column"] = spot.end_column.into();
        }
        object
    }

    /// What is wrong, one command for GitHub's checks per line.
    pub fn github(&self) -> String {
        let mut text = String::new();
        for one in self.found() {
            let spot = one.at.as_ref().and_then(|at| self.spot(at));
            // What the command line says is in no file.
            let place = spot.filter(|spot| !spot.file.starts_with("--")).map(|spot| {
                let file = escaped(spot.file).replace(':', "%3A").replace(',', "%2C");
                format!(
                    "file={file},line={},col={},endLine={},endColumn={},",
                    spot.line, spot.column, spot.end_line, spot.end_column
                )
            });
            let (level, place) = (level(one), place.unwrap_or_default());
            let message = escaped(&one.problem);
            text.push_str(&format!("::{level} {place}title={}::{message}\n", one.code));
        }
        text
    }

    fn spot(&self, at: &At) -> Option<Spot<'_>> {
        let source = self.sources.get(at.file)?;
        let place = |offset: usize| {
            let before = &source.text[..source.text.floor_char_boundary(offset)];
            let line = before.rfind('\n').map_or(0, |newline| newline + 1);
            (1 + before.matches('\n').count(), 1 + before[line..].chars().count())
        };
        let ((line, column), (end_line, end_column)) = (place(at.start), place(at.end));
        Some(Spot { file: &source.name, line, column, end_line, end_column })
    }
}

fn level(one: &Diagnostic) -> &'static str {
    if one.code.is_warning() { "warning" } else { "error" }
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
