//! The files that a configuration names besides its own: error pages, read once, so that compiling needs none.

use std::path::Path;

use super::world::{World, unreadable};
use super::{Config, Texts, Tree};
use crate::diagnostic::{Code, Diagnostic};
use crate::policy::error_pages;
use crate::route::LARGEST_BODY;

/// Reads them into the configuration. A path is relative to the file that says it.
pub fn pages(
    tree: &Tree,
    texts: &Texts,
    world: &mut World,
    config: &mut Config,
    found: &mut Vec<Diagnostic>,
) {
    let policies = config.policies.iter_mut();
    let policies = policies.map(|(name, policy)| ("policies", name, &mut policy.error_pages));
    let routes = config.routes.iter_mut();
    let routes = routes.map(|(name, route)| ("routes", name, &mut route.error_pages));
    for (section, name, pages) in policies.chain(routes) {
        read(tree, texts, world, [section, name], pages, found);
    }
    let defaults = &mut config.defaults.rules.error_pages;
    read(tree, texts, world, ["defaults", "routes"], defaults, found);
}

fn read(
    tree: &Tree,
    texts: &Texts,
    world: &mut World,
    section: [&str; 2],
    pages: &mut error_pages::Config,
    found: &mut Vec<Diagnostic>,
) {
    for (key, page) in pages.pages() {
        let at = tree.value(&[section[0], section[1], "error_pages", &key]);
        let file = at.as_ref().and_then(|at| texts.file(at.start));
        let folder =
            file.and_then(|file| Path::new(file).parent()).unwrap_or_else(|| Path::new(""));
        let path = folder.join(&page.path);
        match world.read(&path) {
            Ok(body) if body.len() > LARGEST_BODY => {
                let problem =
                    format!("{} is larger than 128 KiB: write a smaller page", path.display());
                found.push(Diagnostic::new(Code::E0105, at, problem, "too large"));
            }
            Ok(body) => page.body = body.into(),
            // A text by itself is checked without any file.
            Err(_) if !world.is_real() => {}
            Err(error) => found.push(Diagnostic { at, ..unreadable(&path, &error, true) }),
        }
    }
}
