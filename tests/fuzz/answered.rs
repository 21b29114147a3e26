//! hyper's client behind weir's writer: it must see each accepted answer as weir has understood it, and then
//! the one behind it, with nothing between.

use bytes::Bytes;
use http::Method as Asked;
use weir::h1::framing::Framing;
use weir::h1::write::{self, Connection};
use weir::h1::{Limits, response};
use weir::message::head::{Head, Method};

use super::mutate::pick;
use super::responses::{form, make};
use super::wire::{Seen, ask, body};
use super::{passed, plain, run};

#[test]
fn another_client_sees_the_answers_that_weir_has_written() {
    let mut head = Head::default();
    run("answered", 150_000, make, |random, bytes| {
        let (asked, method) = pick(random, &[(Method::Get, "GET"), (Method::Head, "HEAD")]);
        let read = response::read(bytes, asked, &Limits::ENDPOINT, &mut head);
        let Ok(Some(_)) = read else { return false };
        let answer = plain::answer(bytes, asked == Method::Head).expect("weir reads it");
        if answer.status < 200 {
            return true;
        }
        let how = form(random, &answer, asked);
        let mut wire = Vec::new();
        write::answer(&head, how, &mut wire);
        let framing = if how.bodiless { Framing::None } else { how.framing };
        let (sent, payload) = body(framing);
        wire.extend_from_slice(&sent);
        let shown = wire.escape_ascii().to_string();
        let goes_on = payload.is_some() && how.connection != Connection::Close;
        let asked = [Asked::from_bytes(method.as_bytes()).expect("one of two"), Asked::GET];
        let sentinel = b"HTTP/1.1 200 Sentinel\r\ncontent-length: 8\r\n\r\nsentinel".to_vec();
        let answers = if goes_on { vec![wire, sentinel] } else { vec![wire] };
        let seen = ask(&asked, &answers);
        let line = [answer.status.to_string().as_bytes(), b" ", answer.reason].concat();
        let fields = passed::to_client(&answer, how);
        let mut expected = vec![Seen::new(&line, fields, framing.length(), payload)];
        if goes_on {
            let fields = passed::seen(&[(b"content-length", b"8")]);
            let body = Some(Bytes::from_static(b"sentinel"));
            expected.push(Seen::new(b"200 Sentinel", fields, Some(8), body));
        }
        assert_eq!(seen, expected, "{shown}");
        true
    });
}
