//! What policies do to requests on their way in, and to answers on their way back.

use crate::harness::{Answer, Client, Upstream, Weir, one_pool};

/// A weir in front of this upstream, whose requests go through this route.
fn weir(upstream: &Upstream, listener: &str, route: &str) -> Weir {
    let text = one_pool(&[upstream]).replacen("\n\n", &format!("\n{listener}\n\n"), 1);
    // One worker, so that one connection brings everything to the upstream, in order.
    Weir::start(
        text + "[runtime]\nworkers = 1\n[routes.all]\npool = \"app\"\nforwarded = \"off\"\n"
            + route,
    )
}

fn get(weir: &Weir, path: &str, fields: &str) -> Answer {
    weir.connect()
        .send(format!("GET {path} HTTP/1.1\r\nHost: shop.example:81\r\n{fields}\r\n"))
        .answer()
}

/// What the upstream received last.
fn received(upstream: &Upstream) -> String {
    let all = upstream.received();
    all.rsplit("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
}

#[test]
fn access_is_by_the_address_that_a_trusted_proxy_tells() {
    let upstream = Upstream::replying("hello");
    let lists = "access = { allow = [\"10.0.0.0/8\", \"127.0.0.1\"], deny = \"10.1.0.0/16\" }\n";
    let strict = weir(&upstream, "trusted_proxies = \"127.0.0.1\"", lists);
    for (told, status) in [
        ("", 200),
        ("X-Forwarded-For: 10.2.0.1\r\n", 200),
        ("X-Forwarded-For: 10.1.0.1\r\n", 403),
        ("X-Forwarded-For: 11.0.0.1\r\n", 403),
        ("X-Forwarded-For: 10.2.0.1, 11.0.0.1\r\n", 403),
        ("X-Forwarded-For: 11.0.0.1, 10.2.0.1, 127.0.0.1\r\n", 200),
        ("Forwarded: for=11.0.0.1\r\n", 403),
        ("X-Forwarded-For: nonsense\r\n", 403),
        ("X-Forwarded-For: 10.2.0.1, ,\r\n", 200),
        ("X-Forwarded-For: 10.2.0.1\r\nForwarded: for=11.0.0.1\r\n", 403),
    ] {
        assert_eq!(get(&strict, "/", told).status, status, "{told}");
    }
    assert_eq!(upstream.requests(), 4);
    strict.until_metric("weir_http_refused_total{route=\"all\",reason=\"access\"}", 6.0);
    // Whom nobody trusts is who he is.
    let open = weir(&upstream, "", lists);
    assert_eq!(get(&open, "/", "X-Forwarded-For: 11.0.0.1\r\n").status, 200);
}

#[test]
fn a_refused_body_is_not_waited_for_and_the_next_request_is_answered() {
    let upstream = Upstream::replying("hello");
    let weir = weir(
        &upstream,
        "",
        "[routes.closed]\npath = \"/closed\"\npool = \"app\"\naccess.allow = \"10.0.0.1\"\n",
    );
    let mut client = weir.connect();
    client.send("POST /closed HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.answer().status, 403);
    assert_eq!(client.answer().text(), "hello");
    client.send(
        "POST /closed HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.last_answer().status, 403);
}

#[test]
fn paths_and_hosts_are_rewritten_for_the_endpoint_only() {
    let upstream = Upstream::replying("hello");
    let weir = weir(
        &upstream,
        "",
        "[routes.api]\npath_prefix = \"/api\"\npool = \"app\"\nforwarded = \"x-forwarded\"\n\
         rewrite = { strip_prefix = \"/api\", add_prefix = \"/v2\", host = \"internal.example\" }\n\
         headers.request.set.x-asked = \"{path}\"\n\
         [routes.old]\npath_prefix = \"/old\"\npool = \"app\"\n\
         rewrite = { regex = \"^/old/([^/]+)/(.*)$\", to = \"/$2/$1\" }\n\
         [routes.cut]\npath_prefix = \"/cut\"\npool = \"app\"\n\
         rewrite = { strip_prefix = \"/cut\", regex = \"-v[0-9]+\", to = \"\", add_prefix = \"/public\" }\n",
    );
    get(&weir, "/api/orders?a=/api", "");
    let lines = received(&upstream);
    assert!(lines.starts_with("GET /v2/orders?a=/api HTTP/1.1\r\n"), "{lines}");
    assert!(lines.contains("\r\nhost: internal.example\r\n"), "{lines}");
    assert!(!lines.contains("Host: shop.example"), "{lines}");
    assert!(lines.contains("\r\nx-forwarded-host: shop.example:81\r\n"), "{lines}");
    assert!(lines.contains("\r\nx-asked: /api/orders\r\n"), "{lines}");
    for (path, expected) in [("/old/a/b/c", "/b/c/a"), ("/old/a", "/old/a"), ("/other", "/other")] {
        get(&weir, path, "");
        assert!(received(&upstream).starts_with(&format!("GET {expected} HTTP/1.1\r\n")), "{path}");
    }
    // A segment that becomes a dot segment by what is taken out of it would lead out of the prefix.
    let requests = upstream.requests();
    assert_eq!(get(&weir, "/cut/.-v1./secret", "").status, 400);
    assert_eq!(upstream.requests(), requests);
    weir.until_metric("weir_http_refused_total{route=\"cut\",reason=\"rewrite\"}", 1.0);
}

#[test]
fn headers_are_changed_on_both_ways_and_on_weirs_own_answers() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let weir = weir(
        &upstream,
        "policies = \"edge\"",
        "[routes.user]\npath = \"/users/{id}\"\npool = \"app\"\nforwarded = \"off\"\nrequest_id = false\n\
         [routes.user.headers]\n\
         request.set = { x-user = \"{path.id}\", x-from = \"{client_ip} {host} {method} {query}\" }\n\
         request.add = { accept = \"text/b\" }\n\
         request.remove = [\"cookie\", \"X-Debug\"]\n\
         response.set = { x-frame-options = \"SAMEORIGIN\" }\n\
         [routes.closed]\npath = \"/closed\"\npool = \"app\"\naccess.allow = \"10.0.0.1\"\n\
         [policies.edge.headers.response]\n\
         set = { strict-transport-security = \"max-age=1\", x-frame-options = \"DENY\" }\n\
         remove = [\"server\", \"set-cookie\"]\n",
    );
    let answer = get(
        &weir,
        "/users/7?a=b",
        "Accept: text/a\r\nCookie: a=b\r\nx-debug: 1\r\nX-USER: root\r\n",
    );
    let lines = received(&upstream);
    for line in
        ["Accept: text/a", "accept: text/b", "x-user: 7", "x-from: 127.0.0.1 shop.example GET ?a=b"]
    {
        assert!(lines.contains(&format!("\r\n{line}")), "{line} in {lines}");
    }
    assert!(
        !lines.contains("root") && !lines.contains("Cookie") && !lines.contains("debug"),
        "{lines}"
    );
    assert_eq!(answer.field("server"), None);
    assert_eq!(answer.field("set-cookie"), None);
    assert_eq!(answer.field("x-frame-options"), Some("SAMEORIGIN"), "the route has the last word");
    assert_eq!(answer.field("strict-transport-security"), Some("max-age=1"));
    let refused = get(&weir, "/closed", "");
    assert_eq!((refused.status, refused.field("x-frame-options")), (403, Some("DENY")));
}

/// A peer may merge trailers into the head.
#[test]
fn a_trailer_does_not_bring_back_what_was_changed_in_the_head() {
    let upstream = Upstream::scripted(|mut peer| {
        while peer.request().is_some() {
            peer.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Secret: 1\r\nx-kept: 2\r\n\r\n",
            );
        }
    });
    let weir = weir(
        &upstream,
        "",
        "headers.request = { set = { x-user = \"safe\" }, remove = \"x-secret\" }\n\
         headers.response.remove = \"x-secret\"\n",
    );
    let answer = weir
        .connect()
        .send(
            "POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\
             X-User: root\r\nX-Secret: 1\r\nx-kept: 1\r\n\r\n",
        )
        .answer();
    assert_eq!(answer.trailers, ["x-kept: 2"]);
    let received = upstream.received();
    assert!(received.contains("x-kept: 1") && received.contains("x-user: safe"), "{received}");
    assert!(!received.contains("root") && !received.contains("Secret"), "{received}");
}

#[test]
fn each_request_has_an_id_its_own_if_that_is_sound() {
    let upstream = Upstream::replying("hello");
    let weir = weir(
        &upstream,
        "",
        "headers.response.set.x-request-id = \"{request_id}\"\n\
         [routes.plain]\npath = \"/none\"\npool = \"app\"\nforwarded = \"off\"\nrequest_id = false\n",
    );
    let mut ids = std::collections::BTreeSet::new();
    for given in [
        "",
        "X-Request-ID: \r\n",
        "X-Request-ID: a b\r\n",
        &format!("X-Request-ID: {}\r\n", "a".repeat(129)),
    ] {
        let answer = get(&weir, "/", given);
        let id = answer.field("x-request-id").unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        let lines = received(&upstream);
        assert_eq!(lines.to_ascii_lowercase().matches("x-request-id").count(), 1, "{lines}");
        assert!(lines.contains(&format!("x-request-id: {id}")), "{lines}");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 4, "each is new");
    let answer = get(&weir, "/", "X-Request-ID: mine-1\r\n");
    assert_eq!(answer.field("x-request-id"), Some("mine-1"));
    assert!(received(&upstream).contains("X-Request-ID: mine-1"));
    get(&weir, "/none", "X-Request-ID: a b\r\n");
    assert!(received(&upstream).contains("X-Request-ID: a b"), "left alone");
    let mut client: Client = weir.connect();
    client.send("GET /none HTTP/1.1\r\nHost: h\r\n\r\n").answer();
    assert!(!received(&upstream).contains("x-request-id"));
}

#[test]
fn error_pages_replace_the_bodies_of_errors_whoever_made_them() {
    let upstream = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            let status = request.split(['/', ' ']).nth(2).unwrap_or_default().to_owned();
            peer.send(format!(
                "HTTP/1.1 {status} X\r\nContent-Encoding: gzip\r\nETag: x\r\nX-A: b\r\nContent-Length: 3\r\n\r\nold"
            ));
        }
    });
    let text = |page: &str| {
        one_pool(&[&upstream])
            + &format!(
                "[routes.all]\npool = \"app\"\nerror_pages = {{ 503 = \"{page}\", \"5xx\" = \"all.txt\" }}\n\
                 [routes.closed]\npath = \"/closed\"\npool = \"app\"\naccess.allow = \"10.0.0.1\"\n\
                 error_pages.403 = \"{page}\"\n"
            )
    };
    let weir = Weir::prepared(text("pages/503.html"), |directory| {
        std::fs::create_dir(directory.join("pages")).unwrap();
        std::fs::write(directory.join("pages/503.html"), "<p>busy</p>").unwrap();
        std::fs::write(directory.join("all.txt"), "any").unwrap();
    });
    for (path, status, body, kind) in [
        ("/503", 503, "<p>busy</p>", "text/html; charset=utf-8"),
        ("/502", 502, "any", "text/plain; charset=utf-8"),
        ("/closed", 403, "<p>busy</p>", "text/html; charset=utf-8"),
    ] {
        let answer = get(&weir, path, "");
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{path}");
        assert_eq!(answer.field("content-type"), Some(kind), "{path}");
        assert_eq!(
            answer.field("content-encoding").or_else(|| answer.field("etag")),
            None,
            "{path}"
        );
        let head = weir
            .connect()
            .send(format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .answer_to_head();
        assert_eq!(head.field("content-length"), Some(body.len().to_string().as_str()), "{path}");
    }
    let untouched = get(&weir, "/404", "");
    assert_eq!(
        (untouched.status, untouched.text().as_str(), untouched.field("etag")),
        (404, "old", Some("x"))
    );
    // A page that changes is read again.
    let page = weir.path().with_file_name("pages/503.html");
    std::fs::write(page, "<p>gone</p>").unwrap();
    crate::harness::until("the page is read again", || {
        get(&weir, "/503", "").text() == "<p>gone</p>"
    });
}
