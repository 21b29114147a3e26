//! How much of everything is borne: the limits of heads and bodies, each moved by its key.

use crate::harness::{Upstream, Weir, one_pool, until};

/// A request line of this length in all.
fn line(length: usize) -> String {
    let rest = "GET / HTTP/1.1".len();
    format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - rest))
}

/// A head of this length in all, whose fields are short.
fn head(length: usize) -> String {
    let mut head = String::from("GET / HTTP/1.1\r\nHost: a\r\n");
    while length - head.len() > 1100 {
        head.push_str(&format!("X: {}\r\n", "y".repeat(995)));
    }
    let rest = length - head.len() - "X: \r\n\r\n".len();
    head + &format!("X: {}\r\n\r\n", "y".repeat(rest))
}

/// A field of this length, name and value.
fn field(length: usize) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(length - 1))
}

/// So many fields.
fn fields(count: usize) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1))
}

fn chunk(extension: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n",
        "e".repeat(extension)
    )
}

fn chunks(count: usize) -> String {
    let chunk = format!("1;{}\r\nx\r\n", "e".repeat(100));
    format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(count)
    )
}

fn trailer(length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX:{}\r\n\r\n",
        "y".repeat(length - 2)
    )
}

#[test]
fn d1_to_d3_and_d14_every_limit_of_a_request_holds_to_the_byte_and_can_be_moved() {
    type Make = fn(usize) -> String;
    let table: [(&str, &str, Make, usize, u16); 7] = [
        ("request_line", "2KiB", line, 2048, 414),
        ("header_size", "4KiB", head, 4096, 431),
        ("header_field", "2KiB", field, 2048, 431),
        ("headers", "5", fields, 5, 431),
        ("chunk_extension", "9B", chunk, 9, 400),
        ("chunk_extensions", "1KiB", chunks, 10, 400),
        ("trailer_size", "100B", trailer, 100, 400),
    ];
    let upstream = Upstream::replying("hello");
    for (key, value, make, most, status) in table {
        let value = if key == "headers" { value.to_owned() } else { format!("\"{value}\"") };
        let limits = format!("[listeners.web.limits]\n{key} = {value}\n");
        let weir = Weir::start(one_pool(&[&upstream]) + &limits);
        let ask = |n: usize| weir.connect().send(make(n)).answer().status;
        assert_eq!(ask(most), 200, "{key}");
        assert_eq!(ask(most + 1), status, "{key}");
    }
    // Without the keys they are as they are documented.
    let weir = Weir::start(one_pool(&[&upstream]));
    for (make, most, status) in [
        (line as Make, 8 * 1024, 414),
        (head, 32 * 1024, 431),
        (field, 16 * 1024, 431),
        (fields, 100, 431),
        (chunk, 256, 400),
        (chunks, 163, 400),
        (trailer, 8 * 1024, 400),
    ] {
        let ask = |n: usize| weir.connect().send(make(n)).answer().status;
        assert_eq!((ask(most), ask(most + 1)), (200, status), "{most}");
    }
}

#[test]
fn d4_a_body_is_as_large_as_its_route_allows() {
    let upstream = Upstream::replying("hello");
    let text = one_pool(&[&upstream])
        + "[policies.small]\nmax_body = \"5B\"\n\
           [routes.small]\npath_prefix = \"/small\"\npool = \"app\"\npolicies = \"small\"\n\
           [routes.larger]\npath = \"/small/larger\"\npool = \"app\"\npolicies = \"small\"\n\
           max_body = \"0\"\n";
    let weir = Weir::start(text);
    let length = |path: &str, n: usize| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n{}", "x".repeat(n))
    };
    let chunked = |path: &str, n: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            "1\r\nx\r\n".repeat(n)
        )
    };
    for (path, most) in [("/small", 5), ("/small/larger", 100_000), ("/", 100_000)] {
        assert_eq!(weir.connect().send(length(path, most)).answer().status, 200, "{path}");
        assert_eq!(weir.connect().send(chunked(path, most)).answer().status, 200, "{path}");
    }
    let asked = upstream.requests();
    let mut client = weir.connect();
    assert_eq!(client.send(length("/small", 6)).answer().status, 413);
    assert_eq!(client.send(length("/small", 5)).answer().status, 200, "the connection goes on");
    assert_eq!(upstream.requests(), asked + 1, "it was refused by its head");
    // How large this one is shows only as it comes.
    let mut client = weir.connect();
    assert_eq!(client.send(chunked("/small", 6)).answer().status, 413);
    let mut client = weir.connect();
    let endless = chunked("/small", 6);
    client.send(endless.strip_suffix("0\r\n\r\n").unwrap());
    assert_eq!(client.answer().status, 413, "though more would come");
    assert!(client.is_closed());
    until("the endpoint's connection ends", || upstream.requests() == asked + 1);
    // Nobody is invited to send what will not be taken.
    let mut client = weir.connect();
    client.send(
        "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (413, Some("close")));
    weir.until_metric("weir_http_refused_total{route=\"small\",reason=\"body_too_large\"}", 4.0);
}

#[test]
fn d13_an_answer_has_a_head_of_the_size_its_pool_bears() {
    let upstream = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            let target = request.split(' ').nth(1).unwrap_or_default();
            let fields = match target.split_once('=') {
                Some(("/size", n)) => {
                    let most = n.parse::<usize>().unwrap();
                    let rest = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n\r\n".len();
                    format!("X: {}\r\n", "y".repeat(most - rest))
                }
                Some((_, n)) => "X: y\r\n".repeat(n.parse::<usize>().unwrap() - 1),
                None => String::new(),
            };
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n"));
        }
    });
    for (limits, size, count) in [
        ("", 64 * 1024, 100),
        ("[pools.app.limits]\nheader_size = \"1KiB\"\nheaders = 5\n", 1024, 5),
    ] {
        let weir = Weir::start(one_pool(&[&upstream]) + limits);
        let status = |target: String| weir.get(&target).status;
        assert_eq!(status(format!("/size={size}")), 200);
        assert_eq!(status(format!("/size={}", size + 1)), 502);
        assert_eq!(status(format!("/count={count}")), 200);
        assert_eq!(status(format!("/count={}", count + 1)), 502);
    }
}
