//! The language of the configuration: many files as one, variables, defaults, what the command line sets.

use std::fs;
use std::path::Path;

use weir::config::{self, Config, Loaded, Options, View};
use weir::diagnostic::{Code, Style};
use weir::policy::Policy;

use crate::harness::Spawned;

/// Files in a directory of their own.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn loaded(directory: &Path, set: &[&str]) -> Loaded {
    let options =
        Options { set: set.iter().map(ToString::to_string).collect(), ..Options::default() };
    config::load_with(&directory.join("weir.toml"), &options)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain)))
}

fn parsed(text: &str) -> Config {
    config::parse("weir.toml", text)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain)))
        .config
}

const LISTENER: &str = "[listeners.http]\naddress = \":8080\"\npool = \"a\"\n";

fn pool(name: &str) -> String {
    format!("[pools.{name}]\nendpoints = [\"127.0.0.1:3000\"]\n")
}

#[test]
fn many_files_are_one_document() {
    let root = format!("include = [\"conf.d/*.toml\", \"more.toml\"]\n{LISTENER}");
    let directory = directory(&[
        ("weir.toml", &root),
        ("conf.d/a.toml", &pool("a")),
        // Each is a part once, however often and from wherever it is named.
        ("conf.d/b.toml", &format!("include = [\"../weir.toml\", \"*.toml\"]\n{}", pool("b"))),
        ("conf.d/.hidden.toml", "nonsense"),
        ("conf.d/c.toml~", "nonsense"),
        ("more.toml", "include = \"deep/*/x?.toml\""),
        ("deep/down/x1.toml", "[routes.b]\npath = \"/b\"\npool = \"b\"\n"),
    ]);
    let read = loaded(directory.path(), &[]);
    assert_eq!(read.files, 5);
    let whole =
        format!("{LISTENER}{}{}[routes.b]\npath = \"/b\"\npool = \"b\"\n", pool("a"), pool("b"));
    assert_eq!(read.config, parsed(&whole));
}

#[test]
fn a_glob_that_matches_nothing_is_fine() {
    let text = format!("include = \"nowhere/*.toml\"\n{LISTENER}{}", pool("a"));
    let directory = directory(&[("weir.toml", &text)]);
    assert_eq!(loaded(directory.path(), &[]).files, 1);
}

#[test]
fn variables_are_filled_into_values_only() {
    let path = std::env::var("PATH").unwrap();
    let text = format!(
        "{LISTENER}{}[routes.a]\npool = \"a\"\npath = \"/$$$$x/$1\"\nhost = [\"${{NO_SUCH:-b}}.example\"]\n",
        pool("a")
    );
    let directory = directory(&[("weir.toml", &text)]);
    let route = &loaded(directory.path(), &[]).config.routes["a"];
    assert_eq!(route.path.as_deref(), Some("/$$x/$1"));
    assert_eq!(route.host[0], "b.example");
    // A key is never one, and neither is a whole line that a variable brings along.
    fs::write(directory.path().join("weir.toml"), format!("{text}\n\"${{PATH}}\" = 1\n")).unwrap();
    let report = config::load(&directory.path().join("weir.toml")).unwrap_err();
    assert!(report.found().iter().all(|one| one.code == Code::E0201), "{report:?}");
    assert!(!report.render(Style::Plain).contains(&path));
}

#[test]
fn a_check_elsewhere_passes_over_variables_that_are_not_set() {
    let text = format!(
        "[listeners.http]\naddress = \":${{NO_SUCH}}\"\npool = \"${{NO_SUCH}}\"\n\
         [pools.a]\nendpoints = [\"${{NO_SUCH}}:80\"]\ndrain = \"${{NO_SUCH}}s\"\n\
         [routes.a]\npool = \"a\"\npath = \"${{NO_SUCH}}\"\n{}",
        "[routes.wrong]\npool = \"b\"\npath = \"/b\"\n"
    );
    let directory = directory(&[("weir.toml", &text)]);
    let path = directory.path().join("weir.toml");
    let codes = |allow_unset_env| {
        let options = Options { allow_unset_env, ..Options::default() };
        let report = config::load_with(&path, &options).unwrap_err();
        report.found().iter().map(|one| one.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(true), [Code::E0301], "all else is checked");
    let mut all = codes(false);
    all.sort_unstable();
    assert_eq!(all, [[Code::E0108].repeat(5), vec![Code::E0301]].concat());
}

#[test]
fn defaults_are_as_if_written_in_everything_of_their_kind() {
    let with = parsed(&format!(
        "{LISTENER}[pools.a]\nendpoints = [\"127.0.0.1:1\"]\nhealth = {{ path = \"/\" }}\nbalance = \"random\"\n\
         {}[routes.b]\npath = \"/b\"\npool = \"b\"\n\
         [defaults.pools]\ndrain = \"1s\"\nbalance = {{ least-requests = {{}} }}\n\
         health = {{ interval = \"5s\", timeout = \"3s\" }}\n\
         [defaults.listeners]\ntimeouts.idle = \"5s\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
         [defaults.routes]\nlisteners = \"http\"\n",
        pool("b")
    ));
    let without = parsed(&format!(
        "{LISTENER}timeouts.idle = \"5s\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
         [pools.a]\nendpoints = [\"127.0.0.1:1\"]\nbalance = \"random\"\ndrain = \"1s\"\n\
         health = {{ path = \"/\", interval = \"5s\", timeout = \"3s\" }}\n\
         {}balance = {{ least-requests = {{}} }}\ndrain = \"1s\"\n\
         health = {{ interval = \"5s\", timeout = \"3s\" }}\n\
         [routes.b]\npath = \"/b\"\npool = \"b\"\nlisteners = \"http\"\n",
        pool("b")
    ));
    assert_eq!(with, without);
}

#[test]
fn policies_win_over_defaults_and_the_thing_itself_over_policies() {
    let config = parsed(&format!(
        "{LISTENER}policies = \"edge\"\n{}[defaults.routes]\nmax_body = \"1MiB\"\n\
         timeouts = {{ total = \"1s\", response = \"1s\", idle = \"1s\" }}\n\
         [policies.edge]\ntimeouts = {{ total = \"2s\", response = \"2s\" }}\n\
         [routes.r]\npool = \"a\"\ntimeouts.total = \"3s\"\n",
        pool("a")
    ));
    let (edge, route) = (&config.policies["edge"], config.routes["r"].own());
    let policy = weir::policy::Config::merged([&config.defaults.rules, edge, &route]);
    let policy = Policy::new(policy, &|_| None);
    let seconds = |time: std::time::Duration| time.as_secs();
    let timeouts = policy.timeouts;
    assert_eq!(seconds(timeouts.total), 3, "the route");
    assert_eq!(seconds(timeouts.response), 2, "the policy");
    assert_eq!(seconds(timeouts.idle), 1, "the defaults");
    assert_eq!(policy.max_body, 1 << 20);
}

#[test]
fn the_command_line_wins_over_all_files() {
    let directory = directory(&[("weir.toml", &format!("{LISTENER}{}", pool("a")))]);
    let set = [
        "pools.a.balance=random",
        "pools.a.drain = 5s",
        "defaults.pools.health.interval=\"7s\"",
        "runtime.workers=3",
        "pools.a.endpoints=[\"127.0.0.1:4000\"]",
        "listeners.http.address=:9090",
    ];
    let text = format!(
        "{}[pools.a]\nendpoints = [\"127.0.0.1:4000\"]\nbalance = \"random\"\ndrain = \"5s\"\n\
         health.interval = \"7s\"\n[runtime]\nworkers = 3\n",
        LISTENER.replace("8080", "9090")
    );
    assert_eq!(loaded(directory.path(), &set).config, parsed(&text));
    let report = |set: &str| {
        let options = Options { set: vec![set.to_owned()], ..Options::default() };
        let report = config::load_with(&directory.path().join("weir.toml"), &options);
        report.unwrap_err().render(Style::Plain)
    };
    let wrong = report("pools.a.balence=random");
    assert!(wrong.contains("E0201") && wrong.contains("--set:1:9"), "{wrong}");
    assert!(report("pools.a.balance").contains("takes a key and its value"));
    assert!(report("include=x.toml").contains("E0202"));
}

#[test]
fn neither_the_order_of_sections_nor_of_files_means_anything() {
    let mut sections: Vec<String> = vec![
        "[listeners.http]\naddress = \":8080\"\npool = \"p0\"\npolicies = [\"q0\", \"q1\"]\n"
            .into(),
        "[listeners.other]\naddress = \":8081\"\n".into(),
        "[runtime]\nworkers = 2\n".into(),
        "[metrics]\naddress = \"off\"\n".into(),
        "[defaults.pools]\ndrain = \"3s\"\n".into(),
        "[defaults.routes.timeouts]\ntotal = \"9s\"\nresponse = \"9s\"\n".into(),
    ];
    for n in 0..4 {
        sections.push(format!("[pools.p{n}]\nendpoints = [\"127.0.0.1:{}\"]\n", 3000 + n));
        sections.push(format!("[pools.p{n}.health]\ninterval = \"{}s\"\n", n + 1));
        sections.push(format!("[policies.q{n}]\nmax_body = \"{n}KiB\"\n"));
        sections.push(format!(
            "[routes.r{n}]\npath = \"/{n}\"\npool = \"p{n}\"\npolicies = [\"q{n}\"]\n"
        ));
    }
    let config = parsed(&sections.concat());
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        random.shuffle(&mut sections);
        assert_eq!(parsed(&sections.concat()), config, "seed {seed}");
        // A section and what stands below it are in one file, the files in any order.
        let mut files = vec![String::new(); 4];
        for section in &sections {
            let name = section.split([']', '\n']).next().unwrap();
            let name: Vec<&str> = name.split('.').take(2).collect();
            let file = name.concat().bytes().map(usize::from).sum::<usize>() + seed as usize;
            files[file % 4].push_str(section);
        }
        let names: Vec<String> = (0..4).map(|n| format!("conf.d/{n}.toml")).collect();
        let mut texts: Vec<(&str, &str)> =
            names.iter().map(String::as_str).zip(files.iter().map(String::as_str)).collect();
        texts.push(("weir.toml", "include = \"conf.d/*.toml\"\n"));
        let directory = directory(&texts);
        assert_eq!(loaded(directory.path(), &[]).config, config, "seed {seed}, in files");
    }
}

const EVERYTHING: &str = r#"include = "conf.d/*.toml"
[listeners.http]
address = ":8080"
pool = "app"
policies = ["edge"]

[listeners.inner]
address = "127.0.0.1:8081"

[policies.edge]
max_body = "1MiB"
timeouts.response = "20s"

[policies.open]
upgrade = []

[defaults.routes.timeouts]
response = "9s"
idle = "5s"

[defaults.pools.health]
interval = "${NO_SUCH:-3s}"

[pools.app]
endpoints = ["127.0.0.1:3000", { address = "127.0.0.1:3001", weight = 2 }]
balance = { random = {} }

[pools.bare]
endpoints = ["localhost:3002"]
health = { type = "off" }
"#;
const ROUTES: &str = r#"[routes.api]
host = ["a.example", "b.example:80"]
path_prefix = "/api$$$$1$$/"
pool = "app"
policies = ["open"]
timeouts.total = "30s"

[routes.bare]
path = "/plain"
pool = "bare"
listeners = "http"
"#;

#[test]
fn what_is_shown_can_be_read_again_and_means_the_same() {
    let directory = directory(&[("weir.toml", EVERYTHING), ("conf.d/routes.toml", ROUTES)]);
    let loaded = loaded(directory.path(), &["pools.app.drain=7s"]);
    let plain = config::show(&loaded, &View::default()).unwrap();
    for text in [plain.toml(false), plain.toml(true)] {
        assert_eq!(parsed(&text), loaded.config, "{text}");
    }
    // What is built in changes nothing, but for the rules of routes: those are there, and say the same.
    let view = View { built_in: true, ..View::default() };
    let text = config::show(&loaded, &view).unwrap().toml(true);
    let mut again = parsed(&text);
    let rules = std::mem::take(&mut again.defaults.rules);
    let before = loaded.config.defaults.rules.clone();
    let [now, then] = [rules, before.clone()].map(|rules| Policy::new(rules, &|_| None));
    assert_eq!((now.timeouts, now.max_body), (then.timeouts, then.max_body));
    assert_eq!((now.forwarded, &now.upgrade), (then.forwarded, &then.upgrade));
    assert_eq!(now.steps.len(), then.steps.len());
    again.defaults.rules = before;
    assert_eq!(again, loaded.config, "{text}");
    let json = plain.json(true);
    assert_eq!(json["schema"], 1);
    assert_eq!(json["config"]["pools"]["app"]["drain"], "7s");
    assert_eq!(json["origins"]["pools.app.drain"], "command line");
}

#[test]
fn a_route_is_shown_with_all_that_holds_for_it_and_who_says_so() {
    let directory = directory(&[("weir.toml", EVERYTHING), ("conf.d/routes.toml", ROUTES)]);
    let shown = |path: &str, built_in: bool| {
        let more: &[&str] = if built_in { &["--defaults"] } else { &[] };
        let output = Spawned::run(directory.path(), &[&["show", path, "--origin"], more].concat());
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (bare, _) = shown("routes.bare", true);
    for line in [
        "path = \"/plain\"                     # conf.d/routes.toml:9",
        "max_body = \"1MiB\"                   # [policies.edge] weir.toml:11",
        "response = \"20s\"                    # [policies.edge] weir.toml:12",
        "idle = \"5s\"                         # [defaults.routes] weir.toml:19",
        "total = \"60s\"                       # built-in",
    ] {
        assert!(bare.contains(line), "{line}\n{bare}");
    }
    // Its listeners disagree: each is told.
    let (api, _) = shown("routes.api", false);
    assert!(api.contains("upgrade = []                        # [policies.open]"), "{api}");
    assert!(api.contains("# on listener http: max_body = \"1MiB\"\n"), "{api}");
    assert!(api.contains("# on listener inner: max_body = built-in\n"), "{api}");
    assert_eq!(
        shown("pools.app.drain", false).0,
        "[pools.app]\ndrain = \"30s\"                       # built-in\n"
    );
    assert!(shown("pools.ap", false).1.contains("write `pools.app`"));
    assert!(shown("pools.app.nonsense", false).1.contains("write one of balance, connections"));
}

#[test]
fn check_tells_people_and_programs() {
    let directory = directory(&[
        ("weir.toml", &format!("{LISTENER}{}{}", pool("a"), pool("unused"))),
        ("bad.toml", "[listeners.http]\nadress = \":8080\"\n"),
        ("unset.toml", &format!("{LISTENER}{}drain = \"${{NO_SUCH}}\"\n", pool("a"))),
    ]);
    let run = |arguments: &[&str]| {
        let output = Spawned::run(directory.path(), &[&["check"], arguments].concat());
        assert!(output.stderr.is_empty(), "{output:?}");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&[]).0, Some(0), "a warning is no error");
    assert_eq!(run(&["--deny-warnings"]).0, Some(78));
    assert_eq!(run(&["unset.toml"]).0, Some(78));
    assert_eq!(run(&["--allow-unset-env", "unset.toml"]).0, Some(0));
    let (exit, text) = run(&["weir.toml", "bad.toml", "--format", "json"]);
    assert_eq!(exit, Some(78), "one of them is wrong");
    let objects: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&objects[0]["schema"], &objects[0]["valid"]), (&1.into(), &true.into()));
    assert_eq!(objects[0]["diagnostics"][0]["code"], "W0102");
    let bad = &objects[1]["diagnostics"][0];
    assert_eq!(
        (&bad["line"], &bad["column"], &bad["end_column"]),
        (&2.into(), &1.into(), &7.into())
    );
    let (_, text) = run(&["bad.toml", "--format", "github"]);
    assert!(
        text.starts_with("::error file=bad.toml,line=2,col=1,endLine=2,endColumn=7,title=E0201::"),
        "{text}"
    );
    assert_eq!(
        run(&["--set", "pools.unused.drain=5"]).1.lines().next().unwrap().split(':').next(),
        Some("error[E0102]")
    );
}

#[test]
fn words_of_other_proxies_are_answered_with_ours() {
    let mut answered = 0;
    for who in ["nginx", "HAProxy", "Traefik", "Envoy", "Caddy"] {
        let words = config::foreign(who);
        assert!(words.len() >= 10, "only {} of {who}", words.len());
        for (word, ours) in words {
            let path = config::keys().iter().find(|key| key.rsplit('.').next() == Some(ours));
            let text = match path.map(|path| path.rsplit_once('.')) {
                Some(Some((section, _))) => {
                    let section = section.replace('*', "app");
                    let Some((section, list)) =
                        section.split_once("[]").map(|(list, _)| list.rsplit_once('.').unwrap())
                    else {
                        check(
                            &format!("[{section}]\n{word} = 1\n"),
                            who,
                            word,
                            ours,
                            &mut answered,
                        );
                        continue;
                    };
                    format!("[{section}]\n{list} = [{{ {word} = 1 }}]\n")
                }
                Some(None) => format!("[{word}.app]\n"),
                // No key: a value, most of them of `balance`.
                None => {
                    format!("[pools.app]\nendpoints = [\"127.0.0.1:1\"]\nbalance = \"{word}\"\n")
                }
            };
            check(&text, who, word, ours, &mut answered);
        }
    }
    assert!(answered >= 100, "only {answered}");
}

/// A text with a foreign word is answered with the word that is to be written.
fn check(text: &str, who: &str, word: &str, ours: &str, answered: &mut usize) {
    let report = config::parse("weir.toml", text).unwrap_err().render(Style::Plain);
    if report.contains(&format!("`{ours}`")) && report.contains(&format!("{who}'s")) {
        *answered += 1;
        return;
    }
    // Values of other keys than `balance` have tests of their own.
    let value = ["stdout", "stderr", "http", "x-forwarded"].contains(&ours);
    assert!(value, "{who}'s {word} is {ours}:\n{text}\n{report}");
}

#[test]
fn what_a_default_names_is_read_and_missed_like_all_else() {
    let text =
        format!("{LISTENER}{}[defaults.routes.error_pages]\n503 = \"gone.html\"\n", pool("a"));
    let directory = directory(&[("weir.toml", &text)]);
    let report = config::load(&directory.path().join("weir.toml")).unwrap_err();
    assert_eq!(report.found().iter().map(|one| one.code).collect::<Vec<_>>(), [Code::E0501]);
    fs::write(directory.path().join("gone.html"), "away").unwrap();
    assert_eq!(loaded(directory.path(), &[]).files, 1);
}

#[test]
fn ten_thousand_routes_are_checked_in_no_time_and_so_are_their_mistakes() {
    let mut text =
        format!("{LISTENER}{}[defaults.routes.timeouts]\nresponse = \"9s\"\n", pool("a"));
    for n in 0..10_000 {
        text += &format!(
            "[routes.r{n}]\nhost = \"h{}.example\"\npath_prefix = \"/{n}\"\npool = \"a\"\npriority = {n}\n",
            n % 97
        );
    }
    let mistaken = text.replace("/9", "9").replacen("pool = \"a\"", "pol = \"a\"", 300);
    #[expect(clippy::disallowed_types, reason = "how long it takes is what is tested")]
    let begun = std::time::Instant::now();
    assert_eq!(parsed(&text).routes.len(), 10_000);
    let good = begun.elapsed();
    let report = config::parse("weir.toml", &mistaken).unwrap_err();
    assert!(report.found().len() > 1000, "{}", report.found().len());
    let bad = begun.elapsed() - good;
    // A build without optimisation on a busy machine is some 20 times slower than the second that is promised.
    assert!(good.as_secs() < 20 && bad.as_secs() < 40, "{good:?}, {bad:?}");
    println!("10 000 routes: {good:?}; with mistakes: {bad:?}");
}

/// What cannot be read must not seem to be gone: a route that keeps people out might be in it.
#[test]
fn what_an_include_cannot_read_is_an_error() {
    let root = format!("include = \"conf.d/*.toml\"\n{LISTENER}{}", pool("a"));
    let directory = directory(&[("weir.toml", &root), ("conf.d/a.toml", "")]);
    let path = directory.path().join("weir.toml");
    assert!(config::load(&path).is_ok());
    std::os::unix::fs::symlink("nowhere", directory.path().join("conf.d/b.toml")).unwrap();
    let report = config::load(&path).unwrap_err();
    assert_eq!(report.found()[0].code, Code::E0501, "{}", report.render(Style::Plain));
    fs::remove_file(directory.path().join("conf.d/b.toml")).unwrap();
    fs::create_dir(directory.path().join("conf.d/c.toml")).unwrap();
    assert!(config::load(&path).is_ok(), "a directory is no file");
}

#[test]
fn files_that_include_one_another_are_followed_so_deep_only() {
    let chain = |length: usize| {
        let mut files = vec![(
            "weir.toml".to_owned(),
            format!("include = \"1.toml\"\n{LISTENER}{}", pool("a")),
        )];
        for n in 1..length {
            files.push((format!("{n}.toml"), format!("include = \"{}.toml\"", n + 1)));
        }
        files.push((format!("{length}.toml"), String::new()));
        let files: Vec<_> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
        let directory = directory(&files);
        config::load(&directory.path().join("weir.toml")).err()
    };
    assert!(chain(32).is_none());
    let report = chain(5_000).expect("it is refused");
    assert_eq!(report.found()[0].code, Code::E0105, "{}", report.render(Style::Plain));
}
