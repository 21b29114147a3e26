//! Two routes that some request could take equally well.
//!
//! Called by `validate.rs`. The most specific route takes a request, whatever the order in the file;
//! so two that ask for the same host and path on a common listener contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, Tree};
use crate::diagnostic::{Code, Diagnostic};
use crate::route;
use crate::route::table::Place;
use crate::unit::Name;

/// Adds each pair of routes that some request could take equally well.
pub fn ties(tree: &Tree<'_>, config: &Config, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<Place, Vec<(&Name, &route::Config)>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for (name, route) in &config.routes {
        // Without a condition that could not be read, it would seem to match more than it does.
        if tree.is_wrong(&["routes", name.as_str()], found) {
            continue;
        }
        for place in route.places() {
            let others = seen.entry(place).or_default();
            for (other, _) in others
                .iter()
                .filter(|(other, one)| *other != name && together(&one.listeners, &route.listeners))
            {
                if told.insert((*other, name)) {
                    found.push(tie(tree, other, name, route));
                }
            }
            others.push((name, route));
        }
    }
}

fn tie(tree: &Tree<'_>, first: &Name, second: &Name, route: &route::Config) -> Diagnostic {
    let problem = format!(
        "routes `{first}` and `{second}` match the same requests: \
         write another host or path in one of them, or remove it"
    );
    let key = match route {
        route::Config { path: Some(_), .. } => "path",
        route::Config { path_prefix: Some(_), .. } => "path_prefix",
        _ => "host",
    };
    let at = |name: &Name| match tree.text(&["routes", name.as_str(), key]) {
        Some((_, at)) => Some(at),
        None => tree.key(&["routes", name.as_str()]),
    };
    let label = format!("the same as in `{first}`");
    Diagnostic::new(Code::E0401, at(second), problem, label)
        .also(at(first), "the first")
        .note("the order in the file never decides")
}

/// Whether two routes share a listener; none named means every one.
fn together(one: &[Name], other: &[Name]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|name| other.contains(name))
}
