//! `[access_log]`: one line of JSON per request.
//!
//! A worker writes lines into a buffer of its own and hands full ones to one writer thread; when that
//! cannot keep up, buffers are dropped and counted rather than slowing traffic. Names are OpenTelemetry's
//! where it has one, ECS's where not, `weir.*` for ours. What clients sent is escaped; headers that may
//! hold secrets are never written.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::head::Version;

/// `[access_log]`: one line per request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the lines go: "stdout", "stderr" or "off".
    pub output: Output,
    /// Form of a line: "json".
    pub format: Format,
}

/// Where access-log lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    #[default]
    Stdout,
    Stderr,
    Off,
}

/// Form of an access-log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    #[default]
    Json,
}

/// What is told of one request. Empty fields are left out.
pub struct Record<'a> {
    pub listener: &'a str,
    pub route: &'a str,
    pub pool: &'a str,
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    /// With its `?`.
    pub query: &'a str,
    pub version: Version,
    /// 0: no answer was sent.
    pub status: u16,
    /// Bytes of the answer's body.
    pub sent: u64,
    pub peer: SocketAddr,
    pub endpoint: Option<SocketAddr>,
    pub attempts: u8,
    pub took: Duration,
    /// From the start to the head of the endpoint's answer.
    pub answered: Option<Duration>,
    pub result: &'static str,
    pub reason: &'static str,
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            listener: "",
            route: "",
            pool: "",
            method: "",
            host: "",
            path: "",
            query: "",
            version: Version::Http11,
            status: 0,
            sent: 0,
            peer: SocketAddr::from((IpAddr::from(Ipv4Addr::UNSPECIFIED), 0)),
            endpoint: None,
            attempts: 0,
            took: Duration::ZERO,
            answered: None,
            result: "ok",
            reason: "",
        }
    }
}

/// Turns the log on and off while it runs.
#[derive(Clone)]
pub struct Switch(Arc<AtomicU8>);

impl Switch {
    /// From now on, this holds.
    pub fn set(&self, config: &Config) {
        self.0.store(config.output as u8, Relaxed);
    }

    fn output(&self) -> Output {
        let all = [Output::Stdout, Output::Stderr, Output::Off];
        all[usize::from(self.0.load(Relaxed))]
    }
}

/// A worker's lines that are not with the writer yet.
pub struct Lines {
    switch: Switch,
    writer: SyncSender<Batch>,
    buffer: Vec<u8>,
    count: u64,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// Whether anybody wants lines.
    pub fn is_on(&self) -> bool {
        self.switch.output() != Output::Off
    }

    /// Writes a line.
    pub fn write(&mut self, record: &Record<'_>) {
        if !self.is_on() {
            return;
        }
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(FULL + 4096);
        }
        line(record, SystemTime::now(), &mut self.buffer);
        self.count += 1;
        if self.buffer.len() >= FULL {
            self.flush();
        }
    }

    /// Hands over what there is. Called at least once a second.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let full = std::mem::take(&mut self.buffer);
        let count = std::mem::take(&mut self.count);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.writer.try_send(Batch { lines: full, count })
        {
            self.dropped.fetch_add(count, Relaxed);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Where lines come together. `write_all` runs on a thread of its own until every `Lines` is dropped.
pub struct Writer {
    switch: Switch,
    lines: Receiver<Batch>,
    dropped: Arc<AtomicU64>,
}

/// Lines on their way to the writer.
struct Batch {
    lines: Vec<u8>,
    count: u64,
}

/// Makes the lines of each worker, their writer, and what turns them on and off.
pub fn open(
    config: &Config,
    workers: usize,
    dropped: &Arc<AtomicU64>,
) -> (Vec<Lines>, Writer, Switch) {
    let switch = Switch(Arc::new(AtomicU8::new(config.output as u8)));
    let (sender, receiver) = sync_channel(WAITING);
    let lines = (0..workers).map(|_| Lines {
        switch: switch.clone(),
        writer: sender.clone(),
        buffer: Vec::new(),
        count: 0,
        dropped: Arc::clone(dropped),
    });
    (
        lines.collect(),
        Writer { switch: switch.clone(), lines: receiver, dropped: Arc::clone(dropped) },
        switch,
    )
}

impl Writer {
    /// Writes until every `Lines` is dropped. What cannot be written is counted as dropped; a full disk may
    /// have room again for what comes later.
    pub fn write_all(self) {
        let mut failed = false;
        for Batch { lines, count } in self.lines {
            let written = match self.switch.output() {
                Output::Stdout => {
                    let mut out = io::stdout().lock();
                    out.write_all(&lines).and_then(|()| out.flush())
                }
                Output::Stderr => io::stderr().lock().write_all(&lines),
                Output::Off => Ok(()),
            };
            if let Err(error) = &written {
                self.dropped.fetch_add(count, Relaxed);
                if !failed {
                    tracing::error!(%error, "access-log lines are dropped: they cannot be written");
                }
            }
            failed = written.is_err();
        }
    }
}

/// One line of JSON.
fn line(record: &Record<'_>, now: SystemTime, out: &mut Vec<u8>) {
    let mut json = Json { out, first: true };
    json.out.push(b'{');
    json.text("@timestamp", &humantime::format_rfc3339_micros(now).to_string());
    json.text("event.dataset", "weir.access");
    json.number("event.duration", record.took.as_nanos() as u64);
    json.text("http.request.method", record.method);
    json.text("url.scheme", "http");
    json.text("url.domain", record.host);
    json.text("url.path", record.path);
    json.text("url.query", record.query.trim_start_matches('?'));
    json.text("http.version", if record.version == Version::Http10 { "1.0" } else { "1.1" });
    json.number("http.response.status_code", u64::from(record.status));
    json.number("http.response.body.size", record.sent);
    json.text("client.address", &record.peer.ip().to_canonical().to_string());
    json.number("client.port", u64::from(record.peer.port()));
    if let Some(endpoint) = record.endpoint {
        json.text("server.address", &endpoint.ip().to_string());
        json.number("server.port", u64::from(endpoint.port()));
    }
    json.text("weir.listener", record.listener);
    json.text("weir.route", record.route);
    json.text("weir.pool", record.pool);
    json.number("weir.attempts", u64::from(record.attempts));
    json.text("weir.result", record.result);
    json.text("weir.reason", record.reason);
    json.millis("weir.total_ms", record.took);
    if let Some(answered) = record.answered {
        json.millis("weir.response_ms", answered);
    }
    json.out.extend_from_slice(b"}\n");
}

/// Writes the members of one object; empty texts and zeros are left out.
struct Json<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Json<'_> {
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, key: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.key(key);
        self.out.push(b'"');
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                0x20.. => self.out.push(byte),
                control => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    let low = HEX[usize::from(control & 15)];
                    let high = HEX[usize::from(control >> 4)];
                    self.out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                }
            }
        }
        self.out.push(b'"');
    }

    fn number(&mut self, key: &str, number: u64) {
        if number > 0 {
            self.key(key);
            self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    /// Milliseconds with three decimals.
    fn millis(&mut self, key: &str, time: Duration) {
        let micros = time.as_micros() as u64;
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        let digit = |power: u64| b'0' + (micros / power % 10) as u8;
        self.out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    }
}

/// A buffer is handed over when it holds this much.
const FULL: usize = 64 * 1024;
/// So many full buffers may wait for the writer.
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_the_client_sent() {
        let record = Record {
            method: "GET",
            path: "/\u{1}\"\\\u{7f}é",
            query: "?a=\"b\"",
            took: Duration::from_micros(23_710),
            status: 200,
            ..Record::default()
        };
        let mut out = Vec::new();
        line(&record, SystemTime::UNIX_EPOCH, &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["url.path"], record.path);
        assert_eq!(json["url.query"], "a=\"b\"");
        assert_eq!(json["weir.total_ms"], 23.71);
        assert_eq!(json["@timestamp"], "1970-01-01T00:00:00.000000Z");
        assert!(json.get("weir.pool").is_none(), "empty fields are left out");
        assert!(!out[..out.len() - 1].iter().any(|b| *b < 0x20), "no raw control byte");
    }

    #[test]
    fn lines_that_nobody_takes_are_counted() {
        let dropped = Arc::new(AtomicU64::new(0));
        let (mut lines, writer, _) = open(&Config::default(), 1, &dropped);
        drop(writer);
        lines[0].write(&Record::default());
        lines[0].flush();
        assert_eq!(dropped.load(Relaxed), 1);
    }
}
