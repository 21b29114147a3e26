//! What a worker obeys when it writes lines: `[access_log]`, made ready. Swapped by a reload.

use std::time::Duration;

use super::{Config, Format, Record, Recorded};
use crate::message::head::{Head, Known};
use crate::telemetry::output::Output;
use crate::unit::Percent;

/// `[access_log]`, made ready.
pub struct Settings {
    /// Anybody wants lines.
    pub is_on: bool,
    /// Form of a line.
    pub format: Format,
    /// Request headers that are recorded.
    pub request: Vec<Header>,
    /// Response headers that are recorded.
    pub response: Vec<Header>,
    /// Parameters of a query whose values are not.
    pub redact: Vec<Box<[u8]>>,
    /// So many bytes are handed over at once.
    pub buffer: usize,
    /// … or what there is after this time.
    pub flush: Duration,
    sample: Percent,
    sample_errors: Percent,
    slow: Duration,
}

/// A header that is recorded.
pub struct Header {
    /// What weir knows its name as.
    pub known: Known,
    /// Its value is a URL, whose query may hold secrets.
    pub is_url: bool,
    /// What stands before its value in JSON.
    pub json: String,
    /// … and in logfmt.
    pub logfmt: String,
    name: String,
}

impl Settings {
    /// What the section says.
    pub fn new(config: &Config) -> Self {
        // A name that is said twice is one field: no object of JSON has two of a name.
        let headers = |names: &[Recorded], prefix| {
            let each = names.iter().enumerate();
            let first = each.filter(|(at, name)| !names[..*at].contains(name));
            first.map(|(_, name)| Header::new(name.as_str(), prefix)).collect()
        };
        let redact = config.redact_query.iter().map(|name| name.as_bytes().into());
        Self {
            is_on: config.output != Output::Off,
            format: config.format,
            request: headers(&config.request_headers, "http.request.header."),
            response: headers(&config.response_headers, "http.response.header."),
            redact: redact.collect(),
            buffer: config.buffer.bytes(),
            flush: config.flush.get(),
            sample: config.sample,
            sample_errors: config.sample_errors,
            slow: config.slow.get(),
        }
    }

    /// Whether a request is written; `random` is drawn below ten thousand, and only if need be.
    pub fn takes(&self, record: &Record<'_>, random: impl FnOnce() -> u16) -> bool {
        let failed = record.status >= 500 || !(record.result == "ok" || record.result == "refused");
        let sample = match record.rule.sample {
            _ if failed => self.sample_errors,
            Some(own) => own,
            None => self.sample,
        };
        sample == ALL
            || record.took > record.rule.slow.unwrap_or(self.slow)
            || !sample.is_zero() && random() < sample.hundredths()
    }
}

const ALL: Percent = Percent::new(100);

impl Header {
    fn new(name: &str, prefix: &str) -> Self {
        let field = match name {
            "user-agent" if prefix.contains("request") => String::from("user_agent.original"),
            name => format!("{prefix}{name}"),
        };
        Self {
            known: Known::from_name(name.as_bytes()),
            is_url: matches!(name, "referer" | "location" | "content-location"),
            json: format!(",\"{field}\":"),
            logfmt: format!(" {field}="),
            name: name.to_owned(),
        }
    }

    /// Its value: of the first field of this name, as it came.
    pub fn value<'a>(&self, head: &'a Head) -> Option<&'a [u8]> {
        let is_it = |known, name| match self.known {
            Known::Other => {
                known == Known::Other && head.slice(name).eq_ignore_ascii_case(self.name.as_bytes())
            }
            mine => known == mine,
        };
        let field = head.fields.iter().find(|field| is_it(field.known, field.name))?;
        Some(head.slice(field.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::access_log::Rule;

    #[test]
    fn a_sample_of_what_is_well_all_failures_and_all_that_is_slow() {
        let config: Config = toml::from_str("sample = \"10%\"\nslow = \"1s\"").unwrap();
        let settings = Settings::new(&config);
        let takes = |record: &Record<'_>, random| settings.takes(record, || random);
        let ok = Record { status: 200, ..Record::default() };
        assert!(takes(&ok, 999) && !takes(&ok, 1000));
        let slow = Record { took: Duration::from_millis(1001), ..ok };
        assert!(takes(&slow, 9999));
        for failed in [Record { status: 500, ..ok }, Record { result: "timeout", ..ok }] {
            assert!(takes(&failed, 9999), "failures have a sample of their own");
        }
        assert!(!takes(&Record { status: 404, result: "refused", ..ok }, 9999));
        let rule = Rule { sample: Some("0%".parse().unwrap()), slow: Some(Duration::MAX) };
        assert!(!takes(&Record { rule, ..slow }, 0), "a route may say otherwise");
    }
}
