//! The rules of the house: reads the source tree, and says which line breaks which rule.
//!
//! What the compiler and its lints can check is left to them. Lists of exceptions carry their reasons, and
//! an exception that is no longer needed fails too.

use std::path::PathBuf;

use weir::telemetry::metrics;
use weir::{balance, proxy};

use crate::harness::Spawned;
use crate::harness::tree::{
    File, below, entries, files, functions, name, read, rust, top, word, words,
};

/// Files of over 400 lines, and why they are one file. None has over 700, tests included, but tables.
const LONG_FILES: [(&str, &str); 1] = [("src/diagnostic/codes.rs", "a table: one row per code")];
const TABLES: [&str; 1] = ["src/diagnostic/codes.rs"];
/// Functions of over 80 lines, and why they are one function.
const LONG_FUNCTIONS: [(&str, &str); 0] = [];
/// Folders of extension points and codecs, and the leaves in them that hold what all others share.
const STARS: [(&str, &[&str]); 3] =
    [("balance", &[]), ("health", &["said"]), ("h1", &["chunked", "framing", "trailers"])];
/// Files that drive hyper, besides the metrics port: its types reach no other.
const DRIVE_HYPER: [&str; 6] = [
    "src/listener/http2.rs",
    "src/listener/stream.rs",
    "src/message/fetch.rs",
    "src/pool/feed.rs",
    "src/pool/http2.rs",
    "src/pool/shared.rs",
];
const TOP_LEVEL: [&str; 14] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "config",
    "deploy",
    "src",
    "target",
    "tests",
];

/// A module uses only modules written below it in `src/lib.rs`.
#[test]
fn a_module_uses_only_what_stands_below_it() {
    let library = read("src/lib.rs");
    let order: Vec<&str> = library.lines().filter_map(module).collect();
    let place = |name: &str| order.iter().position(|module| *module == name);
    let mut wrong = Vec::new();
    for file in files("src") {
        let module = file.path["src/".len()..].split(['/', '.']).next().unwrap();
        let Some(here) = place(module) else { continue };
        for (line, used) in file.paths("crate::") {
            if place(&used).is_none_or(|there| there < here) {
                wrong.push(
                    file.at(line, &format!("`{module}` must not use `{used}`: it stands above")),
                );
            }
        }
    }
    none(wrong);
}

/// In folders of extension points and codecs, leaves lean on what `mod.rs` gives and not on one another:
/// that is what makes one more of them one more file. Other folders have no such rule: there, a leaf
/// (`proxy/again`) may be the next step of another (`proxy/http`).
#[test]
fn one_of_many_does_not_know_the_others() {
    let mut wrong = Vec::new();
    for (folder, shared) in STARS {
        let files = files(&format!("src/{folder}"));
        let leaves: Vec<String> = files.iter().map(File::stem).collect();
        for file in files.iter().filter(|file| !["mod", "tests"].contains(&&*file.stem())) {
            // Their tests may: what one writes, another reads.
            let end = file.text.lines().position(|line| line == "#[cfg(test)]");
            let inside = file.paths("super::").into_iter();
            for (line, used) in inside.chain(file.paths(&format!("crate::{folder}::"))) {
                if end.is_none_or(|end| line < end)
                    && leaves.contains(&used)
                    && !shared.contains(&&*used)
                {
                    wrong.push(file.at(line, &format!("must not use its sibling `{used}`")));
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = rust().into_iter().filter(|file| !file.text.starts_with("//!"));
    none(silent.map(|file| file.at(1, "opens with `//!`: what it is, who calls it")));
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    let (mut long_files, mut long_functions) = (Vec::new(), Vec::new());
    for file in rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        if lines.len() > 700 && !TABLES.contains(&&*file.path) {
            wrong.push(file.at(701, "no file has over 700 lines"));
        }
        if !file.path.starts_with("src/") {
            continue;
        }
        if lines.len() > 400 {
            let rule = "a file of over 400 lines: split it, or say why not";
            long_files.push((file.path.clone(), file.at(401, rule)));
        }
        for (at, length) in functions(&lines).into_iter().filter(|(_, length)| *length > 80) {
            let name = lines[at].split("fn ").last().unwrap_or_default();
            let name = format!("{} {}", file.path, name.split(['(', '<']).next().unwrap());
            let rule = format!("a function of {length} lines, over 80: split it, or say why not");
            long_functions.push((name, file.at(at + 1, &rule)));
        }
    }
    except(&long_files, &LONG_FILES, &mut wrong);
    except(&long_functions, &LONG_FUNCTIONS, &mut wrong);
    none(wrong);
}

/// HTTP/1 of clients and endpoints is weir's own, HTTP/2 is hyper's; what reads and writes their heads knows neither
/// sockets nor clocks.
#[test]
fn what_is_kept_apart_stays_apart() {
    none(files("src").iter().flat_map(|file| {
        let apart: &[&str] = match &*file.path {
            path if path.starts_with("src/h1/") => {
                &["hyper", "tokio", "std::net", "std::io", "std::time", "crate::net"]
            }
            path if path.starts_with("src/h2/") => {
                &["hyper", "tokio", "std::net", "std::io", "crate::net"]
            }
            path if path.starts_with("src/admin/") || DRIVE_HYPER.contains(&path) => &[],
            _ => &["hyper"],
        };
        file.broken(&file.code(), |line| {
            let name = apart.iter().find(|name| words(line, name))?;
            Some(format!("`{name}` is not for this file"))
        })
    }));
}

#[test]
fn nothing_is_left_to_do_without_a_number() {
    // In two parts, since this file is read too.
    let later = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let never = [concat!("to", "do!"), concat!("unimpl", "emented!")];
    none(rust().iter().flat_map(|file| {
        file.broken(&file.text, |line| {
            let numbered = |(at, word): (usize, &str)| {
                let rest = line[at + word.len()..].strip_prefix("(#").unwrap_or_default();
                rest.starts_with(|c: char| c.is_ascii_digit())
            };
            if later.iter().any(|word| !line.match_indices(word).all(numbered)) {
                Some(String::from("needs the number of its issue: `(#12)`"))
            } else {
                let word = never.iter().find(|word| line.contains(**word))?;
                Some(format!("`{word}` is no code"))
            }
        })
    }));
}

#[test]
fn every_test_and_bench_is_listed() {
    let (tests, manifest) = (read("tests/main.rs"), read("Cargo.toml"));
    let is_test = |name: &String| name == "main" || tests.lines().any(|l| module(l) == Some(name));
    let is_bench = |name: &String| manifest.contains(&format!("[[bench]]\nname = \"{name}\"\n"));
    let tests = beside("tests").filter(|name| !is_test(name));
    let tests = tests.map(|name| format!("tests/main.rs:1: has no `mod {name};`"));
    let benches = beside("benches").filter(|name| !is_bench(name));
    none(tests.chain(benches.map(|name| format!("Cargo.toml:1: has no [[bench]] \"{name}\""))));
}

#[test]
fn the_top_level_is_closed() {
    let names = entries(&top()).into_iter().map(|path| name(&path));
    let others = names.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&&**name));
    none(others.map(|name| format!("{name}:1: the top level holds nothing else")));
}

#[test]
fn every_metric_that_is_named_exists() {
    let exists = |name: &str| metrics::ALL.iter().any(|metric| metric.name == name);
    let files = files("src").into_iter().chain(below(&top().join("README.md")));
    none(files.flat_map(|file| {
        file.broken(&file.text, |line| {
            let mut names = line.match_indices("weir_").map(|(at, _)| word(&line[at..]));
            let name = names.find(|name| {
                // What Prometheus adds to the name of a histogram.
                let ends = ["_bucket", "_sum", "_count"];
                let base = ends.iter().find_map(|end| name.strip_suffix(end));
                name != "weir_" && !exists(name) && !base.is_some_and(exists)
            })?;
            Some(format!("`{name}` is not in telemetry::metrics::ALL"))
        })
    }));
}

#[test]
fn every_word_is_explained() {
    let mut wrong = Vec::new();
    let reference = read("config/reference.toml");
    let reasons = proxy::error::TABLE.iter().map(|row| ("src/proxy/error.rs", row.reason));
    let kinds = balance::KINDS.iter().map(|kind| ("src/balance/mod.rs", kind.name));
    for (path, word) in reasons.chain(kinds.clone()) {
        let said = Spawned::run(&top(), &["explain", word]);
        // More than the word itself and the line below it.
        if !said.status.success() || String::from_utf8_lossy(&said.stdout).lines().count() < 3 {
            wrong.push(format!("{path}:1: `weir explain {word}` must tell what it means"));
        }
    }
    for (path, word) in kinds.filter(|(_, word)| !reference.lines().any(|line| words(line, word))) {
        wrong.push(format!("{path}:1: `{word}` is not in config/reference.toml"));
    }
    none(wrong);
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let read = entries(&top()).into_iter();
    let read = read.filter(|entry| !["target", "tests", ".git"].contains(&&*name(entry)));
    none(read.flat_map(|entry| below(&entry)).flat_map(|file| {
        file.broken(&file.text, |line| {
            let path =
                ["/tmp/", "/work/", "/home/"].into_iter().find(|path| line.contains(path))?;
            Some(format!("`{path}` is a place on one machine"))
        })
    }));
}

/// Fails with all that breaks a rule.
/// Whoever reads a file can open what it names.
#[test]
fn documents_that_are_named_are_here() {
    let letter = |c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c);
    let mut wrong = Vec::new();
    for file in rust() {
        wrong.extend(file.broken(&file.text, |line| {
            let is_document = |word: &&str| word.ends_with(".md") && *word != ".md";
            let mut named = line.split(|c| !letter(c)).filter(is_document);
            let missing = named.find(|document| !top().join(document).is_file())?;
            Some(format!("{missing} is no document of the project: say what it says"))
        }));
    }
    none(wrong);
}

fn none(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Adds what is found and not excepted, and what is excepted and not found.
fn except(found: &[(String, String)], exceptions: &[(&str, &str)], wrong: &mut Vec<String>) {
    let excepted = |name: &str| exceptions.iter().any(|(exception, _)| *exception == name);
    wrong.extend(found.iter().filter(|(name, _)| !excepted(name)).map(|(_, wrong)| wrong.clone()));
    for (exception, _) in exceptions {
        if !found.iter().any(|(name, _)| name == exception) {
            wrong.push(format!("tests/house.rs:1: `{exception}` needs no exception any more"));
        }
    }
}

/// The module that a line declares.
fn module(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?;
    rest.split_once(';').map(|(name, _)| name)
}

/// The targets in a folder: files, and folders with a `main.rs` or `mod.rs`.
fn beside(folder: &str) -> impl Iterator<Item = String> {
    let is_target = |path: &PathBuf| {
        path.extension().is_some_and(|e| e == "rs")
            || ["main.rs", "mod.rs"].iter().any(|file| path.join(file).exists())
    };
    let paths = entries(&top().join(folder)).into_iter().filter(is_target);
    paths.map(|path| name(&path).trim_end_matches(".rs").to_owned())
}
