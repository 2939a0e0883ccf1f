//! One run of a search, and whether it held the bound.

use crate::outcome::{BUSY, Failure, Outcome};
use serde::Serialize;
use std::time::Duration;

/// The quantile that the bound is on.
const QUANTILE: f64 = 0.99;

/// What a rate has to hold.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// 99 of 100 requests take at most so long from their intended start.
    pub p99: Duration,
    /// At most this share of the requests fails or is never answered, 0 to 1.
    pub error_share: f64,
}

/// Why a run did not hold, or that it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It held.
    Held,
    /// Too many requests failed.
    Errors,
    /// It did not hold, and the generator had no time left, or was late by more than the bound and would
    /// have been within it without: nothing is known of the target.
    Generator,
    /// The 99th percentile is above the bound.
    Latency,
}

/// A run of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Requests a second that were started.
    pub rate: f64,
    /// The 99th percentile of corrected latency, in ns.
    pub p99_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// Requests that failed or were never answered, of those that started.
    pub error_share: f64,
    /// Connections that did not come about.
    pub unconnected: u64,
    /// Share of its time in which the generator's busiest thread ran.
    pub busy: f64,
    /// The latest that a request left after its intended start though a connection was free, in ns.
    pub late_ns: u64,
    /// What it says of the rate.
    pub verdict: Verdict,
}

impl Bound {
    /// Judges a run at `rate`.
    pub fn judge(&self, rate: f64, outcome: &Outcome) -> Step {
        let tally = &outcome.tally;
        let bad = tally.failed + tally.unfinished;
        let error_share = bad as f64 / tally.started.max(1) as f64;
        let p99_ns = outcome.latency.value_at_quantile(QUANTILE);
        let busy = outcome.generator.busy;
        let late_ns = outcome.generator.late_ns;
        let is_above = |ns: u64| u128::from(ns) > self.p99.as_nanos();
        // A target that is too slow even so is not excused by one late request.
        let is_late = is_above(late_ns) && !is_above(p99_ns.saturating_sub(late_ns));
        let fault = if error_share > self.error_share || tally.completed == 0 {
            Some(Verdict::Errors)
        } else if is_above(p99_ns) {
            Some(Verdict::Latency)
        } else {
            None
        };
        Step {
            rate,
            p99_ns,
            p50_ns: outcome.latency.value_at_quantile(0.5),
            error_share,
            unconnected: outcome.errors.get(&Failure::Connect).copied().unwrap_or(0),
            busy,
            late_ns,
            verdict: match fault {
                None => Verdict::Held,
                Some(_) if busy > BUSY => Verdict::Generator,
                // It did not run when it should have: the machine was busy with other things.
                Some(Verdict::Latency) if is_late => Verdict::Generator,
                Some(fault) => fault,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run;

    fn outcome(latency_ms: &[u64], failed: u64, busy: f64) -> Outcome {
        let mut outcome = run::outcome(Vec::new());
        for ms in latency_ms {
            outcome.latency.record(ms * 1_000_000).unwrap();
        }
        outcome.tally.completed = latency_ms.len() as u64;
        outcome.tally.failed = failed;
        outcome.tally.started = outcome.tally.completed + failed;
        outcome.generator.busy = busy;
        outcome
    }

    #[test]
    fn a_run_holds_if_it_is_quick_and_right() {
        let bound = Bound {
            p99: Duration::from_millis(20),
            error_share: 0.01,
        };
        let mut slow = vec![1; 98];
        slow.extend([30, 30]);
        let mut late = outcome(&slow, 0, 0.5);
        late.generator.late_ns = 21_000_000;
        let mut slow_and_late = outcome(&[90; 100], 0, 0.5);
        slow_and_late.generator.late_ns = 21_000_000;
        for (outcome, verdict) in [
            (outcome(&[1; 100], 0, 0.5), Verdict::Held),
            (outcome(&[1; 100], 1, 0.95), Verdict::Held),
            (outcome(&[1; 100], 2, 0.5), Verdict::Errors),
            (outcome(&[], 0, 0.5), Verdict::Errors),
            (outcome(&slow[1..], 0, 0.5), Verdict::Latency),
            (outcome(&slow, 0, 0.95), Verdict::Generator),
            (late, Verdict::Generator),
            (slow_and_late, Verdict::Latency),
        ] {
            assert_eq!(bound.judge(100.0, &outcome).verdict, verdict);
        }
    }
}
