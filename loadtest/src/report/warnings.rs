//! What a reader of a report has to know before believing its figures.

use super::{
    Summary,
    figures::{self, PERCENTILES},
    unit, words,
};
use crate::outcome::{BUSY, Failure, Outcome};

/// Least lateness of the generator that is worth a word, in ns.
const LATE_NS: u64 = 1_000_000;
/// A percentile counts as hidden by waiting if the corrected one is so many times the uncorrected, and
/// so much longer.
const HIDDEN: f64 = 2.0;
const HIDDEN_NS: u64 = 1_000_000;
/// Part of the asked rate that has to be started.
const STARTED: f64 = 0.95;

/// Sentences about what makes an outcome other than it looks, the gravest first.
pub fn warnings(summary: &Summary, outcome: &Outcome) -> Vec<String> {
    let all = [
        cut(outcome),
        nothing(outcome),
        busy(outcome),
        late(outcome),
        short(summary, outcome),
        hidden(summary, outcome),
        failed(outcome),
        unfinished(outcome),
        unconnected(outcome),
        unsolicited(outcome),
        unverified(outcome),
        cut_lingering(outcome),
    ];
    all.into_iter().flatten().collect()
}

fn cut(outcome: &Outcome) -> Option<String> {
    let says = "A signal ended the run before its time; the figures are those until then.";
    outcome.is_cut.then(|| says.to_owned())
}

fn nothing(outcome: &Outcome) -> Option<String> {
    let is_nothing = outcome.tally.completed == 0;
    is_nothing.then(|| "No request was answered correctly.".to_owned())
}

fn busy(outcome: &Outcome) -> Option<String> {
    let busy = outcome.generator.busy;
    (busy >= BUSY).then(|| {
        let percent = unit::number_short((100.0 * busy.min(1.0)).round());
        format!(
            "The generator's busiest thread ran {percent} % of its time: the generator was probably the \
             limit, not the target. Give it more threads, or CPUs of its own."
        )
    })
}

fn late(outcome: &Outcome) -> Option<String> {
    let late = outcome.generator.late_ns;
    let highest = figures::max(&outcome.latency).unwrap_or(0);
    (late >= LATE_NS && late.saturating_mul(2) >= highest).then(|| {
        format!(
            "The generator started a request up to {} late though a connection was free: the highest \
             latencies are its own.",
            unit::time(late as f64)
        )
    })
}

fn short(summary: &Summary, outcome: &Outcome) -> Option<String> {
    let asked = summary.asked_per_second.filter(|_| !outcome.is_cut)?;
    let started = outcome.tally.started as f64;
    let expected = asked * outcome.measured.as_secs_f64();
    // Random arrivals differ from their mean: four deviations are no shortfall.
    let is_short = started < expected * STARTED && expected - started > 4.0 * expected.sqrt();
    is_short.then(|| {
        format!(
            "Only {} requests/s were started of {} that were asked for.",
            unit::number(figures::per_second(outcome.tally.started, outcome.measured)),
            unit::number(asked)
        )
    })
}

fn hidden(summary: &Summary, outcome: &Outcome) -> Option<String> {
    if !summary.is_open {
        return None;
    }
    let ratios = PERCENTILES.iter().filter_map(|(name, quantile)| {
        let corrected = figures::at(&outcome.latency, *quantile)?;
        let uncorrected = figures::at(&outcome.service, *quantile)?;
        let ratio = corrected as f64 / uncorrected.max(1) as f64;
        let is_far = corrected.saturating_sub(uncorrected) >= HIDDEN_NS && ratio >= HIDDEN;
        is_far.then_some((ratio, *name))
    });
    let (ratio, name) = ratios.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(format!(
        "At {name} the corrected latency is {} times the uncorrected one: requests waited before they \
         could be sent, because the target stalled or is slower than the rate.",
        unit::number(ratio)
    ))
}

fn failed(outcome: &Outcome) -> Option<String> {
    let failed = outcome.tally.failed;
    let errors = figures::errors(outcome).into_iter();
    let most = errors
        .map(|(class, _)| class)
        .find(|class| class.is_of_requests())
        .map(|class| figures::failure(class).0);
    (failed > 0).then(|| {
        format!(
            "{} of {} requests failed ({}){}.",
            unit::count(failed),
            unit::count(outcome.tally.started),
            unit::share(failed, outcome.tally.started),
            most.map(|name| format!(", most as “{name}”"))
                .unwrap_or_default()
        )
    })
}

fn unfinished(outcome: &Outcome) -> Option<String> {
    let unfinished = outcome.tally.unfinished;
    (unfinished > 0).then(|| {
        format!(
            "{} of {} requests had no answer when the run ended.",
            unit::count(unfinished),
            unit::count(outcome.tally.started)
        )
    })
}

fn unconnected(outcome: &Outcome) -> Option<String> {
    let attempts = *outcome
        .errors
        .get(&Failure::Connect)
        .filter(|count| **count > 0)?;
    let attempts = words::count(attempts, "attempt");
    Some(format!("{attempts} to connect failed."))
}

fn unsolicited(outcome: &Outcome) -> Option<String> {
    let connections = outcome.errors.get(&Failure::Unsolicited);
    let connections = *connections.filter(|count| **count > 0)?;
    let connections = words::count(connections, "connection");
    Some(format!(
        "{connections} brought bytes that no request had asked for: the target answers more than once, \
         or more than it says."
    ))
}

fn unverified(outcome: &Outcome) -> Option<String> {
    (outcome.unverified > 0).then(|| {
        format!(
            "{} of {} right answers told no checksum: their bodies were not verified.",
            unit::count(outcome.unverified),
            unit::count(outcome.tally.completed)
        )
    })
}

fn cut_lingering(outcome: &Outcome) -> Option<String> {
    let sockets = outcome.generator.cut_lingering;
    (sockets > 0).then(|| {
        format!(
            "The generator closed {} first, as the target was slow to: their ports stay taken for a while.",
            words::count(sockets, "connection")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use std::time::Duration;

    fn warned(change: impl Fn(&mut Summary, &mut Outcome)) -> Vec<String> {
        let (mut summary, mut outcome) = sample::small();
        outcome.tally.failed = 0;
        outcome.tally.unfinished = 0;
        outcome.service = outcome.latency.clone();
        change(&mut summary, &mut outcome);
        warnings(&summary, &outcome)
    }

    #[test]
    fn a_good_run_is_not_warned_of() {
        assert_eq!(warned(|_, _| {}), Vec::<String>::new());
    }

    #[test]
    fn each_fault_has_its_sentence() {
        type Change = fn(&mut Summary, &mut Outcome);
        let faults: [(Change, &str); 13] = [
            (|_, outcome| outcome.is_cut = true, "signal"),
            // A run that was cut starts less than was asked for.
            (
                |_, outcome| (outcome.is_cut, outcome.tally.started) = (true, 500),
                "signal",
            ),
            (|_, outcome| outcome.tally.completed = 0, "No request"),
            (
                |_, outcome| {
                    outcome.errors.insert(Failure::Connect, 9);
                },
                "9 attempts to connect failed",
            ),
            (
                |_, outcome| outcome.generator.busy = 0.97,
                "ran 97 % of its time",
            ),
            (
                |_, outcome| outcome.generator.late_ns = 9_000_000,
                "9.00 ms late",
            ),
            (
                |_, outcome| outcome.tally.started = 500,
                "Only 500 requests/s",
            ),
            (
                |_, outcome| outcome.service = sample::small().1.service,
                "At p99 the",
            ),
            (
                |_, outcome| outcome.tally.failed = 8,
                "(0.800 %), most as “timeout”",
            ),
            (
                |_, outcome| outcome.tally.unfinished = 2,
                "2 of 1,000 requests had no answer when the run ended",
            ),
            (
                |_, outcome| {
                    outcome.errors.insert(Failure::Unsolicited, 3);
                },
                "3 connections brought bytes",
            ),
            (
                |_, outcome| outcome.unverified = 990,
                "990 of 990 right answers told no checksum",
            ),
            (
                |_, outcome| outcome.generator.cut_lingering = 1,
                "closed 1 connection first",
            ),
        ];
        for (change, part) in faults {
            let found = warned(change);
            assert_eq!(found.len(), 1, "{part}: {found:?}");
            assert!(found[0].contains(part), "{part}: {found:?}");
        }
    }

    #[test]
    fn attempts_to_connect_are_no_requests_however_many() {
        let found = warned(|_, outcome| {
            outcome.tally.failed = 8;
            outcome.errors.insert(Failure::Connect, 999);
            outcome.errors.insert(Failure::Unsolicited, 999);
        });
        assert!(found[0].contains("most as “timeout”"), "{found:?}");
        assert!(found[1].contains("999 attempts"), "{found:?}");
        let found = warned(|_, outcome| {
            outcome.tally.failed = 8;
            outcome.errors = [(Failure::Connect, 9)].into();
        });
        assert!(found[0].ends_with("failed (0.800 %)."), "{found:?}");
    }

    #[test]
    fn what_is_no_fault_is_not_told() {
        type Change = fn(&mut Summary, &mut Outcome);
        let good: [Change; 5] = [
            // A tenth of the highest latency: what is high is the target's.
            |_, outcome| outcome.generator.late_ns = 1_000_000,
            // Chance: four deviations of 1000 random arrivals.
            |_, outcome| outcome.tally.started = 900,
            // Closed arrivals have nothing to correct.
            |summary, outcome| {
                summary.is_open = false;
                outcome.service = sample::small().1.service;
            },
            |summary, outcome| {
                summary.asked_per_second = None;
                outcome.tally.started = 1;
            },
            |_, outcome| outcome.measured = Duration::ZERO,
        ];
        for (index, change) in good.into_iter().enumerate() {
            assert_eq!(warned(change), Vec::<String>::new(), "{index}");
        }
    }
}
