//! Clients that mean harm: what could be delimited in two ways is refused, with nothing of it
//! upstream.
//!
//! The numbers are the rows of the threat table. Each hostile request is followed by another one on
//! the same connection: it must not be answered, and the recording upstream must not see a byte of
//! either. What becomes of bodies that nobody reads is in `unread_bodies`.

use crate::harness::{Client, SMUGGLED, Upstream, Weir, echo, one_pool, one_worker, until, untold};

/// Every one gets its status and nothing more, the upstream nothing at all; others are served on.
fn all_refused(requests: &[(u16, &[u8])]) {
    let upstream = Upstream::replying("hello");
    let weir = Weir::start(one_pool(&[&upstream]));
    for (status, request) in requests {
        let shown = request.escape_ascii();
        let mut client = weir.connect();
        client.send(request).send(SMUGGLED);
        let Ok(answer) = client.try_answer() else {
            unreachable!("{shown} gets no answer at all");
        };
        assert_eq!(answer.status, *status, "{shown}");
        assert_eq!(answer.field("connection"), Some("close"), "{shown}");
        assert!(client.is_closed(), "{shown}");
        assert_eq!(upstream.received(), "", "{shown}");
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(weir.metric("weir_http_refused_total{route=\"none\"}"), requests.len() as f64);
    assert_eq!(weir.get("/").text(), "hello");
}

/// As `all_refused`, of fields in a request that is sound otherwise.
fn all_fields_refused(fields: &[(u16, &[u8])]) {
    let requests: Vec<(u16, Vec<u8>)> = fields
        .iter()
        .map(|(status, field)| {
            let front = b"POST / HTTP/1.1\r\nHost: a\r\n";
            (*status, [&front[..], field, b"\r\n\r\n"].concat())
        })
        .collect();
    let requests: Vec<_> = requests.iter().map(|(status, r)| (*status, &r[..])).collect();
    all_refused(&requests);
}

#[test]
fn rows_1_to_3_a_length_is_said_once_and_in_one_way() {
    all_fields_refused(&[
        (400, b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
        (400, b"Transfer-Encoding: chunked\r\nContent-Length: 5"),
        (400, b"Content-Length: 0\r\nTransfer-Encoding: chunked"),
        (400, b"content-length: 5\r\nX: y\r\nTRANSFER-ENCODING:CHUNKED"),
        (400, b"Content-Length: 5\r\nContent-Length: 6"),
        (400, b"Content-Length: 5\r\ncontent-length: 5"),
        (400, b"Content-Length: 5, 6"),
        (400, b"Content-Length: 5, 5"),
        (400, b"Content-Length: 5,"),
        (400, b"Content-Length: +5"),
        (400, b"Content-Length: -5"),
        (400, b"Content-Length: 0x5"),
        (400, b"Content-Length: 5 0"),
        (400, b"Content-Length: 5\t0"),
        (400, b"Content-Length:"),
        (400, b"Content-Length: \t "),
        (400, b"Content-Length: 5.0"),
        (400, b"Content-Length: 5e0"),
        (400, b"Content-Length: \"5\""),
        (400, b"Content-Length: 5;"),
        (400, b"Content-Length: 5\x0b"),
        (400, b"Content-Length: \xd9\xa5"),
        (400, b"Content-Length: 5\r\n Content-Length: 6"),
        (400, b"Content-Length: 00000000000000000005"),
        (400, b"Content-Length: 18446744073709551617"),
    ]);
}

#[test]
fn rows_4_and_5_the_only_coding_is_chunked_once_and_in_http_1_1() {
    all_fields_refused(&[
        (501, b"Transfer-Encoding: gzip"),
        (501, b"Transfer-Encoding: identity"),
        (501, b"Transfer-Encoding: gzip, chunked"),
        (501, b"Transfer-Encoding: chunked, identity"),
        (501, b"Transfer-Encoding: chunked, chunked"),
        (501, b"Transfer-Encoding: chunked,"),
        (501, b"Transfer-Encoding: ,chunked"),
        (501, b"Transfer-Encoding: chunked;q=1"),
        (501, b"Transfer-Encoding: \"chunked\""),
        (501, b"Transfer-Encoding: xchunked"),
        (501, b"Transfer-Encoding: chunke\xc4\x8f"),
        (501, b"Transfer-Encoding: chunk ed"),
        (501, b"Transfer-Encoding:"),
        (501, b"Transfer-Encoding: gzip\r\nContent-Length: 5"),
        (400, b"Transfer-Encoding: chunked\x0b"),
        (400, b"Transfer-Encoding: \0chunked"),
        (400, b"Transfer-Encoding:\r\n chunked"),
        (400, b"Transfer-Encoding : chunked"),
        (400, b"Transfer-Encoding\t: chunked"),
        (400, b" Transfer-Encoding: chunked"),
        (400, b"X: y\rTransfer-Encoding: chunked"),
        (400, b"X: y\nTransfer-Encoding: chunked"),
        (400, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        (400, b"Transfer-Encoding: chunked\r\ntransfer-encoding: identity"),
        (400, b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    ]);
    all_refused(&[
        (400, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"),
    ]);
}

#[test]
fn rows_6_to_9_a_field_line_has_one_form() {
    all_fields_refused(&[
        // 6: names.
        (400, b"X : y"),
        (400, b"X\t: y"),
        (400, b"X Y: z"),
        (400, b": y"),
        (400, b"X"),
        (400, b"X\0: y"),
        (400, b"(X): y"),
        (400, b"X\x7f: y"),
        (400, b"X\xc3\xa9: y"),
        // 7: folded lines.
        (400, b"X: y\r\n z"),
        (400, b"X: y\r\n\tz"),
        (400, b" X: y"),
        (400, b"\tX: y"),
        (400, b"X: y\r\n \r\nZ: z"),
        // 8: control bytes.
        (400, b"X: y\rz"),
        (400, b"X: y\r\rZ: z"),
        (400, b"X: \0"),
        (400, b"X: y\x01z"),
        (400, b"X: y\x1fz"),
        (400, b"X: y\x7fz"),
        (400, b"X\r: y"),
        // 9: line ends.
        (400, b"X: y\nZ: z"),
        (400, b"X:\nZ: z"),
        (400, b"X: y \nZ: z"),
        (400, b"X: y\n\r\n"),
        (400, b"X: y\r\n\n"),
        (400, b"X: y\n\n"),
        (400, b"\n"),
    ]);
    all_refused(&[
        (400, b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\nHost: a\n\n"),
        (400, b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        (400, b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}

#[test]
fn row_13_a_request_names_one_valid_host() {
    let hosts: [&[u8]; 20] = [
        b"",
        b"a b",
        b"u@a",
        b"u:p@a",
        b"a/",
        b"a#",
        b"a?",
        b"a\\b",
        b"a:",
        b"a:x",
        b"a:80:80",
        b"a:-1",
        b"a:65536",
        b"[::1",
        b"[::1]x",
        b"[x]",
        b"a,b",
        b"a%00",
        b"a\xc3\xa9",
        b"a\tb",
    ];
    let mut requests: Vec<Vec<u8>> = hosts
        .iter()
        .map(|host| [b"GET / HTTP/1.1\r\nHost: ", *host, b"\r\n\r\n"].concat())
        .collect();
    requests.extend([
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n".to_vec(),
        b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(),
        b"GET http://a/ HTTP/1.1\r\n\r\n".to_vec(),
        b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n".to_vec(),
    ]);
    let requests: Vec<(u16, &[u8])> = requests.iter().map(|r| (400, &r[..])).collect();
    all_refused(&requests);
}

#[test]
fn rows_16_and_17_a_request_line_has_one_form() {
    let line = |line: &[u8]| [line, b"\r\nHost: a\r\n\r\n"].concat();
    let requests = [
        (400, line(b"GET  / HTTP/1.1")),
        (400, line(b"GET /  HTTP/1.1")),
        (400, line(b"GET / HTTP/1.1 ")),
        (400, line(b" GET / HTTP/1.1")),
        (400, line(b"GET\t/ HTTP/1.1")),
        (400, line(b"GET /\tHTTP/1.1")),
        (400, line(b"GET / HTTP/1.1\t")),
        (400, line(b"GET /a b HTTP/1.1")),
        (400, line(b"GET /a#b HTTP/1.1")),
        (400, line(b"GET /?a#b HTTP/1.1")),
        (400, line(b"GET /\0 HTTP/1.1")),
        (400, line(b"GET /?\x01 HTTP/1.1")),
        (400, line(b"GET /\x7f HTTP/1.1")),
        (400, line(b"GET /?\x7f HTTP/1.1")),
        (400, line(b"GET /\xc3\xa9 HTTP/1.1")),
        (400, line(b"GET /?\xc3\xa9 HTTP/1.1")),
        (400, line(b"GET /\xff HTTP/1.1")),
        (400, line(b"GET /\r HTTP/1.1")),
        (400, line(b"GET a HTTP/1.1")),
        (400, line(b"GET * HTTP/1.1")),
        (400, line(b"OPTIONS *a HTTP/1.1")),
        (400, line(b"OPTIONS *?a HTTP/1.1")),
        (400, line(b"GET  HTTP/1.1")),
        (400, line(b"GET http:///a HTTP/1.1")),
        (400, line(b"GET http:/a HTTP/1.1")),
        (400, line(b"GET http://u@a/ HTTP/1.1")),
        (400, line(b"GET http://u:p@a/ HTTP/1.1")),
        (400, line(b"GET http://a:x/ HTTP/1.1")),
        (400, line(b"GET http://a#b HTTP/1.1")),
        (400, line(b"GET http://a\\b/ HTTP/1.1")),
        (400, line(b"GET ftp://a/ HTTP/1.1")),
        (400, line(b"G(T / HTTP/1.1")),
        (400, line(b"G\xc3\xa9T / HTTP/1.1")),
        (400, line(b"GET / HTTP/1.2")),
        (400, line(b"GET / HTTP/0.9")),
        (400, line(b"GET / HTTP/1.")),
        (400, line(b"GET / HTTP/01.1")),
        (400, line(b"GET / HTTP/1,1")),
        (400, line(b"GET / http/1.1")),
        (400, line(b"GET / HTTPS/1.1")),
        (400, line(b"GET /")),
        (400, line(b"GET")),
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        (505, line(b"GET / HTTP/2.0")),
        (505, line(b"GET / HTTP/3.1")),
        // 17: what follows a CONNECT may be meant for a tunnel, so it is no request either.
        (501, line(b"CONNECT a:443 HTTP/1.1")),
        (501, b"CONNECT a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n".to_vec()),
        (400, line(b"CONNECT / HTTP/1.1")),
        (400, line(b"CONNECT u@a:443 HTTP/1.1")),
        // The limits.
        (414, line(format!("GET /{} HTTP/1.1", "x".repeat(8192)).as_bytes())),
        (414, line(format!("{} / HTTP/1.1", "X".repeat(9000)).as_bytes())),
        (414, vec![b'X'; 9000]),
        (431, line(format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(16 * 1024)).as_bytes())),
        (431, line(format!("GET / HTTP/1.1{}", "\r\nX: y".repeat(100)).as_bytes())),
        (
            431,
            format!("GET / HTTP/1.1\r\n{}", format!("X: {}\r\n", "y".repeat(8000)).repeat(5))
                .into(),
        ),
    ];
    let requests: Vec<(u16, &[u8])> = requests.iter().map(|(s, r)| (*s, &r[..])).collect();
    all_refused(&requests);
}

#[test]
fn rows_10_and_11_a_malformed_chunk_ends_both_connections() {
    let many = format!("1;{}\r\nx\r\n", "x".repeat(200)).repeat(100);
    let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(300));
    let trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(33));
    let trailer = format!("0\r\nX: {}\r\n\r\n", "y".repeat(9000));
    let bodies = [
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t;x\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "5;x\rhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "\r\n0\r\n\r\n",
        ";x\r\n0\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
        "0\r\nX\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: \x01\r\n\r\n",
        "0\r\nX: y\r\n z\r\n\r\n",
        "0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &long,
        &many,
        &trailers,
        &trailer,
    ];
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in bodies {
        let upstream = Upstream::scripted(echo);
        let weir = one_worker(&upstream);
        let refuse = |client: &mut Client| {
            let answer = client.answer();
            assert_eq!(
                (answer.status, answer.field("connection")),
                (400, Some("close")),
                "{body:?}"
            );
            assert!(client.is_closed(), "{body:?}");
        };
        // All at once: it is found out before anything was sent.
        let mut client = weir.connect();
        refuse(client.send([head, body, SMUGGLED].concat()));
        assert_eq!(upstream.received(), "", "{body:?}");
        // After the endpoint has seen the begin of it, which must not look whole.
        let mut client = weir.connect();
        client.send(head).send("4\r\nfine\r\n");
        until("the begin arrives", || upstream.received().ends_with("4\r\nfine\r\n"));
        refuse(client.send([body, SMUGGLED].concat()));
        assert!(!upstream.received().contains("\r\n0\r\n"), "{body:?}: {}", upstream.received());
        weir.until_metric("weir_pool_connections{pool=\"app\"}", 0.0);
        let refused = "weir_http_refused_total{route=\"none\",reason=\"bad_body\"}";
        assert_eq!(weir.metric(refused), 2.0);
        assert_eq!(weir.get("/next").text(), "/next");
    }
}

/// Requests that are sound, though some parsers stumble over them, and what weir makes of them.
#[test]
fn what_is_sound_is_written_anew() {
    const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let small = "x".repeat(250);
    let extended =
        format!("{POST}Transfer-Encoding: chunked\r\n\r\n3;{small}\r\nabc\r\n0;a=b\r\n\r\n");
    let table: [(&str, String); 26] = [
        // 3 and 4: white space around the value, case, leading zeros.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t 5\t \r\n\r\nhello",
            format!("{POST}Content-Length: 5\r\n\r\nhello"),
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\nX: y\r\n\r\nhello",
            format!("{POST}X: y\r\ncontent-length: 5\r\n\r\nhello"),
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", format!("{POST}content-length: 0\r\n\r\n")),
        (
            "POST / HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING:\tChUnKeD \t\r\n\r\n05\r\nhello\r\n00\r\n\r\n",
            format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"),
        ),
        // 9: one empty line before a request is skipped.
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        // 8: bytes above ASCII in a value, and tabs.
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX:\té\ty\t\r\nY:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: é\ty\r\nY: \r\n\r\n".into(),
        ),
        // 11: small extensions are understood, and gone.
        (&extended, format!("{CHUNKED}3\r\nabc\r\n0\r\n\r\n")),
        // 12: trailers change nothing.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\n",
            format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"),
        ),
        // 13: HTTP/1.0 names no Host; the endpoint's address stands in for it.
        ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nhost: ENDPOINT\r\n\r\n".into()),
        ("GET / HTTP/1.0\r\nHost: a:80\r\n\r\n", "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n".into()),
        ("GET / HTTP/1.1\r\nhOsT:[::1]:80\r\n\r\n", "GET / HTTP/1.1\r\nhOsT: [::1]:80\r\n\r\n".into()),
        // 14: the target wins.
        (
            "GET http://b.example/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /x?y HTTP/1.1\r\nhost: b.example\r\n\r\n".into(),
        ),
        (
            "GET HTTPS://B.example:8443 HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: b.example:8443\r\nX: y\r\n\r\n".into(),
        ),
        (
            "GET http://b.example?y HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "GET /?y HTTP/1.1\r\nHost: b.example\r\n\r\n".into(),
        ),
        ("GET http://b HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nhost: b\r\n\r\n".into()),
        // 16: odd, but sound.
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nhost: b\r\n\r\n".into()),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", "get / HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n", "!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("GET /?\\\"<>^`{|} HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?\\\"<>^`{|} HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        // 18: a body where few expect one.
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".into(),
        ),
        (
            "DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "DELETE / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".into(),
        ),
        (
            "HEAD / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".into(),
        ),
        // 26: a name that some servers read as another.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 50\r\nContent-Length: 5\r\n\
             Transfer_Encoding: chunked\r\nX_Real_IP: b\r\n\r\nhello",
            format!("{POST}Content-Length: 5\r\n\r\nhello"),
        ),
        // 23: what concerns one connection goes, framing and Host stay.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-A: y\r\nConnection: x-a\r\n\r\nhello",
            format!("{POST}Content-Length: 5\r\n\r\nhello"),
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
             Connection: content-length, host, transfer-encoding, close\r\n\r\nhello",
            format!("{POST}Content-Length: 5\r\n\r\nhello"),
        ),
    ];
    for (request, forwarded) in table {
        let upstream = Upstream::replying("");
        let weir = Weir::start(untold(one_pool(&[&upstream])));
        let mut client = weir.connect();
        assert_eq!(client.send(request).answer().status, 200, "{request:?}");
        let forwarded = forwarded.replace("ENDPOINT", &upstream.to_string());
        let version = &request[request.find(" HTTP/").unwrap() + 6..][..3];
        let via = format!("\r\nvia: {version} weir\r\n\r\n");
        let forwarded = forwarded.replacen("\r\n\r\n", &via, 1);
        assert_eq!(upstream.received(), forwarded, "{request:?}");
    }
}

#[test]
fn row_14_the_target_chooses_the_route() {
    let (a, b) = (Upstream::replying("a"), Upstream::replying("b"));
    let weir = Weir::start(format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\npool = \"a\"\n[pools.a]\nendpoints = [\"{a}\"]\n\
         [pools.b]\nendpoints = [\"{b}\"]\n[routes.b]\nhost = \"b.example\"\npool = \"b\"\n"
    ));
    for (request, text) in [
        ("GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "b"),
        ("GET http://B.EXAMPLE:80/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "b"),
        ("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", "a"),
        ("GET / HTTP/1.1\r\nHost: B.example\r\n\r\n", "b"),
        ("GET / HTTP/1.0\r\n\r\n", "a"),
    ] {
        assert_eq!(weir.connect().send(request).answer().text(), text, "{request:?}");
    }
}
