//! Routes that get in each other's way: two that some request could take equally well, and one that no request
//! can ever reach.
//!
//! Called by `validate.rs`. The most specific route takes a request, whatever the order in the file.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Config, Tree};
use crate::diagnostic::{Code, Diagnostic};
use crate::route;
use crate::route::matcher::Conditions;
use crate::route::place::{Beginnings, Host, Path, Place};
use crate::route::table::Table;
use crate::unit::Name;

/// A route of the file, as it is compared with others.
struct Known<'a> {
    name: &'a Name,
    route: &'a route::Config,
    places: Vec<Place>,
    conditions: Conditions,
}

/// Adds each pair of routes that some request could take equally well, and each route that none can reach.
pub fn ties(tree: &Tree, config: &Config, found: &mut Vec<Diagnostic>) {
    // Without a condition that could not be read, a route would seem to match more than it does.
    let sound = |name: &Name| !tree.is_wrong(&["routes", name.as_str()], found);
    let routes = config.routes.iter().filter(|(name, _)| sound(name));
    let routes: Vec<Known<'_>> = routes
        .map(|(name, route)| {
            let (places, conditions) = (route.places(), Conditions::new(route));
            Known { name, route, places, conditions }
        })
        .collect();
    let mut told = BTreeSet::new();
    let mut tell = |one: &Known<'_>, other: &Known<'_>, sure: bool| {
        if one.name != other.name
            && one.ties(other)
            && told.insert((one.name.clone(), other.name.clone()))
        {
            found.push(tie(tree, one, other, sure));
        }
    };
    let mut levels: BTreeMap<i32, Table<Vec<usize>>> = BTreeMap::new();
    let mut regexes: BTreeMap<(i32, Host), Vec<(Beginnings, usize)>> = BTreeMap::new();
    for (at, route) in routes.iter().enumerate() {
        for place in &route.places {
            let others = levels.entry(route.route.priority).or_default().at(place.clone());
            others.iter().for_each(|other| tell(&routes[*other], route, true));
            others.push(at);
            // Whether some path is matched by two expressions is not to be known, unless they begin differently.
            if let Path::Regex(regex) = &place.path {
                let others = regexes.entry((route.route.priority, place.host.clone())).or_default();
                let begins = Beginnings::of(regex);
                let same = others.iter().filter(|(other, _)| !begins.exclude(other));
                same.for_each(|(_, other)| tell(&routes[*other], route, false));
                others.push((begins, at));
            }
        }
    }
    unreachable(tree, &routes, found);
}

/// Only a higher priority can keep a less specific route before a more specific one.
fn unreachable(tree: &Tree, routes: &[Known<'_>], found: &mut Vec<Diagnostic>) {
    // Who covers a route covers its first place, and so begins with fewer of its segments, or the same.
    let mut by_start: HashMap<String, Vec<&Known<'_>>> = HashMap::new();
    let highest = |known: &&Known<'_>| Reverse(known.route.priority);
    for one in routes {
        let starts: BTreeSet<String> = one.places.iter().map(|place| place.path.start()).collect();
        starts.into_iter().for_each(|start| by_start.entry(start).or_default().push(one));
    }
    by_start.values_mut().for_each(|all| all.sort_by_key(highest));
    for one in routes {
        let Some(place) = one.places.first() else { continue };
        let start = place.path.start();
        let ends = start.match_indices('/').map(|(at, _)| at).chain([start.len()]);
        let begin = ends.filter_map(|end| by_start.get(&start[..end]));
        let covers = begin.filter_map(|all| {
            let mut before =
                all.iter().take_while(|other| other.route.priority > one.route.priority);
            before.find(|other| other.covers(one)).copied()
        });
        let Some(cover) = covers.min_by_key(highest) else { continue };
        let (name, other) = (one.name, cover.name);
        let problem = format!(
            "route `{name}` can never match: route `{other}` of higher `priority` takes all its requests; \
             write a `priority` of {} or more here, or remove the route",
            i64::from(cover.route.priority) + 1
        );
        let at = tree.key(&["routes", name.as_str()]);
        let because = tree.value(&["routes", other.as_str(), "priority"]);
        found.push(
            Diagnostic::new(Code::W0101, at, problem, "no request comes here")
                .also(because, "takes them"),
        );
    }
}

impl Known<'_> {
    /// Whether connections come to it, by the name they ask for, and no requests.
    fn by_name(&self) -> bool {
        !self.route.sni.is_empty()
    }

    /// Whether two routes at one place can want the same request equally well.
    fn ties(&self, other: &Self) -> bool {
        self.by_name() == other.by_name()
            && self.conditions.count() == other.conditions.count()
            && !self.conditions.exclude(&other.conditions)
            && together(&self.route.listeners, &other.route.listeners)
    }

    /// Whether it matches every request that the other one matches.
    fn covers(&self, other: &Self) -> bool {
        let covers = |place: &Place| {
            let covers =
                |mine: &Place| mine.host.covers(&place.host) && mine.path.covers(&place.path);
            self.places.iter().any(covers)
        };
        let (mine, theirs) = (&self.route.listeners, &other.route.listeners);
        let listeners = mine.is_empty()
            || !theirs.is_empty() && theirs.iter().all(|listener| mine.contains(listener));
        self.by_name() == other.by_name()
            && listeners
            && self.conditions.cover(&other.conditions)
            && other.places.iter().all(covers)
    }
}

fn tie(tree: &Tree, first: &Known<'_>, second: &Known<'_>, sure: bool) -> Diagnostic {
    let match_ = if sure { "match" } else { "may match" };
    let problem = format!(
        "routes `{}` and `{}` {match_} the same requests: write another host or path in one of them, \
         or `priority = 1` in the one that comes first",
        first.name, second.name
    );
    let route = second.route;
    let key = match () {
        () if route.path.is_some() => "path",
        () if route.path_prefix.is_some() => "path_prefix",
        () if route.path_regex.is_some() => "path_regex",
        () if second.by_name() => "sni",
        () => "host",
    };
    let at = |name: &Name| match tree.text(&["routes", name.as_str(), key]) {
        Some((_, at)) => Some(at),
        None => tree.key(&["routes", name.as_str()]),
    };
    let label = format!("the same as in `{}`", first.name);
    let label = if sure { label } else { format!("perhaps what `{}` matches", first.name) };
    Diagnostic::new(Code::E0401, at(second.name), problem, label)
        .also(at(first.name), "the first")
        .note("the order in the file never decides")
}

/// Whether two routes share a listener; none named means every one.
fn together(one: &[Name], other: &[Name]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|name| other.contains(name))
}
