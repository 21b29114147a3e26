//! Times and sizes that are out of range, and times that contradict each other.
//!
//! Called by `validate.rs`. Each section's type lists its own keys and ranges; here is what is said of them.

use super::{Config, Tree};
use crate::diagnostic::{Code, Diagnostic};
use crate::h1::MAX_FIELDS;
use crate::policy::Policy;
use crate::policy::timeouts;
use crate::unit::{Duration, Size};

/// Adds every time, size and number that is out of range, and every two that contradict.
pub fn limits(tree: &Tree<'_>, config: &Config, found: &mut Vec<Diagnostic>) {
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
    }
    for (name, policy) in &config.policies {
        check.timeouts(&["policies", name], &policy.timeouts);
    }
    for (name, route) in &config.routes {
        check.timeouts(&["routes", name], &route.timeouts);
        let named = route.policies.iter().filter_map(|policy| config.policies.get(policy));
        let own = route.own();
        check.contradiction(name, &Policy::of(named.chain([&own])));
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

struct Check<'a> {
    tree: &'a Tree<'a>,
    found: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn timeouts(&mut self, section: &[&str; 2], timeouts: &timeouts::Config) {
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

    fn size(&mut self, path: &[&str; 4], size: Size, least: Size, most: Size) {
        if (least..=most).contains(&size) {
            return;
        }
        let nearest = if size < least { least } else { most };
        let problem = format!(
            "`{}` is \"{least}\" to \"{most}\", not \"{size}\": write \"{nearest}\"",
            path[3]
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

    /// One attempt may not take longer than all of them.
    fn contradiction(&mut self, route: &str, policy: &Policy) {
        let timeouts = &policy.timeouts;
        if timeouts.response <= timeouts.total {
            return;
        }
        let path = |key| ["routes", route, "timeouts", key];
        let written = |key| self.tree.text(&path(key)).map(|(_, at)| at);
        let at = written("response").or_else(|| written("total"));
        let problem = format!(
            "route `{route}` waits {:?} for an answer, but {:?} for all attempts together: write a \
             longer `timeouts.total`, or a shorter `timeouts.response`",
            timeouts.response, timeouts.total
        );
        let at = at.or_else(|| self.tree.key(&["routes", route]));
        self.found.push(Diagnostic::new(Code::W0109, at, problem, "the two contradict"));
    }
}
