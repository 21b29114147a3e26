//! Every mistake in a configuration is answered with its place and with what to write instead.
//!
//! `tests/broken/*.toml` hold one mistake each, the `.txt` beside each the report. After a change of
//! words, `UPDATE=1 cargo it` writes the reports anew; read them before you commit them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use weir::config::{self, Loaded};
use weir::diagnostic::{CODES, Code, Report, Style};

/// The whole report, as `weir check` prints it; of a good configuration, its warnings.
fn told(read: Result<Loaded, Report>) -> String {
    let report = read.map_or_else(|report| report, |loaded| loaded.warnings);
    format!("{}{}\n", report.render(Style::Plain), report.summary())
}

fn report(name: &str, text: &str) -> String {
    told(config::parse(name, text))
}

fn codes(text: &str) -> Vec<Code> {
    found(config::parse("weir.toml", text))
}

fn found(read: Result<Loaded, Report>) -> Vec<Code> {
    let report = read.map_or_else(|report| report, |loaded| loaded.warnings);
    report.found().iter().map(|found| found.code).collect()
}

/// Reads one of the broken configurations: a file, or a folder with a `weir.toml` that includes others.
fn read(path: &Path) -> Result<Loaded, Report> {
    if path.is_dir() {
        let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
        return config::load(&path.join("weir.toml"));
    }
    config::parse("weir.toml", &fs::read_to_string(path).unwrap())
}

/// Files and folders.
fn broken() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let entries = fs::read_dir(folder).expect("tests/broken is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("and can be read").path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn each_broken_file_gets_its_report() {
    let files = broken();
    assert!(files.len() >= 35, "only {} files", files.len());
    let mut differ = Vec::new();
    for path in files {
        let report = told(read(&path));
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, &report).unwrap();
        }
        let wanted = fs::read_to_string(&golden).unwrap_or_default();
        if report != wanted {
            differ.push(format!("{}\n--- wanted\n{wanted}--- got\n{report}", path.display()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn line_one_of_each_says_what_to_do() {
    const VERBS: [&str; 6] = ["write ", "remove ", "add ", "move it ", "save it ", "name "];
    for path in broken() {
        let report = told(read(&path));
        for line in report.lines().filter(|line| line.starts_with("error[")) {
            assert!(VERBS.iter().any(|verb| line.contains(verb)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn each_file_is_named_after_the_code_it_yields() {
    for path in broken() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let Some(code) = name.split('_').next().filter(|code| code.starts_with(['e', 'w'])) else {
            continue;
        };
        let found = found(read(&path));
        let mut found: Vec<String> = found.iter().map(|one| one.as_str().to_lowercase()).collect();
        found.dedup();
        assert_eq!(found, [code], "{name}");
    }
}

#[test]
fn every_page_shows_a_mistake_and_its_cure() {
    for page in CODES {
        assert!(!page.title.is_empty() && !page.cause.is_empty(), "{}", page.code);
        // About the world outside the file: an example cannot be loaded.
        if page.code.as_str().starts_with("E05") || page.code == Code::W0108 {
            continue;
        }
        assert_eq!(codes(page.broken), [page.code], "the broken example of {}", page.code);
        assert_eq!(codes(page.fixed), [], "the fixed example of {}", page.code);
    }
}

#[test]
fn a_file_that_is_not_there_is_answered_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.toml");
    let missing = config::load(&path).unwrap_err();
    assert!(missing.render(Style::Plain).contains("no such file: write one, as `weir init` does"));
    let directory = config::load(folder.path()).unwrap_err();
    assert!(directory.render(Style::Plain).contains("is a directory: name the file in it"));
    fs::write(&path, b"# ok\n\xff").unwrap();
    let bytes = config::load(&path).unwrap_err();
    assert!(bytes.render(Style::Plain).contains("is not UTF-8 in line 2: save it as UTF-8"));
}

fn weir(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("WEIR_CONFIG")
        .output()
        .expect("the binary was built for this test")
}

#[test]
fn check_prints_the_report_and_exits_78() {
    let bad = weir(&["check", "tests/broken/six_at_once.toml"]);
    let told = String::from_utf8_lossy(&bad.stdout).into_owned();
    assert_eq!(bad.status.code(), Some(78));
    assert!(told.contains("\n6 errors in tests/broken/six_at_once.toml; nothing was"), "{told}");
    let good = weir(&["-c", "config/examples/1-quickstart.toml", "check"]);
    assert_eq!(good.status.code(), Some(0));
    let told = String::from_utf8_lossy(&good.stdout).into_owned();
    assert_eq!(told, "ok: config/examples/1-quickstart.toml: 1 listener, 0 routes, 1 pool\n");
}

#[test]
fn explain_knows_every_code_and_suggests_one_for_a_typo() {
    for page in CODES {
        let told = weir(&["explain", page.code.as_str()]);
        assert_eq!(told.status.code(), Some(0), "{}", page.code);
    }
    let typo = weir(&["explain", "E021"]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&typo.stderr).contains("did you mean `E0201`?"));
}

#[test]
fn places_are_right_after_a_byte_order_mark_and_with_windows_lines() {
    let text = "\u{feff}[listeners.http]\r\nadress = \":8080\"\r\n";
    assert!(report("weir.toml", text).contains("weir.toml:2:1"), "{}", report("weir.toml", text));
}

#[test]
fn at_most_twenty_are_shown() {
    let unknown: String = (0..30).map(|n| format!("unknown_{n} = 1\n")).collect();
    let report = report("weir.toml", &unknown);
    assert_eq!(report.matches("error[").count(), 20);
    assert!(report.contains("\nand 11 more\n\n31 errors in weir.toml;"), "{report}");
}

#[test]
fn no_input_makes_it_panic() {
    let reference = include_str!("../config/reference.toml");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % 1_000_003).unwrap() % below
    };
    let all = b"[]{}=\"'.,\n#-_0aZ:\\\t \x7f\x00";
    let mut inputs = vec![String::new(), "\u{feff}".to_owned(), "[".repeat(3000)];
    for step in (0..reference.len()).step_by(23) {
        inputs.push(reference[..reference.floor_char_boundary(step)].to_owned());
    }
    for _ in 0..500 {
        let mut bytes = reference.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = all[random(all.len())],
                1 => bytes.insert(at, all[random(all.len())]),
                _ => drop(bytes.remove(at)),
            }
        }
        inputs.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for path in broken() {
        let Ok(text) = fs::read_to_string(path) else { continue };
        for end in text.char_indices().map(|(at, _)| at) {
            inputs.push(text[..end].to_owned());
        }
    }
    for input in inputs {
        report("weir.toml", &input);
    }
}
