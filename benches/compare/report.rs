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
    /// Whether the figures tell of the targets: load and machine did what they should.
    pub valid: bool,
}

/// Latency at one rate.
pub struct Latency {
    /// Requests per second.
    pub rate: f64,
    pub rounds: usize,
    pub rows: Vec<LatencyRow>,
    /// Of the 99th percentile.
    pub ratios: Vec<Ratio>,
}

/// One target's medians; times in seconds.
pub struct LatencyRow {
    pub name: &'static str,
    pub p50: f64,
    pub p99: f64,
    /// 99th percentile of how late requests left.
    pub late: f64,
    /// Share of its core that the target used.
    pub busy: f64,
    /// Share of the time in which the target could have run, but something else had its core.
    pub waited: f64,
    /// Share of their core that load and origin used.
    pub load_busy: f64,
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
    /// The figures tell of something else than the targets.
    Invalid,
}

impl Ratio {
    pub fn verdict(&self, rounds: usize) -> Verdict {
        match self.gate {
            Some(_) if rounds < ENOUGH_ROUNDS => Verdict::NotJudged,
            Some(_) if !self.valid => Verdict::Invalid,
            Some(gate) if self.estimate.high <= gate + MARGIN => Verdict::Met,
            Some(_) => Verdict::Missed,
            None => Verdict::NotJudged,
        }
    }
}

impl LatencyRow {
    /// Why the figures tell of something else than the target. How late the load was is part of
    /// every latency, and so is what waits while either core has too much to do.
    pub fn fault(&self) -> Option<&'static str> {
        if self.late > MOST_LATE * self.p99 || self.load_busy > MOST_BUSY {
            Some("the load was off its schedule")
        } else if self.waited > MOST_WAITED {
            Some("something else had its core")
        } else {
            None
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
    /// Whether the run may end well with it.
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Met | Self::NotJudged)
    }

    /// For the README.
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "**missed**",
            Self::NotJudged => "not judged",
            Self::Invalid => "**invalid**",
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
    lines.extend(ratio_lines(&comparison.ratios, comparison.rounds));
    lines.join("\n")
}

/// The block for the terminal.
pub fn latency_text(latency: &Latency) -> String {
    let mut lines = vec![format!(
        "  {:<10}{:>9}{:>9}{:>12}{:>12}{:>12}{:>12}",
        "", "p50 µs", "p99 µs", "late p99", "core busy", "waited", "load busy"
    )];
    for row in &latency.rows {
        let LatencyRow { name, .. } = row;
        let [p50, p99, late] = [row.p50, row.p99, row.late].map(|seconds| seconds * 1e6);
        let [busy, waited, load] = [row.busy, row.waited, row.load_busy].map(|s| s * 100.0);
        let fault = row.fault().map(|fault| format!("  {fault}")).unwrap_or_default();
        let left = format!("  {name:<10}{p50:>9.0}{p99:>9.0}{late:>12.0}");
        lines.push(format!("{left}{busy:>10.0} %{waited:>10.1} %{load:>10.0} %{fault}"));
    }
    lines.extend(ratio_lines(&latency.ratios, latency.rounds));
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

fn ratio_lines(ratios: &[Ratio], rounds: usize) -> impl Iterator<Item = String> {
    ratios.iter().map(move |ratio| {
        let Estimate { median, low, high } = ratio.estimate;
        let name = format!("{} / {}", ratio.of, ratio.to);
        let gate = gate_words(ratio.gate, ratio.verdict(rounds));
        format!("  {name:<20}{median:>6.3}  [{low:.3}, {high:.3}]{gate}")
    })
}

fn gate_words(gate: Option<f64>, verdict: Verdict) -> String {
    let Some(gate) = gate else { return String::new() };
    let verdict = match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::NotJudged => "not judged, too few rounds",
        Verdict::Invalid => "INVALID, see above",
    };
    format!("  gate {gate}: {verdict}")
}

/// So much of a target's 99th percentile the load may be late, so full may its core be, and so long
/// may the target wait for its own: a stall of a quarter of a millisecond in a round of 50 is one
/// percent of the requests, once its queue is gone.
const MOST_LATE: f64 = 0.25;
const MOST_BUSY: f64 = 0.9;
const MOST_WAITED: f64 = 0.005;
