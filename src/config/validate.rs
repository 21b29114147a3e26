//! What only the whole file can tell: names that must exist, things that exclude each other, ranges.
//!
//! Called by `load.rs` after the values are read; a part that could not be read is not checked again.
//! Names are looked up in the tree, so that a pool with a wrong value still counts as a pool.
//! It adds to the diagnostics and never stops at one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, Tree, limits, ties, words};
use crate::balance;
use crate::diagnostic::{At, Code, Diagnostic, Fault, nearest, shown};
use crate::kind::{self, Choice};
use crate::net::address::{Address, Bind, Listen};
use crate::unit::Name;
use crate::{pool, route};

/// Adds what is wrong to `found`.
pub fn validate(tree: &Tree, config: &Config, found: &mut Vec<Diagnostic>) {
    let mut check = Check { tree, config, found, names: names(tree, config) };
    check.listeners();
    check.routes();
    ties(tree, config, check.found);
    check.policies();
    check.pools();
    check.tls();
    check.sessions();
    limits(tree, config, check.found);
}

/// What is checked, and what was found.
pub struct Check<'a> {
    pub tree: &'a Tree,
    pub config: &'a Config,
    pub found: &'a mut Vec<Diagnostic>,
    /// What may be named, by section.
    names: BTreeMap<&'static str, BTreeSet<&'a str>>,
}

/// The names of the sections that are named by others. The tree also has those that could not be read; the structs,
/// those of a mended section.
fn names<'a>(tree: &'a Tree, config: &'a Config) -> BTreeMap<&'static str, BTreeSet<&'a str>> {
    let section = |name, read: Vec<&'a Name>| {
        (name, tree.names(name).into_iter().chain(read.into_iter().map(Name::as_str)).collect())
    };
    BTreeMap::from([
        section("pools", config.pools.keys().collect()),
        section("listeners", config.listeners.keys().collect()),
        section("policies", config.policies.keys().collect()),
        section("certificates", config.certificates.keys().collect()),
    ])
}

impl Check<'_> {
    pub fn add(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    fn listeners(&mut self) {
        let section = self.tree.value(&["listeners"]);
        // Not if the section could not be read at all: that has been told.
        let told = section.is_some() && self.found.iter().any(|one| one.at == section);
        if self.tree.names("listeners").is_empty() && self.config.listeners.is_empty() && !told {
            let problem = "no listener, so nothing would be served: write [listeners.http] \
                           and under it `address = \":8080\"`";
            self.add(Diagnostic::new(Code::E0403, section, problem, "nothing in it"));
        }
        for name in self.tree.names("listeners") {
            let who = format!("listener `{name}`");
            self.exists(&["listeners", name, "pool"], "pool", &who);
            self.all_exist(&["listeners", name, "policies"], "policy", &who);
        }
        let config = self.config;
        let mut taken: Vec<(Listen, String, Option<At>)> = Vec::new();
        if let Bind::Listen(listen) = config.metrics.address {
            let at = self.tree.value(&["metrics", "address"]);
            taken.push((listen, "[metrics]".to_owned(), at));
        }
        for (name, listener) in &config.listeners {
            let at = self.tree.value(&["listeners", name.as_str(), "address"]);
            let other = taken.iter().find(|(listen, ..)| listen.overlaps(listener.address));
            if let Some((listen, who, first)) = other.cloned() {
                let free = listener.address.port().checked_add(1).unwrap_or(8080);
                let problem = format!(
                    "{} is taken by {who}, which listens on {listen}: \
                     write another port, such as \":{free}\"",
                    listener.address
                );
                let label = "cannot be bound a second time";
                let found = Diagnostic::new(Code::E0406, at.clone(), problem, label);
                let default = if first.is_none() && who == "[metrics]" {
                    "[metrics] listens on 127.0.0.1:9347 unless its address is set"
                } else {
                    ""
                };
                self.add(found.also(first, "the first").note(default));
            }
            taken.push((listener.address, format!("listener `{name}`"), at));
        }
    }

    /// One name or a list of them, all of which must exist.
    pub fn all_exist(&mut self, path: &[&str; 3], what: &str, who: &str) {
        self.exists(path, what, who);
        for index in 0..self.tree.count(path) {
            let index = index.to_string();
            self.exists(&[path[0], path[1], path[2], &index], what, who);
        }
    }

    /// A name that is used must be one of the section's names.
    pub fn exists(&mut self, path: &[&str], what: &str, who: &str) {
        if let Some((name, at)) = self.tree.text(path) {
            self.named(name, Some(at), what, who);
        }
    }

    /// The same, for a name that stands at a place.
    pub fn named(&mut self, name: &str, at: Option<At>, what: &str, who: &str) {
        if name.parse::<Name>().is_err() {
            // No name at all: that has been told.
            return;
        }
        let section = if what == "policy" { "policies".to_owned() } else { format!("{what}s") };
        let Some(names) = self.names.get(&*section).filter(|names| !names.contains(name)) else {
            return;
        };
        let said = shown(name);
        let near = nearest(name, names.iter().copied());
        let named = format!("no {what} `{said}`, named by {who}");
        let problem = match near.or_else(|| names.first().copied()) {
            Some(other) => format!("{named}: write `{}`, or add [{section}.{said}]", shown(other)),
            None => format!("{named}: add [{section}.{said}]"),
        };
        let label = near.map_or_else(
            || format!("not a {what} of this file"),
            |near| format!("did you mean `{near}`?"),
        );
        let listed: Vec<String> = names.iter().take(12).map(|name| shown(name)).collect();
        let note = if listed.is_empty() {
            String::new()
        } else {
            format!("{section} here: {}", listed.join(", "))
        };
        self.add(Diagnostic::new(Code::E0301, at, problem, label).note(note));
    }

    fn pools(&mut self) {
        let config = self.config;
        let listeners = config.listeners.values().filter_map(|listener| listener.pool.as_ref());
        let routes = config.routes.values().flat_map(route::Config::pools);
        let pools = config.pools.values().filter_map(|pool| pool.fallback.as_ref());
        let used: BTreeSet<&str> = listeners.chain(routes).chain(pools).map(Name::as_str).collect();
        for name in self.tree.names("pools") {
            self.exists(&["pools", name, "fallback"], "pool", &format!("pool `{name}`"));
        }
        self.circles();
        // With an error elsewhere, that may be the reason.
        let sure = self.found.iter().all(|one| one.code.is_warning());
        for (name, pool) in &config.pools {
            let name = name.as_str();
            if sure && !used.contains(name) {
                let problem = format!(
                    "pool `{name}` is never used: write `pool = \"{name}\"` in a route or \
                     a listener, or remove it"
                );
                let at = self.tree.key(&["pools", name]);
                self.add(Diagnostic::new(Code::W0102, at, problem, "nothing leads here"));
            }
            self.endpoints(name, pool);
            self.balance(name, &pool.balance);
            if let Some(health) = &pool.health {
                self.health(name, health);
            }
        }
    }

    /// Pools that fall back to one another have nobody to ask in the end. Told once, at the first of them.
    fn circles(&mut self) {
        let config = self.config;
        let next = |name: &Name| config.pools.get(name).and_then(|pool| pool.fallback.as_ref());
        for name in config.pools.keys() {
            let mut circle: Vec<&Name> = vec![name];
            while let Some(after) = circle.last().and_then(|last| next(last))
                && !circle.contains(&after)
            {
                circle.push(after);
            }
            let closed = circle.last().and_then(|last| next(last)) == Some(name);
            if !closed || circle.iter().any(|other| *other < name) {
                continue;
            }
            let named: Vec<String> =
                circle.iter().chain([&name]).map(|name| format!("`{name}`")).collect();
            let problem = format!(
                "pools fall back to one another in a circle, {}: remove one `fallback` of these",
                named.join(" → ")
            );
            let at = |name: &Name| self.tree.value(&["pools", name.as_str(), "fallback"]);
            let mut found = Diagnostic::new(Code::E0302, at(name), problem, "begins here");
            for other in &circle[1..] {
                found = found.also(at(other), "and goes on");
            }
            self.add(found);
        }
    }

    fn endpoints(&mut self, name: &str, pool: &pool::Config) {
        let list = ["pools", name, "endpoints"];
        if self.tree.count(&list) == 0 && pool.endpoints.is_empty() {
            let problem =
                format!("pool `{name}` has no endpoint: write `endpoints = [\"127.0.0.1:3000\"]`");
            let at = self.tree.value(&list);
            self.add(Diagnostic::new(Code::E0403, at, problem, "an empty list"));
        }
        // By the places in the file: those that could not be read are not in the struct.
        let mut seen: BTreeMap<Address, At> = BTreeMap::new();
        for index in 0..self.tree.count(&list) {
            let index = index.to_string();
            let path = ["pools", name, "endpoints", &index, "address"];
            let text = self.tree.text(&path[..4]).or_else(|| self.tree.text(&path));
            let Some((text, at)) = text else { continue };
            let Ok(address) = text.parse::<Address>() else { continue };
            let Some(first) = seen.insert(address, at.clone()) else { continue };
            let problem = format!(
                "endpoint {address} is twice in pool `{name}`: remove one, or write \
                 {{ address = \"{address}\", weight = 2 }} for a double share"
            );
            let found = Diagnostic::new(Code::E0204, Some(at), problem, "the second");
            self.add(found.also(Some(first), "the first"));
        }
        let weights = (0..self.tree.count(&list)).filter_map(|index| {
            let index = index.to_string();
            self.tree.integer(&["pools", name, "endpoints", &index, "weight"])
        });
        for at in weights.filter(|(weight, _)| *weight == 0).map(|(_, at)| at).collect::<Vec<_>>() {
            let problem = "`weight` is 1 to 65535, not 0: write 1, or remove the endpoint";
            self.add(Diagnostic::new(Code::E0105, Some(at), problem, "1 to 65535"));
        }
    }

    fn balance(&mut self, name: &str, choice: &Choice) {
        let at = self.tree.value(&["pools", name, "balance"]);
        let words = &balance::WORDS;
        if words.contains(&&*choice.name) {
            if let Err(fault) = options(choice) {
                self.add(fault.at(at));
            }
            return;
        }
        let said = shown(&choice.name);
        let foreign = words::value(&choice.name, words);
        let near = nearest(&choice.name, words.iter().copied());
        let (write, label) = match (foreign, near) {
            (Some(foreign), _) => (
                format!("`{}`", foreign.ours),
                format!("{}'s `{said}` is `{}` here", foreign.who, foreign.ours),
            ),
            (None, Some(near)) => (format!("`{near}`"), format!("did you mean `{near}`?")),
            (None, None) => (format!("`{}`", words.join("`, `")), "none of them".to_owned()),
        };
        let problem = format!("no balancing algorithm `{said}`: write {write}");
        let note = format!("algorithms: {}", words.join(", "));
        self.add(Diagnostic::new(Code::E0104, at, problem, label).note(note));
    }
}

/// Whether an algorithm takes the options it is given.
fn options(choice: &Choice) -> Result<(), Fault> {
    kind::build(balance::KINDS, choice).map(drop)
}
