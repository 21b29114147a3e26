//! The index finds what a look at every route would find.

use super::*;
use crate::message::head::{Head, Known};

fn route(text: &str) -> (Config, Arc<Route>) {
    let config: Config = toml::from_str(&format!("respond = {{}}\n{text}")).unwrap();
    let name = Name::none();
    let route = Route {
        target: Target::new(&name, &config, &BTreeMap::new()).unwrap(),
        name,
        policy: Policy::new(policy::Config::default(), &|_| None),
        metrics: Arc::new(RouteMetrics::new(1)),
        config: Some(config.clone()),
    };
    (config, Arc::new(route))
}

fn request(host: &str, path: &str, beta: Option<&str>) -> Exchange {
    let mut head = Head::default();
    head.host = head.append(host.as_bytes());
    head.path = head.append(path.as_bytes());
    if let Some(beta) = beta {
        head.add(Known::Other, "x-beta", beta);
    }
    Exchange::bare(head)
}

/// How specific a route is for a request; `None`: it does not match. Segments of a path are compared one by one: a
/// fixed one comes before an open one.
type Rank = (i32, u8, u8, Vec<u8>, usize);

fn rank(config: &Config, x: &Exchange) -> Option<Rank> {
    let (host, path) = (x.head.host(), x.head.text(x.head.path));
    let of_host = |pattern: &String| match pattern.strip_prefix("*.") {
        Some(rest) => (host.split_once('.').is_some_and(|(_, h)| h == rest)).then_some(1),
        None => (host == pattern).then_some(2),
    };
    let host =
        if config.host.is_empty() { Some(0) } else { config.host.iter().filter_map(of_host).max() };
    let (kind, detail) = match (&config.path, &config.path_prefix, &config.path_regex) {
        (Some(pattern), ..) => {
            let (mine, theirs): (Vec<_>, Vec<_>) =
                (pattern.split('/').collect(), path.split('/').collect());
            let fits = |(mine, theirs): (&&str, &&str)| {
                mine == theirs || mine.starts_with('{') && !theirs.is_empty()
            };
            let matches = mine.len() == theirs.len() && mine.iter().zip(&theirs).all(fits);
            let detail = mine.iter().map(|segment| u8::from(!segment.starts_with('{'))).collect();
            (matches.then_some(2)?, detail)
        }
        (_, Some(prefix), _) => {
            let prefix = prefix.trim_end_matches('/');
            let rest = path.strip_prefix(prefix)?;
            ((rest.is_empty() || rest.starts_with('/')).then_some(0)?, vec![1; prefix.len()])
        }
        (.., Some(regex)) => (regex.get().is_found_in(path.as_bytes()).then_some(1)?, Vec::new()),
        _ => (0, Vec::new()),
    };
    let conditions = Conditions::new(config);
    conditions.hold(x).then_some((config.priority, host?, kind, detail, conditions.count()))
}

#[test]
fn the_index_finds_what_a_look_at_every_route_would_find() {
    let hosts = ["", "host = \"a.x\"", "host = \"*.x\"", "host = [\"b.x\", \"x\"]"];
    let paths = [
        "",
        "path = \"/a\"",
        "path = \"/a/b\"",
        "path = \"/{p}/b\"",
        "path = \"/a/{q}\"",
        "path = \"/{p}/{q}\"",
        "path_prefix = \"/a\"",
        "path_prefix = \"/a/b/\"",
        "path_regex = \"/a/.*\"",
    ];
    let others =
        ["", "header.x-beta = \"1\"", "header.x-beta = { absent = true }", "method = \"GET\""];
    let asked = ["/", "/a", "/a/", "/a/b", "/a/b/", "/a/c", "/c/b", "/c/d", "/a/b/c", "//b"];
    let mut random = fastrand::Rng::with_seed(7);
    let mut compared = 0;
    for _ in 0..400 {
        let mut router = Router::default();
        let configs: Vec<Config> = (0..random.usize(1..12))
            .map(|_| {
                let mut pick = |all: &[&'static str]| all[random.usize(..all.len())];
                let text =
                    [pick(&hosts), pick(&paths), pick(&others), pick(&["", "", "priority = 1"])];
                let (config, route) = route(&text.join("\n"));
                router.insert(&config, &route);
                config
            })
            .collect();
        for host in ["a.x", "b.x", "x", "c.a.x", "y"] {
            for path in asked {
                for beta in [None, Some("1"), Some("2")] {
                    let x = request(host, path, beta);
                    let mut ranks: Vec<(Rank, usize)> = configs
                        .iter()
                        .enumerate()
                        .filter_map(|(at, config)| Some((rank(config, &x)?, at)))
                        .collect();
                    ranks.sort();
                    let best = ranks.last().map(|(rank, at)| (rank.clone(), *at));
                    let ties = ranks
                        .iter()
                        .filter(|(rank, _)| best.as_ref().is_some_and(|best| best.0 == *rank))
                        .count();
                    if ties > 1 {
                        // `check` refuses such a file.
                        continue;
                    }
                    let found = router.find(&x).map(|id| id.0 as usize);
                    assert_eq!(
                        found,
                        best.map(|(_, at)| at),
                        "{host}{path} {beta:?} in {configs:#?}"
                    );
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 30_000, "{compared}");
}
