//! One event as one line, in text or in JSON. What it tells may have come from the network: nothing in it can end
//! the line, or move a terminal's cursor.

use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::{Log, Message};

/// Form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text { colours: bool },
    /// One object.
    Json,
}

/// Takes what `tracing` is told. There are no spans.
pub struct Events(pub &'static Log);

impl Subscriber for Events {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.obeyed.load().filter.most())
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.0.obeyed.load().filter.takes(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let line = line(event, self.0.obeyed.load().form, SystemTime::now());
        let _ = self.0.sender.try_send(Message::Line(line.into_bytes()));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn line(event: &Event<'_>, form: Form, now: SystemTime) -> String {
    let mut told = Told { message: String::new(), fields: String::new(), form };
    event.record(&mut told);
    let time = humantime::format_rfc3339_micros(now);
    let level = *event.metadata().level();
    let Told { message, fields, .. } = told;
    match form {
        Form::Text { colours } => {
            let (dim, colour, end) =
                if colours { ("\u{1b}[2m", hue(level), "\u{1b}[0m") } else { ("", "", "") };
            format!("{dim}{time}{end} {colour}{level:>5}{end} {message}{fields}\n")
        }
        Form::Json => {
            let level = level.as_str().to_ascii_lowercase();
            let target = event.metadata().target();
            let module = target.strip_prefix("weir::").unwrap_or(target).replace("::", ".");
            format!(
                "{{\"@timestamp\":\"{time}\",\"log.level\":\"{level}\",\"log.logger\":\"{module}\",\
                 \"event.dataset\":\"weir.log\",\"service.name\":\"weir\",\"message\":\"{message}\"{fields}}}\n"
            )
        }
    }
}

const fn hue(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[34m",
    }
}

/// What an event tells, as it will be written.
struct Told {
    message: String,
    fields: String,
    form: Form,
}

impl Told {
    /// A number, or a word that needs no quotes.
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        // A string takes all that is written.
        let _ = match self.form {
            Form::Text { .. } => write!(self.fields, " {}={value}", field.name()),
            Form::Json => write!(self.fields, ",\"{}\":{value}", field.name()),
        };
    }

    fn text(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            return escape(text, self.form, &mut self.message);
        }
        let mut quoted = String::from("\"");
        escape(text, Form::Json, &mut quoted);
        quoted.push('"');
        let bare = self.form != Form::Json
            && quoted.len() == text.len() + 2
            && !text.is_empty()
            && !text.contains([' ', '=']);
        if bare { self.plain(field, text) } else { self.plain(field, quoted) }
    }
}

/// Adds a text without control characters. In text for people, a line that goes on is indented: it cannot be taken for
/// another one.
fn escape(text: &str, form: Form, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' if form != Form::Json => out.push_str("\n  "),
            '"' | '\\' if form == Form::Json => out.extend(['\\', c]),
            // None of them is above U+009F.
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use parking_lot::Mutex;

    use super::*;

    /// Collects lines in one form.
    struct Collect(Form, Mutex<mpsc::Sender<String>>);

    impl Subscriber for Collect {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn event(&self, event: &Event<'_>) {
            let line = line(event, self.0, SystemTime::UNIX_EPOCH);
            let _ = self.1.lock().send(line);
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    fn told(form: Form, tell: impl FnOnce()) -> String {
        let (sender, receiver) = mpsc::channel();
        let collect = Arc::new(Collect(form, Mutex::new(sender)));
        tracing::subscriber::with_default(collect, tell);
        receiver.recv().unwrap()
    }

    #[test]
    fn what_came_from_the_network_cannot_end_a_line_or_look_like_another() {
        let evil = "a\n1970-01-01T00:00:00Z  INFO \u{1b}[2Jgood\u{85}\"\\";
        let tell = || tracing::warn!(pool = evil, count = 3, on = true, "it says {evil}");
        let text = told(Form::Text { colours: false }, tell);
        assert!(text.starts_with("1970-01-01T00:00:00.000000Z  WARN it says a\n  1970"), "{text}");
        assert!(text.ends_with(" count=3 on=true\n"), "{text}");
        assert_eq!(text.matches('\n').count(), 2, "the message's own, indented, and the end");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{85}'), "{text}");
        let json = told(Form::Json, tell);
        assert!(!json[..json.len() - 1].chars().any(char::is_control), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["pool"], evil);
        assert_eq!(read["message"], format!("it says {evil}"));
        assert_eq!((&read["count"], &read["log.level"]), (&3.into(), &"warn".into()));
        assert_eq!(read["log.logger"], "telemetry.log.event.tests");
    }

    #[test]
    fn words_stand_bare_and_texts_in_quotes() {
        let tell = || tracing::info!(pool = "app", error = "it is so", "{}", "said");
        let text = told(Form::Text { colours: true }, tell);
        let (_, rest) = text.split_once("said").unwrap();
        assert_eq!(rest, " pool=app error=\"it is so\"\n");
    }
}
