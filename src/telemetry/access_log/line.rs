//! One line: what is told of a request, in one of three forms.

use std::net::IpAddr;
use std::time::Duration;

use super::fields::{self, Field};
use super::settings::{Header, Settings};
use super::stamp::Stamp;
use super::{Format, Record, escape, redact};
use crate::message::head::{Head, Known};
use crate::net::ip;

/// Adds the line of a record.
pub fn write(record: &Record<'_>, settings: &Settings, stamp: &Stamp, out: &mut Vec<u8>) {
    match settings.format {
        Format::Combined => combined(record, settings, stamp, out),
        Format::Json => {
            out.extend_from_slice(b"{\"@timestamp\":\"");
            stamp.rfc3339(out);
            out.extend_from_slice(
                b"\",\"event.dataset\":\"weir.access\",\"service.name\":\"weir\",\
                  \"network.transport\":\"tcp\"",
            );
            fields(record, settings, &mut Line::<true> { out });
            out.extend_from_slice(b"}\n");
        }
        Format::Logfmt => {
            out.extend_from_slice(b"@timestamp=");
            stamp.rfc3339(out);
            out.extend_from_slice(
                b" event.dataset=weir.access service.name=weir \
                  network.transport=tcp",
            );
            fields(record, settings, &mut Line::<false> { out });
            out.push(b'\n');
        }
    }
}

/// All fields that differ from request to request.
fn fields<const JSON: bool>(record: &Record<'_>, settings: &Settings, line: &mut Line<'_, JSON>) {
    line.number(&fields::DURATION, record.took.as_nanos() as u64);
    if let Some(head) = record.request {
        line.word(&fields::SCHEME, record.scheme);
        line.text(&fields::METHOD, method(head));
        line.text(&fields::DOMAIN, head.slice(head.host));
        line.text(&fields::PATH, record.path);
        if !head.query.is_empty() {
            let mut changed = Vec::new();
            let query = redact::query(&head.slice(head.query)[1..], &settings.redact, &mut changed);
            line.text(&fields::QUERY, query);
        }
        line.pattern(record.pattern);
        line.word(&fields::VERSION, head.version.as_str());
        line.headers(head, &settings.request, settings);
    }
    line.number(&fields::STATUS, u64::from(record.status));
    if let Some(status) = record.grpc {
        // Zero is the best of them, and is said.
        line.code(&fields::GRPC, status);
    }
    line.number(&fields::RECEIVED, record.received);
    line.number(&fields::SENT, record.sent);
    if let Some(head) = record.answer {
        line.headers(head, &settings.response, settings);
    }
    line.address(&fields::CLIENT_ADDRESS, record.client);
    if record.client == record.peer.ip() {
        line.number(&fields::CLIENT_PORT, u64::from(record.peer.port()));
    } else {
        line.address(&fields::PEER, record.peer.ip());
    }
    if let Some(secured) = record.secured {
        line.word(&fields::TLS_VERSION, secured.version);
        line.word(&fields::TLS_CIPHER, &secured.cipher);
        line.text(&fields::TLS_SERVER_NAME, secured.server_name.as_bytes());
        line.text(&fields::TLS_SUBJECT, secured.client_subject.as_bytes());
    }
    line.text(&fields::REQUEST_ID, record.request_id);
    if let Some(endpoint) = record.endpoint {
        line.address(&fields::SERVER_ADDRESS, endpoint.ip());
        line.number(&fields::SERVER_PORT, u64::from(endpoint.port()));
    }
    line.word(&fields::LISTENER, record.listener);
    line.word(&fields::ROUTE, record.route);
    line.word(&fields::POOL, record.pool);
    line.flag(&fields::PANIC, record.panic);
    line.number(&fields::ATTEMPTS, u64::from(record.attempts));
    line.word(&fields::RESULT, record.result);
    line.word(&fields::REASON, record.reason);
    line.millis(&fields::TOTAL, Some(record.took));
    line.millis(&fields::CONNECT, record.connect);
    line.millis(&fields::RESPONSE, record.answered);
    line.millis(&fields::OVERHEAD, record.overhead);
}

/// Writes the fields of one line, in JSON or else in logfmt; empty texts and zeros are left out. What is inlined is
/// so in order that a name is moved as the constant that it is.
struct Line<'a, const JSON: bool> {
    out: &'a mut Vec<u8>,
}

impl<const JSON: bool> Line<'_, JSON> {
    /// A text of any bytes.
    fn text(&mut self, field: &Field, text: &[u8]) {
        self.any(field.json, field.logfmt, text);
    }

    fn any(&mut self, json: &str, logfmt: &str, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if JSON {
            self.out.extend_from_slice(json.as_bytes());
            self.out.push(b'"');
            escape::json(text, self.out);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(logfmt.as_bytes());
            escape::logfmt(text, self.out);
        }
    }

    /// What of the path a route asks for: its parts are the file's own words, and may be anything.
    fn pattern(&mut self, (path, rest): (&str, &str)) {
        if rest.is_empty() {
            self.text(&fields::PATTERN, path.as_bytes());
        } else {
            self.text(&fields::PATTERN, [path.trim_end_matches('/'), rest].concat().as_bytes());
        }
    }

    /// A word of weir's own, or a name of the configuration: nothing in it needs an escape.
    #[inline(always)]
    fn word(&mut self, field: &Field, word: &str) {
        if !word.is_empty() {
            self.begin(field);
            self.quote();
            self.out.extend_from_slice(word.as_bytes());
            self.quote();
        }
    }

    #[inline(always)]
    fn number(&mut self, field: &Field, number: u64) {
        if number > 0 {
            self.begin(field);
            self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    /// A number whose zero says something.
    fn code(&mut self, field: &Field, code: u8) {
        self.begin(field);
        self.out.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
    }

    #[inline(always)]
    fn flag(&mut self, field: &Field, flag: bool) {
        if flag {
            self.begin(field);
            self.out.extend_from_slice(b"true");
        }
    }

    /// Milliseconds with three decimals.
    #[inline(always)]
    fn millis(&mut self, field: &Field, time: Option<Duration>) {
        let Some(time) = time else { return };
        let micros = time.as_micros() as u64;
        self.begin(field);
        self.out.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        let digit = |power: u64| b'0' + (micros / power % 10) as u8;
        self.out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    }

    fn address(&mut self, field: &Field, address: IpAddr) {
        self.begin(field);
        self.quote();
        ip::write(address, self.out);
        self.quote();
    }

    /// The headers of a list, as far as they came.
    fn headers(&mut self, head: &Head, headers: &[Header], settings: &Settings) {
        for header in headers {
            let Some(value) = header.value(head) else { continue };
            let mut changed = Vec::new();
            let value = match value.iter().position(|byte| *byte == b'?') {
                Some(at) if header.is_url => {
                    redact::url(value, at + 1, &settings.redact, &mut changed)
                }
                _ => value,
            };
            self.any(&header.json, &header.logfmt, value);
        }
    }

    #[inline(always)]
    fn begin(&mut self, field: &Field) {
        let begin = if JSON { field.json } else { field.logfmt };
        self.out.extend_from_slice(begin.as_bytes());
    }

    #[inline(always)]
    fn quote(&mut self) {
        if JSON {
            self.out.push(b'"');
        }
    }
}

/// Apache's and nginx's form. The user is not known here, and who left before there was an answer gets nginx's 499.
fn combined(record: &Record<'_>, settings: &Settings, stamp: &Stamp, out: &mut Vec<u8>) {
    ip::write(record.client, out);
    out.extend_from_slice(b" - - ");
    stamp.common(out);
    out.extend_from_slice(b" \"");
    let mut changed = Vec::new();
    if let Some(head) = record.request {
        escape::combined(method(head), out);
        out.push(b' ');
        escape::combined(record.path, out);
        if !head.query.is_empty() {
            let query = &head.slice(head.query)[1..];
            out.push(b'?');
            match redact::query(query, &settings.redact, &mut changed) {
                b"" => {}
                query => escape::combined(query, out),
            }
        }
        out.extend_from_slice(b" HTTP/");
        out.extend_from_slice(head.version.as_str().as_bytes());
    } else {
        out.push(b'-');
    }
    out.extend_from_slice(b"\" ");
    let status = match record.status {
        0 if record.result == "client_gone" => 499,
        status => status,
    };
    let digit = |power: u16| b'0' + (status / power % 10) as u8;
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
    out.extend_from_slice(itoa::Buffer::new().format(record.sent).as_bytes());
    for known in [Known::Referer, Known::UserAgent] {
        out.extend_from_slice(b" \"");
        let header = settings.request.iter().find(|header| header.known == known);
        let value = record.request.zip(header).and_then(|(head, header)| header.value(head));
        let value = value.unwrap_or_default();
        changed.clear();
        let value = match value.iter().position(|byte| *byte == b'?') {
            Some(at) if known == Known::Referer => {
                redact::url(value, at + 1, &settings.redact, &mut changed)
            }
            _ => value,
        };
        escape::combined(value, out);
        out.push(b'"');
    }
    out.push(b'\n');
}

/// The method as it came.
fn method(head: &Head) -> &[u8] {
    head.method_text().as_bytes()
}
