//! The head of an endpoint's answer. Whatever is wrong with it, the client gets 502 and the connection is
//! closed: nothing is passed on that could be understood in two ways.

use std::mem::MaybeUninit;

use super::framing::Framing;
use super::{Fault, Limits, MAX_FIELDS, Message};
use crate::message::head::{Head, Method, Span, Version};

/// Reads the head of the answer to a request of this method. `None`: it is not whole yet.
///
/// # Errors
/// What is wrong with it; the connection cannot be used any further.
pub fn read(
    bytes: &[u8],
    asked: Method,
    limits: &Limits,
    into: &mut Head,
) -> Result<Option<Message>, Fault> {
    into.clear();
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Err(Fault::Malformed);
    }
    let mut headers = [MaybeUninit::uninit(); MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let whole = &bytes[..bytes.len().min(limits.head + 1)];
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(
        &mut parsed,
        whole,
        super::room(&mut headers, limits),
    ) {
        Ok(httparse::Status::Complete(length)) if length <= limits.head => length,
        Ok(httparse::Status::Partial) if bytes.len() <= limits.head => return Ok(None),
        Ok(_) => return Err(Fault::HeadTooLarge),
        Err(error) => return Err(error.into()),
    };
    let (Some(status), Some(reason)) = (parsed.code, parsed.reason) else {
        return Err(Fault::Malformed);
    };
    if !(100..600).contains(&status) {
        return Err(Fault::Malformed);
    }
    let reason_at = "HTTP/1.1 200 ".len();
    let line_end = bytes.iter().position(|b| *b == b'\n').ok_or(Fault::Malformed)?;
    if line_end == 0 || bytes[line_end - 1] != b'\r' {
        return Err(Fault::Malformed);
    }
    super::ends_in_empty_line(bytes, length)?;
    into.version = if parsed.version == Some(1) { Version::Http11 } else { Version::Http10 };
    into.status = status;
    let facts = super::index(bytes, parsed.headers, limits, into)?;
    into.bytes.extend_from_slice(&bytes[..length]);
    // httparse shows an odd phrase as none; what is shown here is what stands there, or nothing.
    let end = reason_at + reason.len();
    if end < length {
        into.reason = Span::new(reason_at..end);
    }
    let framing = match (facts.chunked, facts.length) {
        _ if facts.unknown_coding => return Err(Fault::UnknownCoding),
        (true, Some(_)) => return Err(Fault::Malformed),
        (true, None) if into.version == Version::Http10 => return Err(Fault::Malformed),
        // These have no body, whatever their fields say (RFC 9112, 6.3).
        _ if asked == Method::Head || status < 200 || status == 204 || status == 304 => {
            Framing::None
        }
        (true, None) => Framing::Chunked,
        (false, Some(length)) => Framing::of_length(length),
        (false, None) => Framing::UntilClose,
    };
    if facts.nominates {
        super::remove_nominated(into);
    }
    super::settle_upgrade(into, &facts, status == 101 && into.version == Version::Http11);
    let persistent = framing != Framing::UntilClose
        && match into.version {
            Version::Http10 => facts.keep_alive && !facts.close,
            _ => !facts.close,
        };
    Ok(Some(Message { framing, length, persistent }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8], asked: Method) -> Result<Option<(Message, Head)>, Fault> {
        let mut head = Head::default();
        Ok(read(bytes, asked, &Limits::ENDPOINT, &mut head)?.map(|message| (message, head)))
    }

    const SOUND: [(&str, &str); 12] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 OK Length(5) true"),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200  None true"),
        ("HTTP/1.1 200 \r\nConnection: close\r\n\r\n", "200  UntilClose false"),
        ("HTTP/1.1 404 N o\tt\r\nTransfer-Encoding: chunked\r\n\r\n", "404 N o\tt Chunked true"),
        ("HTTP/1.1 200 \u{e9}\r\nContent-Length: 1\r\n\r\n", "200  Length(1) true"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "200 OK Length(5) false"),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
            "200 OK Length(5) true",
        ),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", "200 OK UntilClose false"),
        ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "204 No None true"),
        ("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", "304 No None true"),
        ("HTTP/1.1 100 Go\r\nContent-Length: 5\r\n\r\n", "100 Go None true"),
        (
            "HTTP/1.1 599 X\r\nContent-Length: 5\r\nConnection: x, close\r\n\r\n",
            "599 X Length(5) false",
        ),
    ];

    #[test]
    fn what_a_head_means_however_it_is_cut() {
        for (bytes, expected) in SOUND {
            for end in 0..bytes.len() {
                let part = read_all(&bytes.as_bytes()[..end], Method::Get).map(|w| w.is_some());
                assert_eq!(part, Ok(false), "{:?}", &bytes.as_bytes()[..end].escape_ascii());
            }
            for asked in [Method::Get, Method::Head] {
                let followed = format!("{bytes}HTTP/1.1 200 OK\r\n\r\n");
                let (message, head) = read_all(followed.as_bytes(), asked).unwrap().unwrap();
                assert_eq!(message.length, bytes.len());
                let (reason, framing) = (head.text(head.reason), message.framing);
                let found = format!("{} {reason} {framing:?} {}", head.status, message.persistent);
                if asked == Method::Get {
                    assert_eq!(found, expected);
                } else {
                    assert_eq!(framing, Framing::None, "{expected}");
                }
            }
        }
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused_whatever_was_asked() {
        for bytes in [
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\r\n",
            "HTTP/1.1 200\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n\n",
            "HTTP/1.1 200 OK\r\n\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 600 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 304 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 100 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        ] {
            for asked in [Method::Get, Method::Head] {
                let fault = read_all(bytes.as_bytes(), asked).err();
                assert_eq!(fault, Some(Fault::Malformed), "{bytes:?}");
            }
        }
        let coded = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
        assert_eq!(read_all(coded, Method::Get).err(), Some(Fault::UnknownCoding));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
        assert_eq!(read_all(many.as_bytes(), Method::Get).err(), Some(Fault::HeadTooLarge));
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let head = |n: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(n - 24));
        assert!(read_all(head(64 * 1024).as_bytes(), Method::Get).unwrap().is_some());
        let larger = head(64 * 1024 + 1);
        assert_eq!(read_all(larger.as_bytes(), Method::Get).err(), Some(Fault::HeadTooLarge));
        let part = &larger.as_bytes()[..64 * 1024];
        assert!(read_all(part, Method::Get).unwrap().is_none(), "it may still end in time");
    }
}
