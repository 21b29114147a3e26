//! The figures as Markdown, and their place in `benches/README.md`.
//! It must never touch a line outside the two markers.

use std::path::Path;
use std::{fs, io};

use crate::report::{Comparison, Idle};
use crate::stats::{Estimate, median};
use crate::workload::IDLE_GATE;

/// Everything that was measured: the circumstances, the ratios, the figures behind them.
pub fn page(circumstances: &[String], comparisons: &[Comparison], idle: &[Idle]) -> String {
    let circumstances: String = circumstances.iter().map(|line| format!("- {line}\n")).collect();
    let mut ratios = Vec::new();
    let mut figures = Vec::new();
    for comparison in comparisons {
        let workload = format!("`{}`", comparison.workload.name);
        for ratio in &comparison.ratios {
            let Estimate { median, low, high } = ratio.estimate;
            ratios.push(vec![
                workload.clone(),
                format!("{} / {}", ratio.of, ratio.to),
                format!("{median:.3}"),
                format!("{low:.3} – {high:.3}"),
                ratio.gate.map_or_else(|| "–".to_owned(), |gate| format!("{gate:.2}")),
                ratio.verdict(comparison.rounds).word().to_owned(),
            ]);
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
        table(
            &["target", "bytes per idle connection", "gate", "verdict"],
            &memory.collect::<Vec<_>>(),
        ),
    ]
    .join("\n")
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
