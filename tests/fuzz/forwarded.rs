//! hyper's server behind weir's writer: it must see each accepted request as weir has understood it, and then
//! the one behind it, with nothing between.

use bytes::Bytes;
use weir::h1::{Limits, request, write};
use weir::message::head::Head;

use super::requests::{ENDPOINT, make};
use super::wire::{Seen, body, serve};
use super::{passed, plain, run};

#[test]
fn another_server_sees_the_requests_that_weir_has_written() {
    let mut head = Head::default();
    run("forwarded", 250_000, make, |_, bytes| {
        let read = request::read(bytes, &Limits::CLIENT, &mut head);
        let Ok(Some(message)) = read else { return false };
        let request = plain::request(bytes).expect("weir reads it");
        if request.method == b"CONNECT" {
            return false;
        }
        let mut wire = Vec::new();
        write::request(&head, message.framing, ENDPOINT, &mut wire);
        let (sent, payload) = body(message.framing);
        wire.extend_from_slice(&sent);
        let whole = payload.is_some();
        if whole {
            wire.extend_from_slice(b"GET /sentinel HTTP/1.1\r\nhost: s\r\n\r\n");
        }
        let shown = wire.escape_ascii().to_string();
        let (seen, content) = serve(wire);
        if !is_uri(&request) {
            assert!(seen.is_empty() && !content, "it is no request to hyper: {shown}");
            return true;
        }
        let line = [request.method, b" ", &request.path, request.query].concat();
        let fields = passed::to_endpoint(&request, ENDPOINT);
        let mut expected = vec![Seen::new(&line, fields, message.framing.length(), payload)];
        if whole {
            let fields = passed::seen(&[(b"host", b"s")]);
            expected.push(Seen::new(b"GET /sentinel", fields, Some(0), Some(Bytes::new())));
        }
        assert_eq!(seen, expected, "{shown}");
        assert!(content || !whole, "{shown}");
        true
    });
}

/// Some characters that weir passes on as they are make no URI to hyper, which then refuses the request. That is
/// as good: all that counts here is that it sees none.
fn is_uri(request: &plain::Request<'_>) -> bool {
    let path = request.path.iter().any(|byte| b"<>`".contains(byte));
    let query = request.query.iter().any(|byte| b"<>\"".contains(byte));
    !path && !query
}
