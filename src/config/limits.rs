//! Times and sizes that are out of range, and times that contradict each other.
//!
//! Called by `validate.rs`. Each section's type lists its own keys and ranges; here is what is said of them.

use std::mem;

use super::policies::sections;
use super::{Config, Tree};
use crate::diagnostic::{Code, Diagnostic, nearest, shown};
use crate::h1::MAX_FIELDS;
use crate::message::target::normalise;
use crate::policy::{Timeouts, timeouts as times};
use crate::telemetry::counter::Buckets;
use crate::telemetry::{log, metrics};
use crate::unit::{Duration, Name, Size};
use crate::{listener, policy};

/// Adds every time, size and number that is out of range, and every two that contradict.
pub fn limits(tree: &Tree, config: &Config, found: &mut Vec<Diagnostic>) {
    let mut check = Check { tree, found };
    for (name, listener) in &config.listeners {
        for (key, time) in listener.timeouts.all() {
            check.time(&["listeners", name, "timeouts", key], time, false);
        }
        let limits = &listener.limits;
        for (key, size, least, most) in limits.sizes() {
            check.size(&["listeners", name, "limits", key], size, least, most);
        }
        let most = MAX_FIELDS as u16;
        check.number(&["listeners", name, "limits", "headers"], limits.headers, 1, most);
        check.number(&["listeners", name, "limits", "trailers"], limits.trailers, 0, most);
        for (key, number, least, most) in limits.numbers() {
            check.number(&["listeners", name, "limits", key], number, least, most);
        }
    }
    check.metrics(&config.metrics);
    check.levels(&config.log);
    let log = &config.access_log;
    let (least, most) = (Size::from_bytes(0), Size::from_kib(1024));
    check.size(&["access_log", "buffer"], log.buffer, least, most);
    for (section, policy) in sections(config) {
        check.timeouts(&section, &policy.timeouts);
    }
    for (name, route) in &config.routes {
        let own = route.own();
        // As it is on each of its listeners; one report is enough.
        let of = config.listeners.iter().filter(|(listener, one)| one.takes(listener, route));
        let rules = &config.defaults.rules;
        let mut each =
            of.map(|(_, listener)| timeouts(config, rules, listener, &route.policies, &own));
        if let Some(timeouts) = each.find(contradict) {
            check.contradiction("routes", name, &timeouts);
        }
    }
    for (name, listener) in config.listeners.iter().filter(|(_, one)| one.pool.is_some()) {
        let none = policy::Config::default();
        let timeouts = timeouts(config, &none, listener, &[], &none);
        if contradict(&timeouts) {
            check.contradiction("listeners", name, &timeouts);
        }
    }
    for (name, pool) in &config.pools {
        let connections = &pool.connections;
        for (key, time, may_be_zero) in [
            ("connect_timeout", connections.connect_timeout, false),
            ("idle_timeout", connections.idle_timeout, false),
            ("max_age", connections.max_age, true),
        ] {
            check.time(&["pools", name, "connections", key], time, may_be_zero);
        }
        let (least, most) = (Size::from_kib(1), Size::from_kib(128));
        check.size(&["pools", name, "limits", "header_size"], pool.limits.header_size, least, most);
        let most = MAX_FIELDS as u16;
        check.number(&["pools", name, "limits", "headers"], pool.limits.headers, 1, most);
    }
}

/// What holds on a listener, as `compile` merges it.
fn timeouts(
    config: &Config,
    rules: &policy::Config,
    listener: &listener::Config,
    named: &[Name],
    own: &policy::Config,
) -> Timeouts {
    let named = listener.policies.iter().chain(named);
    let named = named.filter_map(|name| config.policies.get(name));
    Timeouts::new(&policy::Config::merged([rules].into_iter().chain(named).chain([own])).timeouts)
}

/// One attempt may not take longer than all of them. One without a limit has been told: it always has one.
fn contradict(timeouts: &Timeouts) -> bool {
    timeouts.response > timeouts.total && timeouts.response < std::time::Duration::MAX
}

struct Check<'a> {
    tree: &'a Tree,
    found: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn timeouts(&mut self, section: &[&str; 2], timeouts: &times::Config) {
        for (key, time, may_be_zero) in timeouts.all() {
            if let Some(time) = time {
                self.time(&[section[0], section[1], "timeouts", key], time, may_be_zero);
            }
        }
    }

    /// Times are kept to a tenth of a second; much shorter ones are slips of the pen.
    fn time(&mut self, path: &[&str; 4], time: Duration, may_be_zero: bool) {
        if time >= Duration::from_millis(10) || may_be_zero && time.is_zero() {
            return;
        }
        let none = if may_be_zero { ", or \"0s\" for no limit" } else { "" };
        let problem = format!("`{}` is at least \"10ms\": write \"1s\", or more{none}", path[3]);
        self.found.push(Diagnostic::new(Code::E0105, self.tree.value(path), problem, "too short"));
    }

    fn size(&mut self, path: &[&str], size: Size, least: Size, most: Size) {
        if (least..=most).contains(&size) {
            return;
        }
        let nearest = if size < least { least } else { most };
        let problem = format!(
            "`{}` is \"{least}\" to \"{most}\", not \"{size}\": write \"{nearest}\"",
            path.last().copied().unwrap_or_default()
        );
        let label = if size < least { "too small" } else { "too large" };
        self.found.push(Diagnostic::new(Code::E0105, self.tree.value(path), problem, label));
    }

    fn number(&mut self, path: &[&str; 4], number: u16, least: u16, most: u16) {
        if (least..=most).contains(&number) {
            return;
        }
        let nearest = if number < least { least } else { most };
        let problem = format!("`{}` is {least} to {most}, not {number}: write {nearest}", path[3]);
        let label = format!("{least} to {most}");
        self.found.push(Diagnostic::new(Code::E0105, self.tree.value(path), problem, label));
    }

    fn metrics(&mut self, config: &metrics::Config) {
        let mut before = 0.0;
        let rises = |bound: &f64| bound.is_finite() && mem::replace(&mut before, *bound) < *bound;
        let (count, most) = (config.buckets.len(), Buckets::MOST);
        let (problem, label) = if !config.buckets.iter().all(rises) {
            let problem = "`buckets` are upper bounds in seconds, each larger than the one before \
                           it: write [0.001, 0.01, 0.1, 1.0]";
            (problem.to_owned(), "they do not rise")
        } else if !(1..=most).contains(&count) {
            let problem = format!("`buckets` are 1 to {most}, not {count}: write so many");
            (problem, if count == 0 { "none" } else { "too many" })
        } else {
            return self.path_of_metrics(config);
        };
        let at = self.tree.value(&["metrics", "buckets"]);
        self.found.push(Diagnostic::new(Code::E0105, at, problem, label));
        self.path_of_metrics(config);
    }

    /// Levels are for modules that there are.
    fn levels(&mut self, config: &log::Config) {
        for name in config.levels.keys().filter(|name| !log::MODULES.contains(&&***name)) {
            let said = shown(name);
            let near = nearest(name, log::MODULES);
            let (write, label) = near.map_or_else(
                || (log::MODULES.join("`, `"), "none of them".to_owned()),
                |near| (near.to_owned(), format!("did you mean `{near}`?")),
            );
            let problem = format!("weir has no module `{said}`: write `{write}`");
            let at = self.tree.key(&["log", "levels", name]);
            self.found.push(Diagnostic::new(Code::E0301, at, problem, label));
        }
    }

    fn path_of_metrics(&mut self, config: &metrics::Config) {
        let taken = ["/livez", "/readyz"].contains(&&*config.path);
        let is_path = config.path.starts_with('/') && normalise(config.path.as_bytes()) == Ok(None);
        if is_path && !taken {
            return;
        }
        let problem =
            "`path` is where the metrics are, beside /livez and /readyz: write \"/metrics\"";
        let label = if taken { "taken" } else { "no path" };
        let at = self.tree.value(&["metrics", "path"]);
        self.found.push(Diagnostic::new(Code::E0103, at, problem, label));
    }

    fn contradiction(&mut self, section: &str, name: &str, timeouts: &Timeouts) {
        let written = |[section, name]: [&str; 2]| {
            let text = |key| self.tree.text(&[section, name, "timeouts", key]);
            text("response").or_else(|| text("total")).map(|(_, at)| at)
        };
        let named = [section, name, "policies"];
        let at = written([section, name])
            .or_else(|| self.tree.value(&named).filter(|_| self.tree.has(&named)))
            .or_else(|| written(["defaults", "routes"]))
            .or_else(|| self.tree.key(&[section, name]));
        // What holds for all routes is told once.
        if self.found.iter().any(|one| one.at == at) {
            return;
        }
        let who = section.trim_end_matches('s');
        let problem = format!(
            "{who} `{name}` waits {:?} for an answer, but {:?} for all attempts together: write a \
             longer `timeouts.total`, or a shorter `timeouts.response`",
            timeouts.response, timeouts.total
        );
        self.found.push(Diagnostic::new(Code::W0109, at, problem, "the two contradict"));
    }
}
