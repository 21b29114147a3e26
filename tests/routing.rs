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
