//! What a search found, as text and JSON.

use super::{Bound, Search, Step, Verdict};
use crate::report::unit;
use serde::Serialize;
use std::fmt::Write;

/// What a search found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The highest rate that held, in requests a second; none: none did.
    pub limit_per_second: Option<f64>,
    /// The lowest rate that did not hold; none: all did.
    pub too_high_per_second: Option<f64>,
    /// Why that one did not.
    pub limited_by: Option<Verdict>,
    /// The bound on the 99th percentile, in ns.
    pub p99_ns_max: u64,
    /// The bound on the share of errors.
    pub error_share_max: f64,
    /// It was stopped before its end.
    pub is_cut: bool,
    /// All runs, in order.
    pub steps: Vec<Step>,
}

impl Found {
    /// Of a search that is over, or was stopped.
    pub fn new(search: &Search, bound: &Bound, steps: Vec<Step>) -> Self {
        let too_high = search.too_high();
        let failing = |step: &&Step| Some(step.rate) == too_high && step.verdict != Verdict::Held;
        Self {
            limit_per_second: search.limit(),
            too_high_per_second: too_high,
            limited_by: steps.iter().rev().find(failing).map(|step| step.verdict),
            p99_ns_max: u64::try_from(bound.p99.as_nanos()).unwrap_or(u64::MAX),
            error_share_max: bound.error_share,
            is_cut: search.next().is_some(),
            steps,
        }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            let _ = writeln!(out, "{}", step.line());
        }
        let bound = unit::time(self.p99_ns_max as f64);
        let _ = match (self.limit_per_second, self.too_high_per_second) {
            (Some(limit), Some(_)) => writeln!(out, "p99 stays under {bound} up to {limit:.0}/s"),
            (Some(limit), None) => writeln!(
                out,
                "p99 stays under {bound} at {limit:.0}/s, the highest rate tried"
            ),
            (None, Some(_)) => writeln!(out, "p99 stays under {bound} at no rate"),
            (None, None) => writeln!(out, "nothing was found"),
        };
        if self.limited_by == Some(Verdict::Generator) {
            out += "! The generator was the limit: give it more threads, or CPUs of its own.\n";
        }
        if self.is_cut {
            out += "! The search was stopped before its end.\n";
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.unwrap_or_else(|_| unreachable!("numbers and names only")) + "\n"
    }
}

impl Step {
    /// For a terminal, without its end of line.
    pub fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Held => "holds",
            Verdict::Errors => "too many errors",
            Verdict::Generator => "the generator is the limit",
            Verdict::Latency => "too slow",
        };
        format!(
            "{:>10.0}/s  p50 {:>8}  p99 {:>8}  errors {:>6.2} %  generator {:>3.0} %  {verdict}",
            self.rate,
            unit::time(self.p50_ns as f64),
            unit::time(self.p99_ns as f64),
            self.error_share * 100.0,
            self.busy * 100.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_found_is_told_with_what_limited_it() {
        let bound = Bound {
            p99: Duration::from_millis(20),
            error_share: 0.001,
        };
        let step = |rate, verdict| Step {
            rate,
            p99_ns: 5_000_000,
            p50_ns: 1_000_000,
            error_share: 0.0,
            unconnected: 0,
            busy: 0.5,
            late_ns: 0,
            verdict,
        };
        let mut search = Search::new(100.0, 1e6);
        let mut steps = Vec::new();
        while let Some(rate) = search.next() {
            let holds = rate < 1000.0;
            search.on_run(holds);
            let verdict = if holds {
                Verdict::Held
            } else {
                Verdict::Generator
            };
            steps.push(step(rate, verdict));
        }
        let found = Found::new(&search, &bound, steps);
        assert_eq!(found.limited_by, Some(Verdict::Generator));
        let text = found.text();
        assert!(
            text.contains("p99 stays under 20") && text.contains("generator was the limit"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&found.json()).unwrap();
        assert_eq!(json["limited_by"], "generator");
        assert_eq!(
            json["steps"].as_array().map(Vec::len),
            Some(found.steps.len())
        );
        assert_eq!(
            (found.is_cut, json["p99_ns_max"].as_u64()),
            (false, Some(20_000_000))
        );
    }
}
