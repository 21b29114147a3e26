//! The binary as a person meets it: exit codes, sentences that say what to do, signals.

use std::io::Read;

use crate::harness::{Client, Spawned, Upstream, one_pool, refusing, until};

fn directory(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("weir.toml"), text).unwrap();
    directory
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_wrong_file_at_the_start_is_exit_78_and_opens_no_port() {
    let port = refusing();
    let wrong = format!(
        "[listeners.web]\nadress = \"{port}\"\npool = \"ap\"\n[pools.app]\nendpoints = []\n"
    );
    let directory = directory(&wrong);
    for command in ["run", "check"] {
        let output = Spawned::run(directory.path(), &[command]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        let said = text(&output.stdout) + &text(&output.stderr);
        for code in ["E0201", "E0301"] {
            assert!(said.contains(code), "{command}: {said}");
        }
        assert!(said.contains("write `address`") && said.contains("weir.toml:2:1"), "{said}");
    }
    assert!(std::net::TcpStream::connect(port).is_err());
}

#[test]
fn a_port_in_use_is_one_sentence_with_the_fix() {
    let taken = Upstream::replying("x");
    let config = format!("{}[metrics]\naddress = \"off\"\n", one_pool(&[&taken]));
    let directory = directory(&config.replace("127.0.0.1:0", &taken.to_string()));
    let output = Spawned::run(directory.path(), &["run"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("in use") && said.contains("another port"), "{said}");
}

#[test]
fn a_second_weir_never_shares_a_port() {
    let (a, port) = (Upstream::replying("x"), refusing());
    let config = one_pool(&[&a]).replace("127.0.0.1:0", &port.to_string());
    let directory = directory(&format!("{config}[metrics]\naddress = \"off\"\n"));
    let _first = Spawned::start(directory.path(), &["run"]);
    until("it listens", || std::net::TcpStream::connect(port).is_ok());
    let second = Spawned::run(directory.path(), &["run"]);
    assert_eq!(second.status.code(), Some(1));
}

#[test]
fn a_missing_file_says_what_to_write() {
    let directory = tempfile::tempdir().unwrap();
    let output = Spawned::run(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stdout).contains("E0501"), "{}", text(&output.stdout));
}

#[test]
fn every_word_that_weir_says_can_be_explained() {
    let directory = tempfile::tempdir().unwrap();
    for word in ["E0201", "round-robin", "least-requests", "connect_failure", "no_endpoint"] {
        let output = Spawned::run(directory.path(), &["explain", word]);
        assert_eq!(output.status.code(), Some(0), "{word}");
        assert!(text(&output.stdout).lines().count() >= 2, "{word}");
    }
    let output = Spawned::run(directory.path(), &["explain", "E9999"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn sighup_reloads_and_sigterm_lets_open_requests_end() {
    let slow = Upstream::scripted(|mut peer| {
        let Some(request) = peer.request() else { return };
        if request.starts_with("GET /slow") {
            // Until the test lets go: it closes the connection of its own.
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
            peer.request();
        }
        peer.reply("ok");
    });
    let port = refusing();
    let config = one_pool(&[&slow]).replace("127.0.0.1:0", &port.to_string());
    let directory = directory(&format!(
        "{config}[metrics]\naddress = \"off\"\n[access_log]\noutput = \"off\"\n"
    ));
    let mut weir = Spawned::start(directory.path(), &["run"]);
    until("it listens", || std::net::TcpStream::connect(port).is_ok());
    let mut stderr = weir.child().stderr.take().unwrap();
    let bad = std::fs::read_to_string(directory.path().join("weir.toml")).unwrap() + "wrong = 1\n";
    std::fs::write(directory.path().join("weir.toml"), bad).unwrap();
    weir.signal("HUP");
    let mut said = String::new();
    let mut block = [0; 4096];
    until("the report is in the log", || {
        let n = stderr.read(&mut block).unwrap_or_default();
        said.push_str(&text(&block[..n]));
        said.contains("reload refused") && said.contains("wrong")
    });
    let mut client = Client::connect(port);
    assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().text(), "ok");
    let mut open = Client::connect(port);
    open.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    slow.until_requests(2);
    weir.signal("TERM");
    until("it accepts no more", || std::net::TcpStream::connect(port).is_err());
    assert!(client.is_closed(), "an idle connection is closed");
    drop(slow);
    drop(open);
    let mut code = None;
    until("it ends", || {
        code = weir.child().try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(0));
}

#[test]
fn nobody_who_reads_the_log_is_no_reason_to_stop() {
    let a = Upstream::replying("a");
    let (port, metrics) = (refusing(), refusing());
    let config = one_pool(&[&a]).replace("127.0.0.1:0", &port.to_string());
    let directory = directory(&format!("{config}[metrics]\naddress = \"{metrics}\"\n"));
    let mut weir = Spawned::start(directory.path(), &["run"]);
    until("it listens", || std::net::TcpStream::connect(port).is_ok());
    drop((weir.child().stdout.take(), weir.child().stderr.take()));
    let path = directory.path().join("weir.toml");
    for _ in 0..3 {
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "wrong = 1\n").unwrap();
        weir.signal("HUP");
    }
    let refused = || {
        let request = "GET /metrics HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
        let text = Client::connect(metrics).send(request).answer().text();
        text.contains("weir_config_last_reload_successful 0")
    };
    until("the reload was refused, and told so", refused);
    assert_eq!(
        Client::connect(port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status,
        200
    );
    weir.signal("TERM");
    until("it ends", || weir.child().try_wait().unwrap().is_some());
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for path in ["/dev/zero", "."] {
        let output = Spawned::run(directory.path(), &["check", path]);
        assert_eq!(output.status.code(), Some(78), "{path}");
        assert!(text(&output.stdout).contains("E0501"), "{path}");
    }
}

#[test]
fn fmt_lays_a_file_out_in_place_and_keeps_its_mode_and_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = directory("# the shop\n\n[pools.app] # here\nendpoints=['127.0.0.1:1']\n");
    let path = directory.path().join("weir.toml");
    let link = directory.path().join("link.toml");
    symlink("weir.toml", &link).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let weir = |arguments: &[&str]| Spawned::run(directory.path(), arguments);
    let check = weir(&["fmt", "--check"]);
    assert_eq!((check.status.code(), text(&check.stdout)), (Some(1), "weir.toml\n".to_owned()));
    let diff = weir(&["fmt", "--diff", "weir.toml"]);
    assert_eq!(diff.status.code(), Some(0));
    let shown = "-endpoints=['127.0.0.1:1']\n+[pools.app]  # here\n+endpoints = [";
    assert!(text(&diff.stdout).contains(shown), "{diff:?}");
    let laid = weir(&["fmt", "link.toml"]);
    assert_eq!((laid.status.code(), text(&laid.stdout)), (Some(0), String::new()));
    let now = "# the shop\n\n[pools.app]  # here\nendpoints = ['127.0.0.1:1']\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), now);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let again = weir(&["fmt", "--check", "link.toml", "weir.toml"]);
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), String::new()));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn fmt_leaves_alone_what_is_not_toml() {
    let directory = directory("[pools.app\n");
    let output = Spawned::run(directory.path(), &["fmt", "weir.toml", "none.toml"]);
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr);
    assert!(said.contains("E0101") && said.contains("weir.toml:1:"), "{said}");
    assert!(said.contains("E0501") && said.contains("none.toml: no such file"), "{said}");
    let path = directory.path().join("weir.toml");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "[pools.app\n");
}

#[test]
fn init_writes_a_first_file_and_never_over_another() {
    let directory = tempfile::tempdir().unwrap();
    let weir = |arguments: &[&str]| Spawned::run(directory.path(), arguments);
    let first = weir(&["init"]);
    assert_eq!((first.status.code(), text(&first.stdout)), (Some(0), String::new()));
    assert!(text(&first.stderr).contains("`weir check`"), "{first:?}");
    let path = directory.path().join("weir.toml");
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(weir(&["check", "--deny-warnings"]).status.code(), Some(0));
    let second = weir(&["init", "health"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("--force"), "{second:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    assert_eq!(weir(&["init", "health", "--force"]).status.code(), Some(0));
    let stdout = text(&weir(&["init", "health", "--stdout"]).stdout);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), stdout);
    let typo = weir(&["init", "quikstart"]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(text(&typo.stderr).contains("'quickstart'"), "{typo:?}");
}

#[test]
fn proxy_runs_without_a_file_and_prints_the_one_it_amounts_to() {
    let (a, b, port) = (Upstream::replying("a"), Upstream::replying("b"), refusing());
    let directory = tempfile::tempdir().unwrap();
    let (listen, url) = (port.to_string(), format!("http://{a}/"));
    let mut arguments = vec!["proxy", &listen, &url];
    let second = b.to_string();
    arguments.extend([&*second, "--balance", "round-robin"]);
    let printed = Spawned::run(directory.path(), &[&arguments[..], &["--print"]].concat());
    assert_eq!(printed.status.code(), Some(0), "{printed:?}");
    let path = directory.path().join("weir.toml");
    std::fs::write(&path, &printed.stdout).unwrap();
    assert_eq!(Spawned::run(directory.path(), &["check"]).status.code(), Some(0));
    assert_eq!(Spawned::run(directory.path(), &["fmt", "--check"]).status.code(), Some(0));
    let mut weir = Spawned::start(directory.path(), &arguments);
    let mut said = String::new();
    until("it is ready", || {
        said.push_str(&weir.said_so_far());
        said.contains("ready in ")
    });
    assert!(said.contains(&listen) && said.contains("app 2 endpoints"), "{said}");
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::connect(port);
    let mut answers: Vec<String> = (0..2).map(|_| client.send(get).answer().text()).collect();
    answers.sort();
    assert_eq!(answers, ["a", "b"]);
    // A reload changes nothing, since there is nothing that could have changed.
    weir.signal("HUP");
    assert_eq!(client.send(get).answer().status, 200);
    weir.signal("TERM");
    until("it ends", || weir.child().try_wait().unwrap().is_some());
}

#[test]
fn proxy_says_what_to_write_instead() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, wanted) in [
        (["proxy", ":0", "https://a.example"], "write http://a.example"),
        (["proxy", ":0", "127.0.0.1:3000/x"], "E0106"),
        (["proxy", ":0", "--balance=leastconn"], "required"),
    ] {
        let output = Spawned::run(directory.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(wanted), "{output:?}");
    }
    let output = Spawned::run(directory.path(), &["proxy", ":0", "1", "--balance", "randon"]);
    assert!(text(&output.stderr).contains("write `random`"), "{output:?}");
}

#[test]
fn every_field_of_the_access_log_is_explained() {
    let (a, port) = (Upstream::replying("a"), refusing());
    let config = one_pool(&[&a]).replace("127.0.0.1:0", &port.to_string());
    let directory = directory(&format!("{config}[metrics]\naddress = \"off\"\n"));
    let mut weir = Spawned::start(directory.path(), &["-q", "run"]);
    until("it listens", || std::net::TcpStream::connect(port).is_ok());
    let get = "GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(Client::connect(port).send(get).answer().status, 200);
    weir.signal("TERM");
    until("it ends", || weir.child().try_wait().unwrap().is_some());
    let (mut line, mut said) = (String::new(), String::new());
    weir.child().stdout.take().unwrap().read_to_string(&mut line).unwrap();
    weir.child().stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "", "--quiet says nothing of a start and a stop");
    let line: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    for field in line.as_object().unwrap().keys() {
        let output = Spawned::run(directory.path(), &["explain", "--json", field]);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["schema"], 1);
        let kinds = told["found"].as_array().unwrap().iter().map(|one| &one["kind"]);
        assert!(kinds.into_iter().any(|kind| kind == "field"), "{field}: {told}");
    }
}

#[test]
fn a_key_is_explained_by_the_lines_of_the_reference() {
    let explained = |word: &str| Spawned::run(std::path::Path::new("."), &["explain", word]);
    for word in ["pools.*.drain", "pools.api.drain", "[pools.api]", "drain", "POOLS.*.DRAIN"] {
        let output = explained(word);
        assert!(text(&output.stdout).contains("drain = \"30s\""), "{word}: {output:?}");
    }
    let typo = explained("pools.api.dran");
    assert_eq!(typo.status.code(), Some(2));
    assert!(text(&typo.stderr).contains("did you mean `pools.*.drain`?"), "{typo:?}");
}

/// All commands, by their man pages.
fn commands() -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let output = Spawned::run(directory.path(), &["man", "pages"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let pages = std::fs::read_dir(directory.path().join("pages")).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert!(names.contains(&"weir.1".to_owned()) && names.contains(&"weir.toml.5".to_owned()));
    let file = std::fs::read_to_string(directory.path().join("pages/weir.toml.5")).unwrap();
    assert!(
        file.contains(".SH [pools.NAME.health]") && file.contains(".B drain = \"30s\""),
        "{file}"
    );
    names
        .iter()
        .filter_map(|name| name.strip_prefix("weir-")?.strip_suffix(".1"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_has_the_same_manners() {
    let directory = tempfile::tempdir().unwrap();
    let weir = |arguments: &[&str]| Spawned::run(directory.path(), arguments);
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in &commands {
        for help in [weir(&[command, "--help"]), weir(&["help", command])] {
            assert_eq!(help.status.code(), Some(0), "{command}");
            let said = text(&help.stdout);
            assert!(said.starts_with(&format!("Example: weir {command}")), "{command}: {said}");
            assert!(!said.contains('\x1b') && help.stderr.is_empty(), "{command}: {said}");
        }
        let wrong = weir(&[command, "--colour", "never"]);
        assert_eq!(wrong.status.code(), Some(2), "{command}");
        let said = text(&wrong.stderr);
        assert!(wrong.stdout.is_empty() && said.contains("'--color'"), "{command}: {said}");
        let typo = weir(&[&format!("{command}s")]);
        assert_eq!(typo.status.code(), Some(2), "{command}");
        assert!(text(&typo.stderr).contains("tip: "), "{command}: {typo:?}");
        let bare = weir(&[command, "--help", "--color", "always"]);
        assert!(text(&bare.stdout).contains('\x1b'), "{command}: --color always");
    }
    let alone = weir(&[]);
    assert_eq!(alone.status.code(), Some(0));
    let lines = text(&alone.stdout).lines().count();
    assert!((5..=10).contains(&lines) && alone.stderr.is_empty(), "{alone:?}");
}

#[test]
fn colours_and_signs_are_those_of_the_terminal() {
    let directory = directory("[pools.app]\nendpoints = [\"müde → 1\"]\n");
    let weir = |settings: &[(&str, &str)], arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(arguments).current_dir(directory.path()).env_clear();
        let output = command.envs(settings.iter().copied()).output().unwrap();
        text(&output.stdout)
    };
    let coloured = |settings: &[(&str, &str)], arguments: &[&str]| {
        weir(settings, &[arguments, &["check"]].concat()).contains('\x1b')
    };
    assert!(!coloured(&[], &[]), "no terminal, no colours");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")], &[]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "0")], &[]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[]));
    assert!(coloured(&[("NO_COLOR", "1")], &["--color", "always"]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1")], &["--color=never"]));
    let page = |locale: &str| weir(&[("LC_ALL", locale)], &["explain", "response"]);
    assert!(page("C.UTF-8").contains("written → head"), "{}", page("C.UTF-8"));
    assert!(page("C").contains("written -> head") && page("C").is_ascii(), "{}", page("C"));
    assert!(weir(&[("LC_ALL", "C")], &["check"]).contains("müde"), "what the user wrote stays");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let weir = env!("CARGO_BIN_EXE_weir");
    for command in ["help config", "--help", "explain metrics", "schema", "completions bash", ""] {
        let line = format!("('{weir}' {command}; echo \"exit $?\" >&2) | head -c 1");
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(text(&output.stderr), "exit 0\n", "{command}");
    }
}

#[test]
fn what_programs_read_is_json_with_a_version() {
    let directory = directory("[pools.app]\nendpoints=[]\n");
    for (arguments, key) in [
        (&["version", "--json"][..], "features"),
        (&["explain", "E0201", "--json"][..], "found"),
        (&["fmt", "--check", "--json"][..], "files"),
    ] {
        let output = Spawned::run(directory.path(), arguments);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["schema"], 1, "{arguments:?}");
        assert!(told[key].is_array(), "{arguments:?}: {told}");
    }
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Spawned::run(std::path::Path::new("."), &["completions", shell]);
        let script = text(&output.stdout);
        assert!(output.status.success() && script.contains("explain"), "{shell}: {script}");
    }
    let script = text(&Spawned::run(std::path::Path::new("."), &["completions", "bash"]).stdout);
    let parsed = std::process::Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
    assert!(parsed.status.success(), "{parsed:?}");
}

#[test]
fn help_has_pages_and_knows_a_typo() {
    let help = |topic: &str| Spawned::run(std::path::Path::new("."), &["help", topic]);
    let nginx = text(&help("from-nginx").stdout);
    assert!(nginx.contains("least_conn ") && nginx.contains("least-requests"), "{nginx}");
    assert_eq!(help("503").status.code(), Some(0));
    let typo = help("form-nginx");
    assert_eq!(typo.status.code(), Some(2));
    assert!(text(&typo.stderr).contains("`weir help from-nginx`"), "{typo:?}");
}

#[test]
fn whoever_starts_it_learns_its_number_and_when_it_is_ready() {
    let (a, port) = (Upstream::replying("a"), refusing());
    let config = one_pool(&[&a]).replace("127.0.0.1:0", &port.to_string());
    let directory = directory(&format!(
        "{config}[metrics]\naddress = \"off\"\n[access_log]\noutput = \"off\"\n"
    ));
    let weir = env!("CARGO_BIN_EXE_weir");
    // The pipe is closed when weir is ready: then the lines that came through it are counted.
    let run = format!("'{weir}' run --pid-file pid --ready-fd 3 3>&1 >/dev/null 2>&1");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{{ {run} & }} | wc -l")]).current_dir(directory.path());
    let output = shell.env_remove("WEIR_CONFIG").output().unwrap();
    assert_eq!(text(&output.stdout).trim(), "1", "{output:?}");
    assert!(std::net::TcpStream::connect(port).is_ok(), "ready means that it listens");
    let pid = std::fs::read_to_string(directory.path().join("pid")).unwrap();
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    until("it removes the file at its end", || !directory.path().join("pid").exists());
}

#[test]
fn a_start_takes_no_time_and_a_check_before_it_starts_nothing() {
    let (a, port) = (Upstream::replying("a"), refusing());
    let config = one_pool(&[&a]).replace("127.0.0.1:0", &port.to_string());
    let directory = directory(&format!("{config}[metrics]\naddress = \"off\"\n"));
    let nobody = Spawned::run(directory.path(), &["run", "--ready-fd", "77"]);
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    let check = Spawned::run(directory.path(), &["run", "--check"]);
    assert_eq!((check.status.code(), text(&check.stderr)), (Some(0), String::new()));
    // The machine may be busy with other tests: the best of some counts.
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut weir = Spawned::start(directory.path(), &["run"]);
        let mut said = String::new();
        until("it is ready", || {
            said.push_str(&weir.said_so_far());
            said.contains("ready in ") && said.contains(" ms\n")
        });
        let took = said.rsplit("ready in ").next().unwrap().split(' ').next().unwrap();
        times.push(took.parse::<u64>().unwrap());
        weir.signal("TERM");
        until("it ends", || weir.child().try_wait().unwrap().is_some());
    }
    assert!(times.iter().any(|took| *took < 100), "{times:?}");
}

#[test]
fn health_is_an_exit_code() {
    let (a, port, metrics) = (Upstream::replying("a"), refusing(), refusing());
    let config = one_pool(&[&a]).replace("127.0.0.1:0", &port.to_string());
    let directory = directory(&format!(
        "{config}[metrics]\naddress = \":{}\"\n[runtime]\nshutdown_delay = \"1h\"\n",
        metrics.port()
    ));
    let health = |arguments: &[&str]| {
        let output = Spawned::run(directory.path(), &[&["health"], arguments].concat());
        (output.status.code().unwrap(), text(&output.stdout))
    };
    assert_eq!(health(&[]), (69, String::new()));
    let mut weir = Spawned::start(directory.path(), &["run"]);
    until("it is ready", || health(&[]) == (0, "ready\n".to_owned()));
    assert_eq!(health(&["--live"]), (0, "alive\n".to_owned()));
    weir.signal("TERM");
    until("it is ready no more", || health(&[]) == (1, "not ready\n".to_owned()));
    assert_eq!(health(&["--live"]).0, 0);
    let json: serde_json::Value = serde_json::from_str(&health(&["--json"]).1).unwrap();
    assert_eq!((&json["schema"], &json["well"]), (&1.into(), &false.into()));
    weir.signal("TERM");
    until("it ends", || weir.child().try_wait().unwrap().is_some());
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: this system has no /dev/full");
        return;
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("schema")
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot be written"), "{}", text(&output.stderr));
}
