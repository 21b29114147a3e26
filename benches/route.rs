//! Finding a route among ten, a thousand and a hundred thousand.
//!
//! The routes are hosts with exact paths, patterns, prefixes and a catch-all; look-ups are hits of each kind
//! and misses. How many routes there are must not matter: this ends with status 1 if a kind of look-up takes
//! over twice as long among the most as among the fewest, a thousand hosts being asked in turn. With all
//! ten thousand asked in turn the table no longer fits the caches near the core; that is measured and shown
//! too, but not judged: it tells of the machine's memory more than of the table.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use weir::route::place::{Host, Path, Pattern, Place};
use weir::route::table::Table;

/// How many routes.
const COUNTS: [usize; 3] = [10, 1_000, 100_000];
/// Routes of each host: two exact paths, two patterns, five prefixes, and all the rest.
const PER_HOST: usize = 10;
/// How much longer than the first of `COUNTS` the last may take.
const BUDGET: f64 = 2.0;

fn host(number: usize) -> String {
    format!("shop-{number}.example.com")
}

fn pattern(text: &str) -> Path {
    let pattern = Pattern::new(text).expect("it is one");
    Path::Pattern(pattern.expect("it has a name"))
}

fn table(count: usize) -> Table<u32> {
    let mut table = Table::default();
    for at in 0..count {
        let path = match at % PER_HOST {
            0 => Path::Prefix(String::new()),
            n @ 1..3 => Path::Exact(format!("/static/page-{n}")),
            n @ 3..5 => pattern(&format!("/users/{{id}}/posts-{n}")),
            n => Path::Prefix(format!("/api/v{n}")),
        };
        *table.at(Place { host: Host::new(&host(at / PER_HOST)), path }) = at as u32;
    }
    table
}

fn look(table: &Table<u32>, host: &str, path: &str) -> Option<u32> {
    table.find(host.as_bytes(), path.as_bytes(), |found| Some(*found))
}

/// What is asked for: a name, a path, and whether the host is one that routes name.
const QUESTIONS: [(&str, &str, bool); 5] = [
    ("exact", "/static/page-2", true),
    ("pattern", "/users/42/posts-4", true),
    ("prefix", "/api/v7/orders/12", true),
    ("catch-all", "/a/path/of/no/route", true),
    ("miss", "/api/v7/orders/12", false),
];

/// So many hosts are asked in turn, if there are as many.
const BUSY: usize = 1_000;

/// The hosts of look-ups, at most so many, evenly taken from all there are; or as many unknown ones.
fn hosts(count: usize, most: usize, known: bool) -> Vec<String> {
    let all = count / PER_HOST;
    let asked = all.min(most);
    let name = |at| {
        if known { host(at * (all / asked)) } else { format!("other-{at}.example.com") }
    };
    (0..asked).map(name).collect()
}

fn look_ups(criterion: &mut Criterion, tables: &[(usize, Table<u32>)]) {
    for (name, path, known) in QUESTIONS {
        let mut group = criterion.benchmark_group(format!("route/{name}"));
        for (count, table) in tables {
            let hosts = hosts(*count, BUSY, known);
            assert_eq!(look(table, &hosts[0], path).is_some(), known, "{name}");
            let mut asked = hosts.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| {
                    let host = asked.next().expect("a cycle has no end");
                    look(table, black_box(host), black_box(path))
                });
            });
        }
        group.finish();
    }
}

/// Time of a look-up, from a hundred thousand of them.
fn time(table: &Table<u32>, hosts: &[String], path: &str) -> f64 {
    #[expect(clippy::disallowed_types, reason = "measures real time")]
    let begun = std::time::Instant::now();
    for host in hosts.iter().cycle().take(100_000) {
        black_box(look(table, black_box(host), black_box(path)));
    }
    begun.elapsed().as_secs_f64() / 100_000.0
}

/// How much longer a look-up takes among the most routes: the median of interleaved rounds.
fn ratio(tables: &[(usize, Table<u32>)], most: usize, path: &str, known: bool) -> f64 {
    let (few, many) = (&tables[0], &tables[tables.len() - 1]);
    let (few_hosts, many_hosts) = (hosts(few.0, most, known), hosts(many.0, most, known));
    let round = |_| time(&many.1, &many_hosts, path) / time(&few.1, &few_hosts, path);
    let mut ratios: Vec<f64> = (0..31).map(round).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Judges the budget.
#[expect(clippy::print_stdout, reason = "the verdict")]
fn verdict(tables: &[(usize, Table<u32>)]) -> ExitCode {
    let mut worst: f64 = 0.0;
    println!("most routes against fewest, budget {BUDGET:.2} with {BUSY} hosts asked in turn:");
    for (name, path, known) in QUESTIONS {
        let busy = ratio(tables, BUSY, path, known);
        let all = ratio(tables, usize::MAX, path, known);
        println!("{name:10} {busy:.2} (all hosts asked in turn: {all:.2})");
        worst = worst.max(busy);
    }
    if worst <= BUDGET { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let tables = COUNTS.map(|count| (count, table(count)));
    look_ups(&mut criterion, &tables);
    criterion.final_summary();
    // `cargo test --benches` only tries that it runs; times of that build say nothing.
    if std::env::args().any(|argument| argument == "--bench") {
        verdict(&tables)
    } else {
        ExitCode::SUCCESS
    }
}
