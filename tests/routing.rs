//! Which request goes where: host and path, the most specific first.

use crate::harness::{Upstream, Weir};

/// A weir with a pool per letter, whose endpoint answers with that letter, and these routes.
fn weir(routes: &str) -> (Weir, Vec<Upstream>) {
    let mut text = String::from("[listeners.web]\naddress = \"127.0.0.1:0\"\n");
    let upstreams: Vec<Upstream> =
        ["a", "b", "c", "d"].into_iter().map(Upstream::replying).collect();
    for (name, upstream) in ["a", "b", "c", "d"].iter().zip(&upstreams) {
        text.push_str(&format!("[pools.{name}]\nendpoints = [\"{upstream}\"]\n"));
    }
    (Weir::start(text + routes), upstreams)
}

fn ask(weir: &Weir, host: &str, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = weir.connect().send(request).answer();
    if answer.status == 200 { answer.text() } else { answer.status.to_string() }
}

const ROUTES: &str = r#"
[routes.all]
path_prefix = "/"
pool = "a"
[routes.api]
path_prefix = "/api"
pool = "b"
[routes.exact]
path = "/api/exact"
pool = "c"
[routes.shop]
host = ["shop.example", "www.shop.example"]
path_prefix = "/cart/"
pool = "d"
"#;

#[test]
fn the_most_specific_route_takes_the_request() {
    let (weir, _upstreams) = weir(ROUTES);
    for (host, target, expected) in [
        ("x", "/", "a"),
        ("x", "/apis", "a"),
        ("x", "/api", "b"),
        ("x", "/api/v1?q=/api/exact", "b"),
        ("x", "/api/exact", "c"),
        ("x", "/api/exact/", "b"),
        ("x", "/api/./v1/../exact", "c"),
        ("x", "/%61pi/%65xact", "c"),
        ("shop.example", "/cart", "d"),
        ("SHOP.example:8080", "/cart/1", "d"),
        ("www.shop.example", "/cart/1", "d"),
        ("shop.example", "/api", "b"),
        ("other.example", "/cart/1", "a"),
    ] {
        assert_eq!(ask(&weir, host, target), expected, "{host}{target}");
    }
    for (route, count) in [("all", 3.0), ("api", 4.0), ("exact", 3.0), ("shop", 3.0)] {
        let requests =
            format!("weir_http_requests_total{{route=\"{route}\",method=\"GET\",code=\"200\"}}");
        weir.until_metric(&requests, count);
    }
}

#[test]
fn what_was_matched_is_what_is_forwarded() {
    let (weir, upstreams) = weir(ROUTES);
    ask(&weir, "x", "/api/./v1/../exact?a=/../b");
    assert!(upstreams[2].received().starts_with("GET /api/exact?a=/../b HTTP/1.1\r\n"));
}

#[test]
fn no_route_is_404_and_counted_under_none() {
    let (weir, _upstreams) = weir("[routes.only]\nhost = \"h\"\npool = \"a\"\n");
    assert_eq!(ask(&weir, "h", "/"), "a");
    assert_eq!(ask(&weir, "g", "/"), "404");
    let refused = "weir_http_refused_total{route=\"none\",reason=\"no_route\"}";
    weir.until_metric(refused, 1.0);
    weir.until_metric("weir_http_requests_total{route=\"none\",method=\"GET\",code=\"404\"}", 1.0);
}

#[test]
fn a_route_belongs_to_its_listeners() {
    let a = Upstream::replying("a");
    let weir = Weir::start(format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\n[listeners.other]\naddress = \"127.0.0.1:0\"\n\
         [routes.r]\nlisteners = \"other\"\npool = \"p\"\n[pools.p]\nendpoints = [\"{a}\"]\n"
    ));
    assert_eq!(ask(&weir, "h", "/"), "404");
    let other = weir.process().address("other").unwrap();
    let mut client = crate::harness::Client::connect(other);
    assert_eq!(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").answer().text(), "a");
}

#[test]
fn row_57_a_question_about_the_server_goes_to_the_route_of_every_path() {
    let (weir, upstreams) = weir(
        "[routes.api]\npath_prefix = \"/api\"\npool = \"a\"\n\
         [routes.all]\nhost = \"h\"\npool = \"b\"\n",
    );
    let ask = |request: &str| weir.connect().send(request).answer();
    assert_eq!(ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").text(), "b");
    assert_eq!(ask("OPTIONS http://h HTTP/1.1\r\nHost: g\r\n\r\n").text(), "b");
    assert_eq!(upstreams[1].received().matches("OPTIONS * HTTP/1.1\r\n").count(), 2);
    assert_eq!(ask("OPTIONS * HTTP/1.1\r\nHost: g\r\n\r\n").status, 404);
    assert_eq!(ask("GET * HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
    assert_eq!(ask("OPTIONS http://h/ HTTP/1.1\r\nHost: h\r\n\r\n").text(), "b");
    assert!(upstreams[1].received().contains("OPTIONS / HTTP/1.1\r\n"));
}

fn send(weir: &Weir, request: &str) -> crate::harness::Answer {
    weir.connect().send(request).answer()
}

const CONDITIONS: &str = r#"
[routes.all]
pool = "a"
[routes.writes]
method = ["POST", "PUT"]
pool = "b"
[routes.beta]
header = { x-beta = "1", x-old = { absent = true } }
pool = "c"
[routes.search]
query.q = { present = true }
cookie.plan = { regex = "^(pro|team)$" }
client_ip = "127.0.0.0/8"
pool = "d"
"#;

#[test]
fn conditions_choose_and_more_of_them_come_first() {
    let (weir, _upstreams) = weir(CONDITIONS);
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n", "a"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n", "b"),
        ("DELETE / HTTP/1.1\r\nHost: h\r\n", "a"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX-Beta: 1\r\n", "c"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX-Beta: 1\r\nX-BETA: 1\r\n", "c"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX-Beta: 0\r\nX-BETA: 1\r\n", "a"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX-Beta: 1\r\nX-Old: \r\n", "a"),
        ("PUT / HTTP/1.1\r\nHost: h\r\nX-Beta: 1\r\nContent-Length: 0\r\n", "c"),
        ("GET /?q HTTP/1.1\r\nHost: h\r\nCookie: a=b; plan=pro\r\n", "d"),
        ("GET /?%71=1 HTTP/1.1\r\nHost: h\r\nCookie: plan=team\r\nX-Beta: 1\r\n", "d"),
        ("GET /?q HTTP/1.1\r\nHost: h\r\nCookie: plan=free\r\n", "a"),
        ("GET /q HTTP/1.1\r\nHost: h\r\nCookie: plan=pro\r\n", "a"),
    ] {
        assert_eq!(send(&weir, &format!("{request}\r\n")).text(), expected, "{request}");
    }
}

const PATHS: &str = r#"
[routes.open]
path = "/users/{id}"
pool = "a"
[routes.me]
path = "/users/me"
pool = "b"
[routes.version]
path_regex = "/v[0-9]+/.*"
pool = "c"
[routes.v1]
path_prefix = "/v1"
pool = "d"
[routes.wild]
host = "*.shop.example"
pool = "d"
[routes.first]
priority = 1
path = "/users/first"
pool = "c"
"#;

#[test]
fn patterns_expressions_wildcards_and_priorities() {
    let (weir, _upstreams) = weir(PATHS);
    for (host, target, expected) in [
        ("h", "/users/7", "a"),
        ("h", "/users/me", "b"),
        ("h", "/users/m%65", "b"),
        ("h", "/users/7/x", "404"),
        ("h", "/users/", "404"),
        ("h", "/v1/x", "c"),
        ("h", "/v1", "d"),
        ("h", "/v/x", "404"),
        ("a.shop.example", "/users/7", "d"),
        ("A.SHOP.example.:80", "/", "d"),
        ("a.b.shop.example", "/users/7", "a"),
        ("shop.example", "/users/7", "a"),
        ("a.shop.example", "/users/first", "c"),
    ] {
        assert_eq!(ask(&weir, host, target), expected, "{host}{target}");
    }
}

#[test]
fn a_split_shares_out_by_weight_and_keeps_clients_where_they_are() {
    let (weir, _upstreams) = weir(
        "[routes.some]\npath = \"/some\"\nsplit = { a = 3, b = 1, c = 0 }\n\
         [routes.same]\npath = \"/same\"\nsplit = { a = 1, b = 1 }\nsticky = [\"cookie:id\", \"header:x-id\"]\n",
    );
    let mut client = weir.connect();
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..400 {
        let answer = client.send("GET /some HTTP/1.1\r\nHost: h\r\n\r\n").answer().text();
        *counts.entry(answer).or_insert(0) += 1;
    }
    // 300 expected; a fair draw is off by 60 once in ten million times.
    assert!((240..=360).contains(&counts["a"]) && counts["a"] + counts["b"] == 400, "{counts:?}");
    let mut arm = |field: &str| {
        client.send(format!("GET /same HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n")).answer().text()
    };
    let of = |ids: &mut dyn FnMut(usize) -> String| (0..40).map(ids).collect::<Vec<_>>();
    let by_cookie = of(&mut |id| arm(&format!("Cookie: id={id}")));
    assert!(by_cookie.contains(&"a".to_owned()) && by_cookie.contains(&"b".to_owned()));
    assert_eq!(
        by_cookie,
        of(&mut |id| arm(&format!("X-Id: x\r\nCookie: id={id}"))),
        "the first counts"
    );
    assert_eq!(
        by_cookie,
        of(&mut |id| arm(&format!("X-Id: {id}"))),
        "the same key, the same place"
    );
}

#[test]
fn a_redirect_tells_where_and_a_response_is_weirs_own() {
    let (weir, upstreams) = weir(
        "[routes.old]\npath = \"/old/{id}\"\n\
         redirect = { to = \"https://new.example/{path.id}{query}#{host}\" }\n\
         [routes.found]\npath = \"/found\"\nredirect = { to = \"/there\", status = 302 }\n\
         [routes.robots]\npath = \"/robots.txt\"\nrespond = { body = \"Disallow: /\", content_type = \"text/x\" }\n\
         [routes.gone]\npath = \"/gone\"\nrespond = { status = 410 }\n\
         [routes.quiet]\npath = \"/quiet\"\nrespond = { status = 204 }\n",
    );
    let answer = send(&weir, "GET /old/7%2f?a=b HTTP/1.1\r\nHost: H:80\r\n\r\n");
    assert_eq!(answer.status, 308);
    assert_eq!(answer.field("location"), Some("https://new.example/7%2F?a=b#h"));
    let mut client = weir.connect();
    client.send("POST /found HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("location")), (302, Some("/there")));
    let answer = client.send("GET /robots.txt HTTP/1.1\r\nHost: h\r\n\r\n").answer();
    assert_eq!(
        (answer.text().as_str(), answer.field("content-type")),
        ("Disallow: /", Some("text/x"))
    );
    assert_eq!(answer.field("content-length"), Some("11"));
    client.send("HEAD /robots.txt HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.answer_to_head().field("content-length"), Some("11"));
    let answer = client.send("GET /gone HTTP/1.1\r\nHost: h\r\n\r\n").answer();
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.field("content-length")),
        (410, "", Some("0"))
    );
    let answer = client.send("GET /quiet HTTP/1.1\r\nHost: h\r\n\r\n").answer();
    assert_eq!((answer.status, answer.field("content-length")), (204, None));
    assert!(upstreams.iter().all(|upstream| upstream.requests() == 0));
}
