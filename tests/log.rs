//! What weir says about itself: where, in which form, and how much of it the file wants.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crate::harness::{Spawned, Upstream, refusing, until};

/// A directory with a configuration, and the port of its listener.
fn directory(upstream: &Upstream, log: &str) -> (tempfile::TempDir, SocketAddr) {
    let directory = tempfile::tempdir().unwrap();
    let port = refusing();
    write(directory.path(), port, upstream, log);
    (directory, port)
}

fn write(directory: &Path, port: SocketAddr, upstream: &Upstream, log: &str) {
    let text = format!(
        "[listeners.web]\naddress = \"{port}\"\npool = \"p\"\n[metrics]\naddress = \"off\"\n\
         [access_log]\noutput = \"off\"\n[pools.p]\nendpoints = [\"{upstream}\"]\n[log]\n{log}\n"
    );
    let beside = directory.join("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, directory.join("weir.toml")).unwrap();
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn has(path: &Path, message: &str) -> bool {
    lines(path).iter().any(|line| line["message"].as_str().unwrap().contains(message))
}

#[test]
fn it_goes_to_a_file_beside_the_configuration_and_follows_it_and_its_level() {
    let a = Upstream::replying("a");
    let (directory, port) = directory(&a, "output = \"./weir.log\"");
    let (path, old) = (directory.path().join("weir.log"), directory.path().join("weir.log.1"));
    let weir = Spawned::start(directory.path(), &["run"]);
    until("it listens", || TcpStream::connect(port).is_ok());
    until("it says so", || has(&path, "descriptors"));
    let first = &lines(&path)[0];
    assert_eq!((&first["log.level"], &first["service.name"]), (&"info".into(), &"weir".into()));
    assert!(first["@timestamp"].as_str().unwrap().ends_with('Z'));
    fs::rename(&path, &old).unwrap();
    weir.signal("USR1");
    until("it is opened anew", || path.exists());
    write(directory.path(), port, &a, "output = \"./weir.log\"\nlevel = \"error\"");
    weir.signal("HUP");
    // What is said of this reload is said by the level that it brings; the next one is refused.
    write(directory.path(), port, &a, "output = \"./weir.log\"\nlevel = \"loud\"");
    weir.signal("HUP");
    until("a refusal is told", || has(&path, "reload refused"));
    assert!(!has(&path, "reloaded"), "only errors are told");
    write(directory.path(), port, &a, "output = \"./2.log\"\nlevels = { runtime = \"info\" }");
    weir.signal("HUP");
    until("the other file has it", || has(&directory.path().join("2.log"), "reloaded"));
}

#[test]
fn it_is_json_in_a_pipe_and_text_if_the_file_says_so() {
    let a = Upstream::replying("a");
    for (format, json) in [("auto", true), ("text", false), ("json", true)] {
        let (directory, port) = directory(&a, &format!("format = \"{format}\""));
        let mut weir = Spawned::start(directory.path(), &["run"]);
        until("it listens", || TcpStream::connect(port).is_ok());
        let mut said = String::new();
        until("it tells of its descriptors", || {
            said.push_str(&weir.said_so_far());
            said.contains("descriptors")
        });
        let line = said.lines().find(|line| line.contains("descriptors")).unwrap();
        assert_eq!(line.starts_with('{'), json, "{format}: {line}");
        assert!(json || line.contains("  INFO descriptors limit="), "{line}");
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let a = Upstream::replying("a");
    let (directory, _) = directory(&a, "output = \"./none/weir.log\"");
    let said = Spawned::run(directory.path(), &["run"]);
    assert_eq!(said.status.code(), Some(1));
    let told = String::from_utf8_lossy(&said.stderr);
    assert!(told.contains("none/weir.log cannot be opened"), "{told}");
}
