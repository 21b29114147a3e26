//! Just enough HTTP/1.1 for both ends of the measurement: whole requests for the origin, answer
//! heads for the load. httparse knows the grammar; this file adds the framing.
//! It must never be lenient: what a proxy under test garbles is an error here.

use std::io::{self, Error, Read, Write};
use std::net::TcpStream;

/// One whole request, as the origin sees it.
pub struct Request<'b> {
    pub path: &'b str,
    /// Bytes of body after chunked coding is taken off.
    pub body: usize,
    /// Bytes of the whole message on the wire.
    pub len: usize,
}

/// The head of an answer.
pub struct Answer {
    pub status: u16,
    /// Bytes of the head on the wire.
    pub head: usize,
    pub body: usize,
}

/// The request at the start of `bytes`; `None` while it is not complete.
pub fn request(bytes: &[u8]) -> io::Result<Option<Request<'_>>> {
    let mut fields = [httparse::EMPTY_HEADER; 48];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(Error::other)? else {
        return Ok(None);
    };
    let path = parsed.path.unwrap_or("");
    let chunked = parsed.headers.iter().any(|f| f.name.eq_ignore_ascii_case("transfer-encoding"));
    if chunked {
        let Some((body, wire)) = chunked_body(&bytes[head..])? else { return Ok(None) };
        return Ok(Some(Request { path, body, len: head + wire }));
    }
    let body = content_length(parsed.headers)?.unwrap_or(0);
    let complete = bytes.len() >= head + body;
    Ok(complete.then_some(Request { path, body, len: head + body }))
}

/// The answer head at the start of `bytes`; `None` while it is not complete. An answer without
/// Content-Length is an error: the origin always gives one, and a proxy has to pass it on.
pub fn answer(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut fields = [httparse::EMPTY_HEADER; 48];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(Error::other)? else {
        return Ok(None);
    };
    let status = parsed.code.unwrap_or(0);
    let body = content_length(parsed.headers)?
        .ok_or_else(|| Error::other(format!("an answer {status} without Content-Length")))?;
    Ok(Some(Answer { status, head, body }))
}

/// One request and its whole answer on a blocking connection; the answer must be 200 with exactly
/// `expect` as its body.
pub fn exchange(stream: &mut TcpStream, request: &[u8], expect: &[u8]) -> io::Result<()> {
    stream.write_all(request)?;
    let mut input = Vec::with_capacity(1024);
    let mut chunk = [0; 4096];
    loop {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(Error::other("closed before the end of the answer"));
        }
        input.extend_from_slice(&chunk[..n]);
        let Some(answer) = answer(&input)? else { continue };
        check(&answer, expect.len())?;
        if input.len() >= answer.head + answer.body {
            return compare(&input[answer.head..], expect);
        }
    }
}

/// Refuses any answer that is not a 200 with a body of this length.
pub fn check(answer: &Answer, len: usize) -> io::Result<()> {
    if answer.status != 200 {
        return Err(Error::other(format!("status {} instead of 200", answer.status)));
    }
    if answer.body != len {
        return Err(Error::other(format!("a body of {} bytes instead of {len}", answer.body)));
    }
    Ok(())
}

/// Refuses a body that differs from the expected one, or is followed by more bytes.
pub fn compare(body: &[u8], expect: &[u8]) -> io::Result<()> {
    if body == expect { Ok(()) } else { Err(Error::other("a body with wrong bytes")) }
}

fn content_length(fields: &[httparse::Header<'_>]) -> io::Result<Option<usize>> {
    let Some(field) = fields.iter().find(|f| f.name.eq_ignore_ascii_case("content-length")) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(field.value).map_err(Error::other)?;
    text.parse().map(Some).map_err(Error::other)
}

/// Length of a chunked body, decoded and on the wire; `None` while it is not complete.
/// Trailers are not expected.
fn chunked_body(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let (mut body, mut at) = (0, 0);
    loop {
        let parsed = httparse::parse_chunk_size(&bytes[at..])
            .map_err(|_| Error::other("a bad chunk size"))?;
        let httparse::Status::Complete((line, size)) = parsed else { return Ok(None) };
        let size = usize::try_from(size).map_err(Error::other)?;
        at += line + size + 2;
        if bytes.len() < at {
            return Ok(None);
        }
        if &bytes[at - 2..at] != b"\r\n" {
            return Err(Error::other("a chunk without its end"));
        }
        body += size;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}
