//! From files to a checked [`Config`], or to a report of all that is wrong with them.
//!
//! Called by every command that reads the configuration, and by the reload. The steps: find the file,
//! read it and what it includes into one document, set what the command line says, fill in variables,
//! put defaults under what they are for, read the values into the structs, check what only the whole
//! can tell. After a broken grammar it stops, since then nobody knows what the rest was meant to be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::document::Reading;
use super::merge::{self, Defaults};
use super::tree::{Table, Tree, Value};
use super::variables::Variables;
use super::world::{Seen, World};
use super::{Config, Texts, certificates, mask, mask_lines, pages, read, validate};
use crate::diagnostic::{Diagnostic, Report};

/// What is asked for beside the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the command line sets, as "pools.app.balance=random": it wins over every file.
    pub set: Vec<String>,
    /// Variables that are not set are no errors; values with them are not checked.
    pub allow_unset_env: bool,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is worth a second look; often empty.
    pub warnings: Report,
    /// How many files it is made of.
    pub files: usize,
    /// All of them as one, with the defaults in their places.
    pub(super) tree: Tree,
    /// Where each value stands.
    pub(super) texts: Texts,
}

impl Loaded {
    /// The directory of the file that says something at `path`.
    pub(super) fn directory(&self, path: &[&str]) -> Option<PathBuf> {
        let (node, _) = self.tree.walk(path)?;
        let file = self.texts.file(node.at.start)?;
        Some(Path::new(file).parent()?.to_owned())
    }
}

/// Which file to read: the one that was named (`-c` or `$WEIR_CONFIG`), else `./weir.toml` if it
/// exists, else `/etc/weir/weir.toml` if that exists, else `./weir.toml`, which will be missed.
pub fn find(explicit: Option<&Path>) -> PathBuf {
    const HERE: &str = "weir.toml";
    const SYSTEM: &str = "/etc/weir/weir.toml";
    match explicit {
        Some(path) => path.to_owned(),
        None if !Path::new(HERE).exists() && Path::new(SYSTEM).exists() => SYSTEM.into(),
        None => HERE.into(),
    }
}

/// Reads and checks a file.
///
/// Fails with a report of all errors; its warnings are then in the report too.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    load_with(path, &Options::default())
}

/// The same, with what else was asked for.
pub fn load_with(path: &Path, options: &Options) -> Result<Loaded, Report> {
    look(path, options).0
}

/// The same, and what has to be watched for a change, which is known of a broken configuration too.
pub(super) fn look(path: &Path, options: &Options) -> (Result<Loaded, Report>, Seen) {
    let mut world = World::real();
    let mut reading = Reading::new(&mut world);
    reading.file(path, None);
    let document = reading.finish();
    let loaded = check(document, &mut world, options);
    (loaded, world.seen)
}

/// Checks a text; `name` is what the report calls it. Pure: it has no other files and no variables. Fails
/// as [`load`] does.
pub fn parse(name: &str, text: &str) -> Result<Loaded, Report> {
    let mut world = World::default();
    let mut reading = Reading::new(&mut world);
    reading.text(name.to_owned(), text.to_owned(), Path::new(name));
    let document = reading.finish();
    check(document, &mut world, &Options::default())
}

fn check(
    (root, mut texts, mut found): (Table, Texts, Vec<Diagnostic>),
    world: &mut World,
    options: &Options,
) -> Result<Loaded, Report> {
    let files = texts.len();
    let mut tree = Tree { root };
    for assignment in &options.set {
        merge::set(&mut tree, &mut texts, assignment, &mut found);
    }
    let report = |texts: &Texts, found| {
        let (sources, found) = texts.report(found);
        Report::new(sources, found)
    };
    if !found.is_empty() {
        mask_lines(&mut texts);
        return Err(report(&texts, found));
    }
    mask(&tree, &mut texts);
    let allow_unset = options.allow_unset_env;
    let mut variables =
        Variables { world, texts: &texts, allow_unset, found, unset: BTreeSet::new() };
    variables.fill(&mut tree.root);
    let Variables { mut found, unset, .. } = variables;
    merge::defaults(&mut tree);
    let (config, mut wrong, guessed) = read(&tree, &texts, unset);
    found.append(&mut wrong);
    let mut config = config.unwrap_or_default();
    let read = found.len();
    validate(&tree, &config, &mut found);
    if guessed {
        // What was read under such a key has no place, and may be no mistake.
        let whole = found.split_off(read);
        found.extend(whole.into_iter().filter(|one| one.at.is_some()));
    }
    pages(&tree, &texts, world, &mut config, &mut found);
    certificates(&tree, &texts, world, &mut config, allow_unset, &mut found);
    once(&tree, &mut found);
    let report = report(&texts, found);
    if report.found().iter().any(|one| !one.code.is_warning()) {
        return Err(report);
    }
    // They are in what they are for.
    config.defaults = Defaults { rules: config.defaults.rules, ..Defaults::default() };
    Ok(Loaded { config, warnings: report, files, tree, texts })
}

/// What is wrong with a default is told once, and not for everything that has it.
fn once(tree: &Tree, found: &mut Vec<Diagnostic>) {
    let mut defaults = BTreeSet::new();
    if let Some((node, _)) = tree.walk(&["defaults"]) {
        places(&node.value, &mut defaults);
    }
    let mut told = BTreeSet::new();
    found.retain(|one| match &one.at {
        Some(at) if defaults.contains(&at.start) => told.insert((one.code, at.start)),
        _ => true,
    });
}

/// Where everything in a value begins.
pub(super) fn places(value: &Value, found: &mut BTreeSet<usize>) {
    match value {
        Value::Table(table) => {
            for entry in table.values() {
                found.extend([entry.key.start, entry.node.at.start]);
                places(&entry.node.value, found);
            }
        }
        Value::List(list) => {
            for node in list {
                found.insert(node.at.start);
                places(&node.value, found);
            }
        }
        _ => {}
    }
}
