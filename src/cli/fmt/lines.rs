//! Lines on their way out: text, and the comment behind it.
//!
//! Comments behind the lines of one paragraph begin in one column. A comment line that continues the one above
//! it stands in that column too.

/// The lines of a document, the last one open.
#[derive(Default)]
pub struct Lines {
    lines: Vec<Line>,
}

#[derive(Default)]
struct Line {
    text: String,
    comment: Option<String>,
}

impl Lines {
    /// Begins a line.
    pub fn begin(&mut self, indent: usize) {
        self.lines.push(Line { text: " ".repeat(indent), comment: None });
    }

    /// A blank line, unless there is one, or nothing above it.
    pub fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_blank()) {
            self.lines.push(Line::default());
        }
    }

    /// Adds to the last line.
    pub fn add(&mut self, text: &str) {
        match self.lines.last_mut() {
            Some(line) => line.text.push_str(text),
            None => self.lines.push(Line { text: text.to_owned(), comment: None }),
        }
    }

    /// A comment behind the last line.
    pub fn remark(&mut self, comment: &str) {
        if let Some(line) = self.lines.last_mut() {
            line.comment = Some(comment.trim_end().to_owned());
        }
    }

    /// A comment on a line of its own. An indented one below a remark goes on with it.
    pub fn comment(&mut self, comment: &str, indented: bool, indent: usize) {
        let below = self.lines.last().is_some_and(|line| line.comment.is_some());
        self.begin(if indented && below { 0 } else { indent });
        if indented && below {
            self.remark(comment);
        } else {
            self.add(comment.trim_end());
        }
    }

    /// How wide the last line is.
    pub fn width(&self) -> usize {
        self.lines.last().map_or(0, Line::width)
    }

    /// The text, each line ended.
    pub fn finish(self) -> String {
        let mut text = String::new();
        for paragraph in self.lines.chunk_by(|a, b| !a.is_blank() && !b.is_blank()) {
            let with_comments = paragraph.iter().filter(|line| line.comment.is_some());
            let widths = with_comments.map(Line::width).filter(|width| *width <= WIDEST);
            let column = widths.max().unwrap_or_default();
            for line in paragraph {
                text.push_str(&line.text);
                if let Some(comment) = &line.comment {
                    let padding = column.saturating_sub(line.width()) + 2;
                    text.extend(std::iter::repeat_n(' ', padding));
                    text.push_str(comment);
                }
                text.push('\n');
            }
        }
        let end = text.trim_end_matches('\n').len();
        text.truncate(end);
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

impl Line {
    fn is_blank(&self) -> bool {
        self.text.is_empty() && self.comment.is_none()
    }

    /// In characters; of a text of several lines, the last one counts.
    fn width(&self) -> usize {
        self.text.rsplit('\n').next().unwrap_or_default().chars().count()
    }
}

/// A line that is wider moves no comment of its neighbours.
const WIDEST: usize = 50;
