//! How the demo tells what it sees: lines for a person, or one JSON object per line for a script.

use super::Stage;
use crate::cli::say;

/// Tells, and remembers whether every claim held.
pub struct Show {
    script: bool,
    ok: bool,
}

impl Show {
    /// For a script, or for a person.
    pub fn new(script: bool) -> Self {
        Self { script, ok: true }
    }

    /// Before the first act.
    pub fn open(&self, stage: &Stage, toml: &str) {
        let (web, metrics) = (stage.web, stage.metrics);
        if self.script {
            say(&format!(
                "{{\"event\":\"start\",\"schema\":1,\"proxy\":\"http://{web}\",\
                 \"metrics\":\"http://{metrics}/metrics\"}}\n"
            ));
            return;
        }
        let indented: String = toml.lines().map(|line| format!("    {line}\n")).collect();
        say(&format!(
            "weir demo   proxy http://{web}   metrics http://{metrics}/metrics\n            \
             try it: curl -s http://{web}/\n\nIt runs this weir.toml:\n\n{indented}\n"
        ));
    }

    /// Something is done.
    pub fn note(&self, event: &str, what: &str) {
        if self.script {
            say(&format!("{{\"event\":\"{event}\",\"note\":\"{what}\"}}\n"));
        } else {
            say(&format!("  > {what}\n"));
        }
    }

    /// A claim, whether it held, and who answered meanwhile. No act may cost a client anything.
    pub fn act(&mut self, event: &str, claim: &str, held: bool, stage: &Stage) {
        let (failed, closed) = (stage.load.seen.failed(), stage.load.seen.closed());
        let held = held && failed == 0 && closed == 0;
        self.ok &= held;
        let total: u64 = stage.shares.iter().map(|(_, count)| count).sum();
        let percent = |count: u64| (count * 100 + total / 2) / total.max(1);
        if self.script {
            let shares: Vec<String> = stage
                .shares
                .iter()
                .map(|(name, count)| format!("\"{name}\":{}", percent(*count)))
                .collect();
            say(&format!(
                "{{\"event\":\"{event}\",\"claim\":\"{claim}\",\"held\":{held},\
                 \"percent\":{{{}}},\"failed\":{failed},\"closed\":{closed}}}\n",
                shares.join(",")
            ));
            return;
        }
        let bars: String = stage
            .shares
            .iter()
            .map(|(name, count)| {
                let percent = percent(*count);
                format!("{name} {} {percent}%   ", "█".repeat(percent as usize / 5))
            })
            .collect();
        let mark = if held { "✔" } else { "✘" };
        say(&format!("  {mark} {claim}\n      {bars}\n      failed {failed}, closed {closed}\n\n"));
    }

    /// What weir says about a mistake in the file.
    pub fn report(&self, report: &str) {
        if !self.script {
            let indented: String = report.lines().map(|line| format!("      {line}\n")).collect();
            say(&indented);
        }
    }

    /// After the last act: whether every claim held.
    pub fn close(&self, stage: &Stage) -> bool {
        let (failed, closed) = (stage.load.seen.failed(), stage.load.seen.closed());
        let ok = self.ok && failed == 0 && closed == 0;
        let total = stage.load.seen.served();
        if self.script {
            say(&format!(
                "{{\"event\":\"done\",\"ok\":{ok},\"served\":{total},\"failed\":{failed},\
                 \"closed\":{closed}}}\n"
            ));
        } else {
            let held = if ok { "every claim held" } else { "NOT every claim held" };
            say(&format!(
                "done: {held}. served {total}, failed {failed}, connections closed {closed}\n"
            ));
        }
        ok
    }

    /// It goes on until somebody ends it.
    pub fn stay(&self, stage: &Stage) {
        say(&format!(
            "\nIt goes on: edit {}, curl http://{}/metrics; Ctrl-C ends it.\n",
            stage.file.display(),
            stage.metrics
        ));
    }
}
