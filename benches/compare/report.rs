//! What was measured, the verdict on it, and both as text for the terminal. `markdown` writes the
//! same for the README.
//! It must never round a missed gate into a met one, nor leave out a gate that was not judged.

use crate::stats::{Estimate, median};
use crate::workload::{ENOUGH_ROUNDS, IDLE_GATE, MARGIN, Workload};

/// One workload, measured.
pub struct Comparison {
    pub workload: &'static Workload,
    pub rounds: usize,
    pub rows: Vec<Row>,
    pub ratios: Vec<Ratio>,
}

/// One target's medians.
pub struct Row {
    pub name: &'static str,
    pub ns_per_request: f64,
    pub requests_per_second: f64,
    /// Share of its core that the target used: far below 1, it was not saturated.
    pub busy: f64,
}

/// CPU time per request of `of` divided by that of `to`, paired within each round.
pub struct Ratio {
    pub of: &'static str,
    pub to: &'static str,
    pub estimate: Estimate,
    /// Only weir has one.
    pub gate: Option<f64>,
}

/// Bytes per idle connection, one value for each fresh process.
pub struct Idle {
    pub name: &'static str,
    pub bytes: Vec<f64>,
    pub gated: bool,
}

/// What became of a gate.
#[derive(Clone, Copy, PartialEq)]
pub enum Verdict {
    Met,
    Missed,
    /// There is no gate, or there were too few rounds.
    NotJudged,
}

impl Ratio {
    pub fn verdict(&self, rounds: usize) -> Verdict {
        match self.gate {
            Some(_) if rounds < ENOUGH_ROUNDS => Verdict::NotJudged,
            Some(gate) if self.estimate.high <= gate + MARGIN => Verdict::Met,
            Some(_) => Verdict::Missed,
            None => Verdict::NotJudged,
        }
    }
}

impl Idle {
    /// The worst process counts.
    pub fn verdict(&self) -> Verdict {
        match self.bytes.iter().all(|&bytes| bytes <= IDLE_GATE) {
            _ if !self.gated => Verdict::NotJudged,
            true => Verdict::Met,
            false => Verdict::Missed,
        }
    }
}

impl Verdict {
    /// For the README.
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "**missed**",
            Self::NotJudged => "not judged",
        }
    }
}

/// The block for the terminal.
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut lines = vec![format!(
        "  {:<10}{:>16}{:>14}{:>13}",
        "", "CPU ns/request", "requests/s", "core busy"
    )];
    for row in &comparison.rows {
        let Row { name, ns_per_request, requests_per_second, busy } = row;
        let left = format!("  {name:<10}{ns_per_request:>16.0}{requests_per_second:>14.0}");
        lines.push(format!("{left}{:>11.0} %", busy * 100.0));
    }
    for ratio in &comparison.ratios {
        let Estimate { median, low, high } = ratio.estimate;
        let name = format!("{} / {}", ratio.of, ratio.to);
        let gate = gate_words(ratio.gate, ratio.verdict(comparison.rounds));
        lines.push(format!("  {name:<20}{median:>6.3}  [{low:.3}, {high:.3}]{gate}"));
    }
    lines.join("\n")
}

/// The block for the terminal.
pub fn idle_text(rows: &[Idle]) -> String {
    let mut lines = Vec::new();
    for row in rows {
        let each: Vec<_> = row.bytes.iter().map(|bytes| format!("{bytes:.0}")).collect();
        let gate = gate_words(row.gated.then_some(IDLE_GATE), row.verdict());
        let (name, bytes, each) = (row.name, median(&row.bytes), each.join(", "));
        lines.push(format!("  {name:<10}{bytes:>8.0} B per connection  [{each}]{gate}"));
    }
    lines.join("\n")
}

fn gate_words(gate: Option<f64>, verdict: Verdict) -> String {
    let Some(gate) = gate else { return String::new() };
    let verdict = match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::NotJudged => "not judged, too few rounds",
    };
    format!("  gate {gate}: {verdict}")
}
