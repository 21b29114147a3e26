//! The access log: one line of JSON per request, whatever became of it.

use std::io::{BufRead, BufReader};

use crate::harness::{Client, Spawned, Upstream, refusing, until};

/// The real binary, since the log goes to its standard output.
#[test]
fn every_request_has_one_line_that_says_what_became_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let a = Upstream::replying("hello");
    let port = refusing();
    let text = format!(
        "[listeners.web]\naddress = \"{port}\"\n[metrics]\naddress = \"off\"\n\
         [routes.r]\npath_prefix = \"/r\"\npool = \"p\"\n[pools.p]\nendpoints = [\"{a}\"]\n\
         [routes.dead]\npath = \"/dead\"\npool = \"dead\"\n[pools.dead]\nendpoints = [\"{}\"]\n",
        refusing()
    );
    std::fs::write(directory.path().join("weir.toml"), text).unwrap();
    let mut weir = Spawned::start(directory.path(), &["run"]);
    until("it listens", || std::net::TcpStream::connect(port).is_ok());
    let mut client = Client::connect(port);
    client.send("GET /r/x?q=\"1\" HTTP/1.1\r\nHost: H.example:80\r\nAuthorization: secret\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.send("GET /none HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 404);
    assert_eq!(client.send("GET /dead HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 502);
    assert_eq!(client.send("bad\r\n\r\n").answer().status, 400);
    let lines = BufReader::new(weir.child().stdout.take().unwrap()).lines().take(4);
    let lines: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(lines.iter().all(|line| !line.contains("secret")));
    let json: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ok = &json[0];
    for (field, value) in [
        ("http.request.method", "GET"),
        ("url.domain", "h.example"),
        ("url.path", "/r/x"),
        ("url.query", "q=\"1\""),
        ("http.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("server.address", "127.0.0.1"),
        ("weir.listener", "web"),
        ("weir.route", "r"),
        ("weir.pool", "p"),
        ("weir.result", "ok"),
    ] {
        assert_eq!(ok[field], value, "{field}");
    }
    assert_eq!(ok["http.response.status_code"], 200);
    assert_eq!(ok["http.response.body.size"], 5);
    assert_eq!(ok["weir.attempts"], 1);
    assert!(ok.get("weir.reason").is_none());
    assert!(json[3].get("url.path").is_none(), "nothing of another request: {}", lines[3]);
    for (line, reason, result) in [
        (1, "no_route", "refused"),
        (2, "connect_failure", "upstream_error"),
        (3, "bad_request", "refused"),
    ] {
        assert_eq!(json[line]["weir.reason"], reason);
        assert_eq!(json[line]["weir.result"], result);
    }
}

#[test]
fn a_second_signal_loses_no_line_of_what_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let a = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            if !request.contains("/never") {
                peer.reply("hello");
            }
        }
    });
    let port = refusing();
    let text = format!(
        "[listeners.web]\naddress = \"{port}\"\npool = \"p\"\n[metrics]\naddress = \"off\"\n\
         [pools.p]\nendpoints = [\"{a}\"]\n"
    );
    std::fs::write(directory.path().join("weir.toml"), text).unwrap();
    let mut weir = Spawned::start(directory.path(), &["run"]);
    until("it listens", || std::net::TcpStream::connect(port).is_ok());
    let mut client = Client::connect(port);
    for _ in 0..50 {
        assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    }
    let mut never = Client::connect(port);
    never.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    a.until_requests(51);
    weir.signal("TERM");
    until("it accepts no more", || std::net::TcpStream::connect(port).is_err());
    weir.signal("TERM");
    let said = std::io::read_to_string(weir.child().stdout.take().unwrap()).unwrap();
    assert_eq!(weir.child().wait().unwrap().code(), Some(0));
    assert_eq!(said.matches("\"http.response.status_code\":200").count(), 50, "{said}");
    assert_eq!(said.matches("\"weir.reason\":\"stopped\"").count(), 1, "{said}");
}
