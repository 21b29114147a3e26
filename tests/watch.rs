//! However the files of the configuration change, weir notices within two seconds.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use weir::runtime::process::Reloaded;

use crate::harness::{Upstream, Weir, complete, one_pool, within};

/// Two upstreams, `a` and `b`, and a directory.
struct Stage {
    a: Upstream,
    b: Upstream,
    directory: TempDir,
}

impl Stage {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { a: Upstream::replying("a"), b: Upstream::replying("b"), directory }
    }

    /// A whole configuration that leads to `a` or to `b`.
    fn to(&self, name: &str) -> String {
        complete(&one_pool(&[if name == "a" { &self.a } else { &self.b }]))
    }

    fn write(&self, file: &str, text: impl AsRef<str>) {
        let path = self.directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.as_ref()).unwrap();
    }

    /// Starts with a file that leads to `a`, changes something, and waits until `b` answers.
    fn follows(self, file: &str, change: impl FnOnce(&Path, &Self)) -> (Weir, Self) {
        let directory = self.directory.path().to_owned();
        let inner = TempDir::new().unwrap();
        let (keep, stage) = (self.directory, Self { directory: inner, ..self });
        let weir = Weir::start_in(keep, file);
        assert_eq!(weir.get("/").text(), "a");
        change(&directory, &stage);
        within(2, "traffic follows", || weir.get("/").text() == "b");
        (weir, stage)
    }
}

/// Puts a link in place of another one, as `ln -sfn` and Kubernetes do: by a rename.
fn relink(target: &str, link: &Path) {
    let beside = link.with_file_name("link.tmp");
    symlink(target, &beside).unwrap();
    fs::rename(beside, link).unwrap();
}

#[test]
fn an_edit_in_place_and_a_file_that_is_renamed_over_it() {
    let stage = Stage::new();
    stage.write("weir.toml", stage.to("a"));
    stage.follows("weir.toml", |path, stage| {
        fs::write(path.join("weir.toml"), stage.to("b")).unwrap();
    });
    let stage = Stage::new();
    stage.write("weir.toml", stage.to("a"));
    stage.follows("weir.toml", |path, stage| {
        fs::write(path.join(".weir.toml.swp"), stage.to("b")).unwrap();
        fs::rename(path.join(".weir.toml.swp"), path.join("weir.toml")).unwrap();
    });
}

#[test]
fn a_link_that_leads_to_another_file_and_an_edit_behind_it() {
    let stage = Stage::new();
    stage.write("real/a.toml", stage.to("a"));
    stage.write("real/b.toml", stage.to("b"));
    symlink("real/a.toml", stage.directory.path().join("weir.toml")).unwrap();
    let (weir, stage) =
        stage.follows("weir.toml", |path, _| relink("real/b.toml", &path.join("weir.toml")));
    let real = weir.path().with_file_name("real").join("b.toml");
    fs::write(&real, stage.to("a")).unwrap();
    within(2, "the file behind the moved link is watched", || weir.get("/").text() == "a");
    fs::write(&real, stage.to("b")).unwrap();
    within(2, "and again", || weir.get("/").text() == "b");
}

#[test]
fn a_config_map_whose_data_link_is_swapped() {
    let stage = Stage::new();
    stage.write("..2026_11_24/weir.toml", stage.to("a"));
    stage.write("..2026_11_25/weir.toml", stage.to("b"));
    let path = stage.directory.path();
    symlink("..2026_11_24", path.join("..data")).unwrap();
    symlink("..data/weir.toml", path.join("weir.toml")).unwrap();
    stage.follows("weir.toml", |path, _| {
        symlink("..2026_11_25", path.join("..data_tmp")).unwrap();
        fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
        fs::remove_dir_all(path.join("..2026_11_24")).unwrap();
    });
}

#[test]
fn a_link_to_the_directory_that_is_swapped() {
    let stage = Stage::new();
    stage.write("releases/1/weir.toml", stage.to("a"));
    stage.write("releases/2/weir.toml", stage.to("b"));
    symlink("releases/1", stage.directory.path().join("..data")).unwrap();
    symlink("..data", stage.directory.path().join("conf")).unwrap();
    stage.follows("conf/weir.toml", |path, _| relink("releases/2", &path.join("..data")));
}

#[test]
fn a_directory_that_another_one_takes_the_place_of() {
    let stage = Stage::new();
    stage.write("conf/weir.toml", stage.to("a"));
    stage.write("next/weir.toml", stage.to("b"));
    stage.follows("conf/weir.toml", |path, _| {
        fs::rename(path.join("conf"), path.join("before")).unwrap();
        fs::rename(path.join("next"), path.join("conf")).unwrap();
    });
}

#[test]
fn files_of_an_included_directory_come_change_and_go() {
    let stage = Stage::new();
    let listener =
        complete("include = \"conf.d/*.toml\"\n[listeners.web]\naddress = \"127.0.0.1:0\"\n");
    stage.write("weir.toml", listener);
    let pool = |upstream: &Upstream| format!("[pools.p]\nendpoints = [\"{upstream}\"]\n");
    let route = "[routes.all]\npool = \"p\"\n";
    let (a, b) = (pool(&stage.a) + route, pool(&stage.b) + route);
    let Stage { directory, .. } = &stage;
    let path = directory.path().join("conf.d");
    let weir = Weir::start_in(stage.directory, "weir.toml");
    assert_eq!(weir.get("/").status, 404);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("p.toml"), a).unwrap();
    within(2, "a new directory and a new file", || weir.get("/").text() == "a");
    fs::write(path.join("p.toml"), b).unwrap();
    within(2, "a changed file", || weir.get("/").text() == "b");
    // What is wrong in one changes nothing, and to mend that one is enough.
    fs::write(path.join("q.toml"), "[routes.all]\n").unwrap();
    weir.until_metric("weir_config_last_reload_successful ", 0.0);
    assert_eq!(weir.get("/").text(), "b");
    fs::write(path.join("q.toml"), "[routes.q]\npath = \"/q\"\npool = \"p\"\n").unwrap();
    within(2, "a mended file", || weir.metric("weir_config_last_reload_successful ") == 1.0);
    fs::remove_dir_all(&path).unwrap();
    within(2, "files that are gone", || weir.get("/").status == 404);
    let read = weir.metric("weir_config_reloads_total");
    assert_eq!(weir.process().reload(), Reloaded::Unchanged);
    assert_eq!(weir.metric("weir_config_reloads_total"), read + 1.0, "and no more than once each");
}

#[test]
fn whoever_does_not_want_it_sends_a_signal() {
    let stage = Stage::new();
    let off = "[runtime]\nworkers = 2\nwatch = false\n";
    let text = |name: &str| stage.to(name).replace("[runtime]\nworkers = 2\n", off);
    let (a, b) = (text("a"), text("b"));
    stage.write("weir.toml", a);
    let weir = Weir::start_in(stage.directory, "weir.toml");
    fs::write(weir.path(), &b).unwrap();
    assert_eq!(weir.process().reload(), Reloaded::Accepted);
    assert_eq!(weir.get("/").text(), "b");
    // Nothing else has reloaded meanwhile: the next one is the first that finds nothing new.
    assert_eq!(weir.metric("weir_config_reloads_total"), 1.0);
}
