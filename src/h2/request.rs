//! A request: of what a client's stream has brought, a head; and of a head, what goes to an endpoint.

use http::request::Parts;
use http::uri::{InvalidUri, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Method as Token, Request, header};

use super::{Facts, fields, index};
use crate::h1::framing::Framing;
use crate::h1::request::drop_underscores;
use crate::h1::{Fault, Limits};
use crate::message::head::{Head, Known, Method, Span, Version};
use crate::message::header_name::is_token;
use crate::message::target::{settle_authority, settle_target};

/// Reads a request; `ended`: it has no body, whatever its fields say. How its body is delimited towards HTTP/1.
///
/// # Errors
/// What is wrong with it; other streams of its connection are none the worse.
pub fn read(
    parts: &Parts,
    ended: bool,
    limits: &Limits,
    into: &mut Head,
) -> Result<Framing, Fault> {
    into.clear();
    into.version = Version::Http2;
    let method = parts.method.as_str().as_bytes();
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str).as_bytes();
    if !is_token(parts.method.as_str()) {
        return Err(Fault::Malformed);
    }
    if method.len() + target.len() + " HTTP/1.1 ".len() > limits.line {
        return Err(Fault::LineTooLong);
    }
    into.method = Method::from_token(method);
    into.method_name = into.append(method);
    let target = into.append(target);
    let authority =
        parts.uri.authority().map(|authority| into.append(authority.as_str().as_bytes()));
    let Facts { length } = index(&parts.headers, limits, into)?;
    whom(authority, into)?;
    if into.method != Method::Connect {
        settle_target(into, target.range(), false).map_err(|_| Fault::Malformed)?;
    }
    drop_underscores(into);
    for field in into.fields.iter_mut().filter(|field| field.known == Known::Expect) {
        // What it would wait for is implied: weir answers nothing in between (RFC 9110, 10.1.1).
        field.removed = true;
    }
    match length {
        Some(1..) if ended => Err(Fault::Malformed),
        _ if ended => Ok(Framing::None),
        Some(length) => Ok(Framing::of_length(length)),
        None => Ok(Framing::Chunked),
    }
}

/// Settles whom the request is for: `:authority`, or Host; if there are both they agree (RFC 9113, 8.3.1).
fn whom(authority: Option<Span>, head: &mut Head) -> Result<(), Fault> {
    let mut hosts = head.fields.iter_mut().filter(|field| field.known == Known::Host);
    let host = hosts.next().map(|field| {
        // It is written anew.
        field.removed = true;
        field.value
    });
    if hosts.next().is_some() {
        return Err(Fault::Malformed);
    }
    let agree = |one: Span, other: Span| head.slice(one).eq_ignore_ascii_case(head.slice(other));
    let found = match (authority, host) {
        (Some(authority), Some(host)) if !agree(authority, host) => return Err(Fault::Malformed),
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => return Err(Fault::Malformed),
    };
    settle_authority(head, found).map_err(|_| Fault::Malformed)
}

/// What goes to an endpoint: `secured` or not, and known as `endpoint` if the request names no host (HTTP/1.0).
///
/// # Errors
/// `Malformed` if HTTP/2 has no way to say it.
pub fn write<B>(
    head: &Head,
    framing: Framing,
    secured: bool,
    endpoint: &str,
    body: B,
) -> Result<Request<B>, Fault> {
    let mut request = Request::new(body);
    let malformed = |_| Fault::Malformed;
    *request.method_mut() = Token::from_bytes(head.method_text().as_bytes()).map_err(malformed)?;
    let authority = head.text(head.authority);
    let authority = if authority.is_empty() { endpoint } else { authority };
    let target = target(head).map_err(|_| Fault::Malformed)?;
    let scheme = if secured { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build();
    *request.uri_mut() = uri.map_err(|_| Fault::Malformed)?;
    fields(head, false, request.headers_mut())?;
    let headers = request.headers_mut();
    if head.takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Framing::Length(length) = framing {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    // A gateway says which version it was asked in (RFC 9110, 7.6.3).
    let via = HeaderValue::try_from(format!("{} weir", head.version.as_str()));
    headers.append(header::VIA, via.map_err(|_| Fault::Malformed)?);
    Ok(request)
}

/// Path and query. The library cannot say all that clients say in HTTP/1: the rest is escaped, as it should have been
/// (RFC 3986, 2.1).
fn target(head: &Head) -> Result<PathAndQuery, InvalidUri> {
    let target = [head.slice(head.path), head.slice(head.query)].concat();
    let said = PathAndQuery::try_from(&target[..]);
    if said.is_ok() || !target.iter().any(|byte| UNSAID.contains(byte)) {
        return said;
    }
    let mut escaped = String::with_capacity(target.len() + 8);
    for byte in target {
        if UNSAID.contains(&byte) {
            escaped.push_str(&format!("%{byte:02X}"));
        } else {
            escaped.push(char::from(byte));
        }
    }
    PathAndQuery::try_from(escaped)
}

const UNSAID: &[u8] = b"<>\"`{}|^";

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(target);
        for (name, value) in fields {
            // As the library makes it.
            let name = http::HeaderName::from_lowercase(name.as_bytes()).unwrap();
            request = request.header(name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn read_all(
        target: &str,
        fields: &[(&str, &str)],
        ended: bool,
    ) -> Result<(Framing, Head), Fault> {
        let mut head = Head::default();
        let framing = read(&parts(target, fields), ended, &Limits::CLIENT, &mut head)?;
        Ok((framing, head))
    }

    #[test]
    fn a_head_is_what_http1_would_have_made_of_it() {
        let (framing, head) = read_all(
            "http://A.example./x/../%7eb?q",
            &[
                ("cookie", "a=1"),
                ("te", "trailers"),
                ("x_y", "z"),
                ("expect", "x"),
                ("cookie", "b=2"),
            ],
            true,
        )
        .unwrap();
        assert_eq!((framing, head.version), (Framing::None, Version::Http2));
        let parts = [head.authority, head.host, head.path, head.query].map(|part| head.text(part));
        assert_eq!(parts, ["a.example.", "a.example", "/~b", "?q"]);
        assert!(head.takes_trailers);
        let kept = head.fields.iter().filter(|field| !field.removed);
        let kept: Vec<_> = kept.map(|one| (head.text(one.name), head.text(one.value))).collect();
        assert_eq!(kept, [("cookie", "a=1; b=2")]);
    }

    #[test]
    fn whom_it_is_for_is_said_once() {
        let whom = |target, host: &[(&str, &str)]| {
            read_all(target, host, true).map(|(_, head)| head.text(head.authority).to_owned())
        };
        assert_eq!(whom("http://a:1/", &[]).as_deref(), Ok("a:1"));
        assert_eq!(whom("http://a:1/", &[("host", "A:1")]).as_deref(), Ok("a:1"));
        assert_eq!(whom("/", &[("host", "b")]).as_deref(), Ok("b"));
        for (target, hosts) in [
            ("http://a:1/", &[("host", "a")][..]),
            ("/", &[]),
            ("/", &[("host", "a"), ("host", "a")]),
            ("http://u@a/", &[]),
        ] {
            assert_eq!(whom(target, hosts), Err(Fault::Malformed), "{target} {hosts:?}");
        }
    }

    #[test]
    fn a_body_is_as_long_as_it_says() {
        let framing = |length: &[(&str, &str)], ended| {
            read_all("http://a/", length, ended).map(|(framing, _)| framing)
        };
        assert_eq!(framing(&[], false), Ok(Framing::Chunked));
        assert_eq!(framing(&[("content-length", "5")], false), Ok(Framing::Length(5)));
        assert_eq!(framing(&[("content-length", "0")], true), Ok(Framing::None));
        assert_eq!(framing(&[("content-length", "5")], true), Err(Fault::Malformed));
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(framing(&twice, false), Err(Fault::Malformed));
        assert_eq!(framing(&[("content-length", "+5")], false), Err(Fault::Malformed));
    }

    #[test]
    fn a_name_that_is_no_token_is_none() {
        let quoted = read_all("http://a/", &[("x\"b", "c")], true);
        assert_eq!(quoted.err(), Some(Fault::Malformed));
    }

    #[test]
    fn limits_hold() {
        let long = "x".repeat(20_000);
        assert_eq!(read_all("http://a/", &[("x", &long)], true).err(), Some(Fault::HeadTooLarge));
        let (crumb, crumbs) = ("x".repeat(1000), 17);
        let cookies = vec![("cookie", crumb.as_str()); crumbs];
        assert_eq!(read_all("http://a/", &cookies, true).err(), Some(Fault::HeadTooLarge));
        assert!(read_all("http://a/", &cookies[1..], true).is_ok());
        assert_eq!(
            read_all("http://a/", &[("cookie", "a"); 129], true).err(),
            Some(Fault::HeadTooLarge)
        );
        assert!(read_all("http://a/", &[("cookie", "a"); 128], true).is_ok(), "they are one field");
        assert_eq!(
            read_all("http://a/", &[("x", "a"); 101], true).err(),
            Some(Fault::HeadTooLarge)
        );
        let target = format!("http://a/{}", "x".repeat(8200));
        assert_eq!(read_all(&target, &[], true).err(), Some(Fault::LineTooLong));
    }

    #[test]
    fn what_the_library_cannot_say_is_escaped() {
        let (framing, mut head) = read_all("http://a/x", &[], true).unwrap();
        for (path, said) in
            [("/a<b>`c", "/a%3Cb%3E%60c"), ("/{a}|^", "/{a}|^"), ("/a%3Cb", "/a%3Cb")]
        {
            head.path = head.append(path.as_bytes());
            let written = write(&head, framing, false, "", ()).unwrap();
            assert_eq!(
                written
                    .uri()
                    .path()
                    .replace("%7B", "{")
                    .replace("%7D", "}")
                    .replace("%7C", "|")
                    .replace("%5E", "^"),
                said
            );
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let fields = [("x-a", "b"), ("cookie", "c=d"), ("content-length", "3"), ("te", "trailers")];
        let (framing, head) = read_all("http://a.example/p?q", &fields, false).unwrap();
        let written = write(&head, framing, true, "10.0.0.1:80", ()).unwrap();
        assert_eq!(written.uri(), "https://a.example/p?q");
        let fields: Vec<_> = written
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            fields,
            [
                ("x-a", "b"),
                ("cookie", "c=d"),
                ("te", "trailers"),
                ("content-length", "3"),
                ("via", "2 weir")
            ]
        );
    }
}
