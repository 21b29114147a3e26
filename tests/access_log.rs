//! The access log: one line per request, whatever became of it, where and as the file says.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use weir::runtime::process::Reloaded;
use weir::telemetry::access_log::fields::FIELDS;

use crate::harness::{Client, Spawned, Upstream, Weir, refusing, until};

/// One pool, and this in `[access_log]`; lines are written at once.
fn logging(upstream: &Upstream, access_log: &str) -> String {
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\npool = \"p\"\n\
         [pools.p]\nendpoints = [\"{upstream}\"]\n\
         [routes.quiet]\npath = \"/quiet\"\npool = \"p\"\nlogging.sample = \"0%\"\n\
         [access_log]\nbuffer = \"0\"\n{access_log}\n"
    )
}

/// Waits until a file has so many lines.
fn lines(path: &Path, count: usize) -> Vec<String> {
    // A line that is being written is none yet.
    let read = || {
        let mut text = fs::read_to_string(path).unwrap_or_default();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        text
    };
    until(&format!("{count} lines in {}", path.display()), || read().lines().count() >= count);
    let lines: Vec<String> = read().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), count, "{lines:?}");
    lines
}

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
    fs::write(directory.path().join("weir.toml"), text).unwrap();
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
        ("http.route", "/r/*"),
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
    fs::write(directory.path().join("weir.toml"), text).unwrap();
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

#[test]
fn a_file_is_added_to_and_opened_anew_when_it_was_moved_away() {
    let a = Upstream::replying("hello");
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("a.log"), directory.path().join("a.log.1"));
    fs::write(&path, "before\n").unwrap();
    let weir = Weir::start(logging(&a, &format!("output = \"{}\"", path.display())));
    weir.get("/1");
    assert_eq!(lines(&path, 2)[0], "before");
    fs::rename(&path, &old).unwrap();
    weir.get("/2");
    assert_eq!(lines(&old, 3).len(), 3, "a file that is moved takes its lines with it");
    weir.process().reopen();
    assert!(path.exists(), "it is there before anything else is written");
    weir.get("/3");
    assert!(lines(&path, 1)[0].contains("\"url.path\":\"/3\""));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640 & !umask());
    // It cannot be opened any more: lines go where they went.
    fs::rename(&path, directory.path().join("a.log.2")).unwrap();
    fs::create_dir(&path).unwrap();
    weir.process().reopen();
    weir.get("/4");
    lines(&directory.path().join("a.log.2"), 2);
}

/// What this process takes from the mode of every file it makes.
fn umask() -> u32 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    fs::write(&path, "").unwrap();
    0o666 & !path.metadata().unwrap().permissions().mode()
}

#[test]
fn a_reload_changes_output_and_form_and_refuses_what_cannot_be_opened() {
    let a = Upstream::replying("hello");
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("1.log"), directory.path().join("2.log"));
    let output = |path: &Path| format!("output = \"{}\"", path.display());
    let weir = Weir::start(logging(&a, &output(&first)));
    weir.get("/1");
    lines(&first, 1);
    let nowhere = output(&directory.path().join("none/3.log"));
    assert_eq!(weir.reload(logging(&a, &nowhere)), Reloaded::Refused);
    weir.get("/2");
    lines(&first, 2);
    let combined = format!("{}\nformat = \"combined\"", output(&second));
    assert_eq!(weir.reload(logging(&a, &combined)), Reloaded::Accepted);
    weir.get("/3?token=secret");
    let line = &lines(&second, 1)[0];
    assert!(line.contains(r#"] "GET /3?token=\xE2\x80\xA6 HTTP/1.1" 200 5 "-" "-""#), "{line}");
    assert_eq!(weir.reload(logging(&a, "output = \"off\"")), Reloaded::Accepted);
    weir.get("/4");
    let logfmt = format!("{}\nformat = \"logfmt\"", output(&second));
    assert_eq!(weir.reload(logging(&a, &logfmt)), Reloaded::Accepted);
    weir.get("/5");
    assert!(
        lines(&second, 2)[1].contains(" url.path=/5 "),
        "nothing of what came while it was off"
    );
    lines(&first, 2);
}

/// RFC 5424, 6: `<PRI>VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP SD SP MSG`.
#[test]
fn syslog_gets_one_datagram_per_line_and_its_absence_slows_nobody() {
    let a = Upstream::replying("hello");
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = server.local_addr().unwrap();
    let weir = Weir::start(logging(&a, &format!("output = \"syslog:{address}\"")));
    weir.get("/1");
    let mut datagram = [0; 4096];
    let length = server.recv(&mut datagram).unwrap();
    let text = std::str::from_utf8(&datagram[..length]).unwrap();
    let parts: Vec<&str> = text.splitn(8, ' ').collect();
    assert_eq!((parts[0], parts[3], parts[5], parts[6]), ("<190>1", "weir", "access", "-"));
    assert!(parts[1].ends_with('Z') && !parts[2].is_empty(), "{text}");
    assert_eq!(parts[4], std::process::id().to_string());
    let json: serde_json::Value = serde_json::from_str(parts[7]).unwrap();
    assert_eq!(json["url.path"], "/1");
    drop(server);
    let mut client = weir.connect();
    for _ in 0..200 {
        assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    }
    until("lost lines are counted", || {
        weir.metric("weir_telemetry_dropped_total{kind=\"access_log\"}") > 0.0
    });
}

#[test]
fn a_route_may_have_no_lines_but_what_is_slow_or_failed_is_always_written() {
    let a = Upstream::scripted(|mut peer| {
        while let Some(request) = peer.request() {
            if request.contains("fail") {
                peer.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
            } else {
                peer.reply("hello");
            }
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    let weir = Weir::start(logging(&a, &format!("output = \"{}\"", path.display())));
    for _ in 0..20 {
        weir.get("/quiet");
    }
    weir.get("/quiet?fail");
    weir.get("/loud");
    let lines = lines(&path, 2);
    // Each worker writes its own, in its own time.
    let has = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
    assert_eq!((has("fail"), has("/loud"), has("/quiet")), (1, 1, 1), "{lines:?}");
}

/// Whatever bytes a client sends, a line is one line of JSON, its names and types those of the table.
#[test]
fn lines_are_valid_whatever_clients_send() {
    let a = Upstream::replying("hello");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    let weir = Weir::start(logging(&a, &format!("output = \"{}\"", path.display())));
    let requests: [&[u8]; 6] = [
        b"GET /%0a%22?\"\\&token=s HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xfe\"\\\xc2\x85\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nReferer: https://b/?token=s#\xe9\r\nCookie: s=s\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x00\r\n\r\n",
        b"G\"T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for request in requests {
        weir.connect().send(request).answer();
    }
    for line in lines(&path, requests.len()) {
        assert!(!line.contains("=s\"") && !line.contains("=s#"), "a secret: {line}");
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (name, value) in json.as_object().unwrap() {
            let header = name.starts_with("http.request.header.")
                || name.starts_with("http.response.header.");
            let field = FIELDS.iter().find(|field| field.name == name);
            assert!(header || field.is_some(), "{name} is not in the table");
            let text = field.is_none_or(|field| field.kind.as_str() == "text");
            assert_eq!(value.is_string(), text, "{name}: {value}");
        }
        for name in ["@timestamp", "event.duration", "weir.result", "weir.listener"] {
            assert!(json.get(name).is_some(), "no {name}: {line}");
        }
    }
}

/// What goes wrong has a reason, and whatever goes wrong has one line.
#[test]
fn every_failure_has_its_reason_and_every_request_one_line() {
    let a = Upstream::scripted(|mut peer| {
        let request = peer.request().unwrap_or_default();
        match request.split(' ').nth(1).unwrap_or_default() {
            "/reset" => {}
            "/aborted" => peer.send("HTTP/1.1 200"),
            "/protocol" => peer.send("no HTTP\r\n\r\n"),
            "/truncated" => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"),
            "/bad_answer_body" => {
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
            }
            "/gone" => while peer.request().is_some() {},
            _ => peer.reply("hello"),
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    let text = logging(&a, &format!("output = \"{}\"", path.display()))
        + &format!(
            "[routes.dead]\npath = \"/dead\"\npool = \"dead\"\n[pools.dead]\nendpoints = [\"{}\"]\n\
             [routes.small]\npath = \"/small\"\npool = \"p\"\nmax_body = \"1B\"\n\
             [routes.closed]\npath = \"/closed\"\npool = \"p\"\naccess.deny = \"127.0.0.1\"\n",
            refusing()
        );
    let weir = Weir::start(text);
    let head = |method: &str, path: &str, fields: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    };
    let cases = [
        (head("GET", "/", ""), ""),
        (head("GET", "/dead", ""), "connect_failure"),
        (head("POST", "/small", "Content-Length: 2\r\n") + "ab", "body_too_large"),
        (head("GET", "/closed", ""), "access"),
        (head("POST", "/reset", ""), "reset"),
        (head("GET", "/aborted", ""), "aborted"),
        (head("GET", "/protocol", ""), "protocol"),
        (head("GET", "/truncated", ""), "truncated"),
        (head("GET", "/bad_answer_body", ""), "bad_answer_body"),
        (head("POST", "/", "Transfer-Encoding: chunked\r\n") + "x\r\n", "bad_body"),
        (head("GET", "/", "A b\r\n"), "bad_request"),
        (head("GET", &format!("/{}", "a".repeat(9000)), ""), "line_too_long"),
        (head("GET", "/", &"a: b\r\n".repeat(101)), "head_too_large"),
        (head("POST", "/", "Transfer-Encoding: gzip\r\n"), "unknown_coding"),
        (String::from("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), "unknown_version"),
        (head("CONNECT", "a:1", ""), "connect_method"),
        (head("GET", "/gone", ""), "client_gone"),
    ];
    for (at, (request, reason)) in cases.iter().enumerate() {
        let mut client = weir.connect();
        client.send(request);
        if *reason == "client_gone" {
            a.until_requests(a.requests().max(1));
            drop(client);
        } else {
            let _ = client.try_answer();
        }
        let line = &lines(&path, at + 1)[at];
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(json["weir.reason"].as_str().unwrap_or_default(), *reason, "{line}");
        assert_eq!(json["weir.result"] == "ok", reason.is_empty(), "{line}");
    }
    weir.until_metric("weir_http_requests_total", cases.len() as f64);
}
