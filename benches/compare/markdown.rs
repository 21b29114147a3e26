//! The figures as Markdown, and their place in `benches/README.md`.
//! It must never touch a line outside the two markers.

use std::path::Path;
use std::{fs, io};

use crate::report::{Comparison, Idle, Latency, Ratio};
use crate::stats::{Estimate, median};
use crate::workload::IDLE_GATE;

/// Everything that was measured: the circumstances, the ratios, the figures behind them.
pub fn page(
    circumstances: &[String],
    comparisons: &[Comparison],
    latency: Option<&Latency>,
    idle: &[Idle],
) -> String {
    let circumstances: String = circumstances.iter().map(|line| format!("- {line}\n")).collect();
    let mut ratios = Vec::new();
    let mut figures = Vec::new();
    for comparison in comparisons {
        let workload = format!("`{}`", comparison.workload.name);
        for ratio in &comparison.ratios {
            ratios.push([vec![workload.clone()], ratio_cells(ratio, comparison.rounds)].concat());
        }
        for row in &comparison.rows {
            figures.push(vec![
                workload.clone(),
                row.name.to_owned(),
                format!("{:.1}", row.ns_per_request / 1e3),
                format!("{:.0}", row.requests_per_second),
                format!("{:.0} %", row.busy * 100.0),
            ]);
        }
    }
    let memory = idle.iter().map(|row| {
        vec![
            row.name.to_owned(),
            format!("{:.0}", median(&row.bytes)),
            if row.gated { format!("{IDLE_GATE:.0}") } else { "–".to_owned() },
            row.verdict().word().to_owned(),
        ]
    });
    [
        circumstances,
        table(&["workload", "CPU time per request", "ratio", "95 %", "gate", "verdict"], &ratios),
        table(&["workload", "target", "CPU µs per request", "requests/s", "core busy"], &figures),
        latency.map(latency_tables).unwrap_or_default(),
        table(
            &["target", "bytes per idle connection", "gate", "verdict"],
            &memory.collect::<Vec<_>>(),
        ),
    ]
    .join("\n")
}

fn latency_tables(latency: &Latency) -> String {
    let ratios = latency.ratios.iter().map(|ratio| ratio_cells(ratio, latency.rounds));
    let figures = latency.rows.iter().map(|row| {
        let [p50, p99, late] = [row.p50, row.p99, row.late].map(|s| format!("{:.0}", s * 1e6));
        let [busy, load] = [row.busy, row.load_busy].map(|share| format!("{:.0} %", share * 100.0));
        let waited = format!("{:.1} %", row.waited * 100.0);
        vec![row.name.to_owned(), p50, p99, late, busy, waited, load]
    });
    [
        table(
            &["99th percentile of latency", "ratio", "95 %", "gate", "verdict"],
            &ratios.collect::<Vec<_>>(),
        ),
        table(
            &["target", "p50 µs", "p99 µs", "late, p99 µs", "core busy", "waited", "load busy"],
            &figures.collect::<Vec<_>>(),
        ),
    ]
    .join("\n")
}

/// What a ratio is of, itself, its interval, its gate, what became of it.
fn ratio_cells(ratio: &Ratio, rounds: usize) -> Vec<String> {
    let Estimate { median, low, high } = ratio.estimate;
    vec![
        format!("{} / {}", ratio.of, ratio.to),
        format!("{median:.3}"),
        format!("{low:.3} – {high:.3}"),
        ratio.gate.map_or_else(|| "–".to_owned(), |gate| format!("{gate:.2}")),
        ratio.verdict(rounds).word().to_owned(),
    ]
}

/// Puts the page between the two marker comments of a file.
pub fn write_between_markers(file: &Path, page: &str) -> io::Result<()> {
    let old = fs::read_to_string(file)?;
    let place = old.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = place.ok_or_else(|| io::Error::other("the two markers are not there"))?;
    fs::write(file, format!("{before}{BEGIN}\n\n{page}\n{END}{after}"))
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

const BEGIN: &str = "<!-- results: begin, written by the comparison itself -->";
const END: &str = "<!-- results: end -->";
