//! A request head: parsed strictly, its fields indexed, what concerns one connection marked.

use std::mem::MaybeUninit;

use super::framing::Framing;
use super::{Facts, Fault, Limits, MAX_FIELDS, Message};
use crate::message::head::{Head, Known, Method, Span, Version};
use crate::message::target::{check_authority, settle_authority, settle_target};

/// Reads a request head from the front of `bytes`. `None`: it is not whole yet.
///
/// # Errors
/// What is wrong with it; the connection cannot be used any further.
pub fn read(bytes: &[u8], limits: &Limits, into: &mut Head) -> Result<Option<Message>, Fault> {
    into.clear();
    // One empty line before a request is skipped (RFC 9112, 2.2), no more.
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let bytes = &bytes[skipped..];
    if matches!(bytes.first(), Some(b'\r' | b'\n')) && bytes != b"\r" {
        return Err(Fault::Malformed);
    }
    let mut headers = [MaybeUninit::uninit(); MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let whole = &bytes[..bytes.len().min(limits.head + 1)];
    let length = match parsed.parse_with_uninit_headers(whole, super::room(&mut headers, limits)) {
        Ok(httparse::Status::Complete(length)) if length <= limits.head => length,
        Ok(httparse::Status::Complete(_)) => return Err(Fault::HeadTooLarge),
        Ok(httparse::Status::Partial) => return not_whole(bytes, limits),
        // Which version is asked for shows at the end of the line, however it is cut.
        Err(httparse::Error::Version) if !bytes.contains(&b'\n') => {
            return not_whole(bytes, limits);
        }
        Err(httparse::Error::Version) => return Err(version_fault(bytes)),
        Err(error) => return Err(error.into()),
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(Fault::Malformed);
    };
    let target_at = method.len() + 1;
    let line_end = target_at + target.len() + " HTTP/1.1".len();
    if line_end > limits.line {
        return Err(Fault::LineTooLong);
    }
    super::ends_in_crlf(bytes, line_end, false)?;
    super::ends_in_empty_line(bytes, length)?;
    into.version = if parsed.version == Some(1) { Version::Http11 } else { Version::Http10 };
    into.method = Method::from_token(method.as_bytes());
    into.method_name = Span::new(0..method.len());
    let facts = super::index(bytes, parsed.headers, limits, into)?;
    into.bytes.extend_from_slice(&bytes[..length]);
    drop_underscores(into);
    let framing = framing(&facts, into.version)?;
    read_target(into, target_at..target_at + target.len(), &facts)?;
    if facts.nominates {
        super::remove_nominated(into);
    }
    if facts.expects {
        settle_expect(into, framing);
    }
    let plain = into.version == Version::Http11 && into.method == Method::Get;
    super::settle_upgrade(into, &facts, plain && framing == Framing::None);
    let persistent = match into.version {
        // What follows may be meant for a tunnel, though there will be none (RFC 9110, 9.3.6).
        _ if into.method == Method::Connect => false,
        Version::Http10 => facts.keep_alive && !facts.close,
        _ => !facts.close,
    };
    Ok(Some(Message { framing, length: skipped + length, persistent }))
}

/// What a client expects is passed on if it can be met: an invitation to send its body, in HTTP/1.1
/// (RFC 9110, 10.1.1).
fn settle_expect(head: &mut Head, framing: Framing) {
    let may = framing != Framing::None && head.version == Version::Http11;
    for field in head.fields.iter_mut().filter(|field| field.known == Known::Expect) {
        let value = &head.bytes[field.value.range()];
        field.removed |= !may || !value.eq_ignore_ascii_case(b"100-continue");
    }
}

/// Whether the name of a field has a `_`; such fields are not passed on, or the request is refused.
pub fn has_underscores(head: &Head) -> bool {
    head.fields.iter().any(|field| head.slice(field.name).contains(&b'_'))
}

/// Some servers read `_` in a name as `-`: `Content_Length` would be framing to them, and
/// `X_Forwarded_For` the word of a proxy. Such fields are not passed on.
pub fn drop_underscores(head: &mut Head) {
    // No name that weir knows has one.
    for field in head.fields.iter_mut().filter(|field| field.known == Known::Other) {
        field.removed |= head.bytes[field.name.range()].contains(&b'_');
    }
}

/// More bytes are needed; but what is here may be too long already.
fn not_whole(bytes: &[u8], limits: &Limits) -> Result<Option<Message>, Fault> {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    if line.strip_suffix(b"\r").unwrap_or(line).len() > limits.line {
        return Err(Fault::LineTooLong);
    }
    if bytes.len() > limits.head { Err(Fault::HeadTooLarge) } else { Ok(None) }
}

/// `HTTP/2.0` and later are another version (505), all else in its place is garbage, HTTP/0.9 included.
fn version_fault(bytes: &[u8]) -> Fault {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let version = line.rsplit(|b| *b == b' ').next().unwrap_or_default().trim_ascii_end();
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'2'..=b'9', b'.', b'0'..=b'9'] => Fault::UnknownVersion,
        _ => Fault::Malformed,
    }
}

/// RFC 9112, 6.1 and 6.3; where it leaves a choice, refuse.
fn framing(facts: &Facts, version: Version) -> Result<Framing, Fault> {
    if version == Version::Http10 && (facts.chunked || facts.unknown_coding) {
        return Err(Fault::Malformed);
    }
    if facts.unknown_coding {
        return Err(Fault::UnknownCoding);
    }
    match (facts.chunked, facts.length) {
        (true, Some(_)) => Err(Fault::Malformed),
        (true, None) => Ok(Framing::Chunked),
        (false, length) => Ok(Framing::of_length(length.unwrap_or(0))),
    }
}

/// Splits the target into authority, path and query (RFC 9112, 3.2), and settles whom the request is for.
fn read_target(
    head: &mut Head,
    target: std::ops::Range<usize>,
    facts: &Facts,
) -> Result<(), Fault> {
    let host = match facts.hosts {
        1 => head.fields.iter().position(|field| field.known == Known::Host),
        0 if head.version == Version::Http10 => None,
        _ => return Err(Fault::Malformed),
    };
    if let Some(at) = host {
        settle_authority(head, head.fields[at].value).map_err(|_| Fault::Malformed)?;
    }
    let (mut at, end) = (target.start, target.end);
    if head.method == Method::Connect {
        check_authority(&head.bytes[target]).map_err(|_| Fault::Malformed)?;
        return Ok(());
    }
    if let Some(rest) = absolute(&head.bytes[target.clone()]) {
        // Absolute-form: its authority wins, and the Host field is written anew (RFC 9112, 3.2.2).
        let length = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
        at = end - rest.len();
        let authority = Span::new(at..at + length);
        at += length;
        if let Some(host) = host {
            let same = head.slice(head.fields[host].value) == head.slice(authority);
            head.fields[host].removed = !same;
        }
        settle_authority(head, authority).map_err(|_| Fault::Malformed)?;
    }
    settle_target(head, at..end, at > target.start).map_err(|_| Fault::Malformed)
}

/// What follows the scheme of a target in absolute-form.
fn absolute(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (front, rest) = target.split_at_checked(scheme.len())?;
        front.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<Option<(Message, Head)>, Fault> {
        let mut head = Head::default();
        Ok(read(bytes, &Limits::CLIENT, &mut head)?.map(|message| (message, head)))
    }

    /// Method, authority, path, query and framing of a request.
    fn summary(bytes: &[u8]) -> Result<String, Fault> {
        let (message, head) = read_all(bytes)?.expect("it is whole");
        assert_eq!(message.length, bytes.len());
        let (authority, path) = (head.text(head.authority), head.text(head.path));
        let (method, query, framing) = (head.method_text(), head.text(head.query), message.framing);
        Ok(format!("{method} {authority} {path} {query} {framing:?} {}", message.persistent))
    }

    const SOUND: [(&str, &str); 13] = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /  None true"),
        ("\r\nGET /a?b=%zz HTTP/1.1\r\nHost:A:80 \r\n\r\n", "GET a:80 /a ?b=%zz None true"),
        ("GET /./%7e/b/../%2e%2e/c%2f HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /c%2F  None true"),
        ("GET http://B?q HTTP/1.1\r\nhost: a\r\n\r\n", "GET b / ?q None true"),
        ("OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n", "OPTIONS [::1] *  None true"),
        ("CONNECT b:1 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a   None false"),
        ("X / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", "X a /  None false"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 07\r\n\r\n", "PUT a /  Length(7) true"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "PUT a /  None true"),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\t\r\n\r\n",
            "PUT a /  Chunked true",
        ),
        ("GET / HTTP/1.0\r\n\r\n", "GET  /  None false"),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET  /  None true"),
        ("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", "GET  /  None false"),
    ];

    #[test]
    fn what_a_head_means() {
        for (bytes, expected) in SOUND {
            assert_eq!(summary(bytes.as_bytes()).as_deref(), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_head_means_the_same_however_it_is_cut() {
        for (bytes, expected) in SOUND {
            for end in 0..bytes.len() {
                let part = read_all(&bytes.as_bytes()[..end]).map(|whole| whole.is_some());
                assert_eq!(part, Ok(false), "{:?}", &bytes[..end]);
            }
            let followed = format!("{bytes}GET / HTTP/1.1\r\n");
            let (message, _) = read_all(followed.as_bytes()).unwrap().unwrap();
            assert_eq!(message.length, bytes.len(), "{expected}");
        }
    }

    #[test]
    fn a_fault_is_the_same_however_it_is_cut() {
        let fields = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(n));
        let table = [
            (Fault::Malformed, "GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned()),
            (Fault::Malformed, "GET / HTTP/1.2\r\nHost: a\r\n\r\n".into()),
            (Fault::Malformed, "GET /\r\n".into()),
            (Fault::Malformed, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into()),
            (Fault::Malformed, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into()),
            (Fault::UnknownVersion, "GET / HTTP/2.0\r\nHost: a\r\n\r\n".into()),
            (Fault::UnknownVersion, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
            (
                Fault::UnknownCoding,
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n".into(),
            ),
            (Fault::HeadTooLarge, fields(101)),
            (Fault::LineTooLong, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8179))),
        ];
        for (fault, bytes) in table {
            let found = (0..=bytes.len()).find_map(|end| read_all(&bytes.as_bytes()[..end]).err());
            assert_eq!(found, Some(fault), "{:?}", &bytes[..bytes.len().min(60)]);
            assert_eq!(read_all(bytes.as_bytes()).err(), Some(fault));
        }
        assert!(read_all(fields(100).replacen("X: y", "Host: a", 1).as_bytes()).unwrap().is_some());
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let line = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(n - 14));
        assert!(read_all(line(8192).as_bytes()).unwrap().is_some());
        for end in 8190..line(8192).len() {
            assert!(read_all(&line(8192).as_bytes()[..end]).unwrap().is_none(), "{end}");
        }
        assert_eq!(read_all(line(8193).as_bytes()).err(), Some(Fault::LineTooLong));
        let field =
            |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(n - 1));
        assert!(read_all(field(16 * 1024).as_bytes()).unwrap().is_some());
        assert_eq!(read_all(field(16 * 1024 + 1).as_bytes()).err(), Some(Fault::HeadTooLarge));
        let head = |n: usize| {
            let rest =
                n - 2 * 14_000 - "GET / HTTP/1.1\r\nHost: a\r\nX: \r\nX: \r\nX: \r\n\r\n".len();
            let (long, rest) = ("y".repeat(14_000), "y".repeat(rest));
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\nX: {long}\r\nX: {rest}\r\n\r\n")
        };
        assert!(read_all(head(32 * 1024).as_bytes()).unwrap().is_some());
        assert_eq!(read_all(head(32 * 1024 + 1).as_bytes()).err(), Some(Fault::HeadTooLarge));
    }

    /// The parser below has fast paths for blocks of bytes: each byte at each place of them.
    #[test]
    fn each_byte_is_judged_alike_wherever_it_stands() {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        for byte in 0..=255 {
            for before in 0..70 {
                let x = vec![b'x'; before];
                let line = |target: &[u8], field: &[u8]| {
                    let parts = [b"GET /", target, b" HTTP/1.1\r\nHost: a\r\n", field, b"\r\n\r\n"];
                    read_all(&parts.concat()).is_ok_and(|whole| whole.is_some())
                };
                let value = line(b"", &[b"X: a", &x[..], &[byte], b"b"].concat());
                assert_eq!(
                    value,
                    byte == b'\t' || byte >= b' ' && byte != 0x7f,
                    "{byte:#x} {before}"
                );
                let name = line(b"", &[b"X", &x[..], &[byte], b"b: c"].concat());
                assert_eq!(name, is_token(byte) || byte == b':', "{byte:#x} {before}");
                let query = line(&[b"?", &x[..], &[byte], b"b"].concat(), b"X: y");
                assert_eq!(
                    query,
                    (0x21..0x7f).contains(&byte) && byte != b'#',
                    "{byte:#x} {before}"
                );
                let path = line(&[&x[..], &[byte], b"2f"].concat(), b"X: y");
                let bad = b"\\#".contains(&byte) || !(0x21..0x7f).contains(&byte);
                assert_eq!(path, !bad, "{byte:#x} {before}");
            }
        }
    }

    #[test]
    fn connection_removes_what_it_names_but_nothing_that_matters() {
        let kept = |connection: &str| {
            let bytes = format!(
                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nCookie: c\r\nAuthorization: d\r\n\
                 X-Forwarded-For: e\r\nX-Real-IP: f\r\nX-A: g\r\nTE: h\r\nUpgrade: i\r\n\
                 Keep-Alive: j\r\nProxy-Connection: k\r\nHTTP2-Settings: l\r\nConnection: {connection}\r\n\r\n"
            );
            let (_, head) = read_all(bytes.as_bytes()).unwrap().unwrap();
            let kept = head.fields.iter().filter(|field| !field.removed);
            kept.map(|field| head.text(field.value)).collect::<Vec<_>>().concat()
        };
        assert_eq!(kept("close"), "a1cdefg");
        assert_eq!(kept("x-a"), "a1cdef");
        assert_eq!(kept(",, X-A\t,keep-alive"), "a1cdef");
        let all =
            "host, content-length, cookie, authorization, x-forwarded-for, x-real-ip, connection";
        assert_eq!(kept(all), "a1cdefg");
        assert_eq!(kept("close\r\nContent_Length: 5\r\nX_Forwarded_For: 1\r\n_: 2"), "a1cdefg");
    }
}
