//! Figures that follow from an outcome and that several reports show.

use super::unit;
use crate::outcome::{Failure, Handshakes, Outcome};
use hdrhistogram::Histogram;
use std::time::Duration;

/// The percentiles that are told, by name and as quantile.
pub(super) const PERCENTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

/// The value in ns at a quantile; none if nothing was recorded. It is the upper edge of its bucket.
pub(super) fn at(histogram: &Histogram<u64>, quantile: f64) -> Option<u64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
}

/// The highest value in ns, as [`at`]. The histogram's own word for it holds for any number of samples.
pub(super) fn max(histogram: &Histogram<u64>) -> Option<u64> {
    (!histogram.is_empty()).then(|| histogram.max())
}

/// The mean in ns, none if nothing was recorded.
pub(super) fn mean(histogram: &Histogram<u64>) -> Option<u64> {
    (!histogram.is_empty()).then(|| histogram.mean().round() as u64)
}

/// How many a second; 0 if no time passed.
pub(super) fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() {
        0.0
    } else {
        count as f64 / span.as_secs_f64()
    }
}

/// Rows of latency: percentiles, the highest and the mean; each with corrected, uncorrected and connect
/// time in ns.
pub(super) fn latency(outcome: &Outcome) -> Vec<(&'static str, [Option<u64>; 3])> {
    let all = [&outcome.latency, &outcome.service, &outcome.connect];
    let percentiles = PERCENTILES.map(|(name, quantile)| (name, all.map(|one| at(one, quantile))));
    let mut rows = percentiles.to_vec();
    rows.push(("max", all.map(max)));
    rows.push(("mean", all.map(mean)));
    rows
}

/// Handshakes of TLS by kind, with their rate where there is one, and by what they agreed on.
pub(super) fn handshakes(all: &Handshakes, measured: Duration) -> Vec<[String; 3]> {
    let rate = |count| match all.is_measured {
        true => unit::number(per_second(count, measured)) + "/s",
        false => String::new(),
    };
    let kinds = [("full", all.full), ("resumed", all.resumed)];
    let kinds = kinds.map(|(name, count)| [name.to_owned(), unit::count(count), rate(count)]);
    let agreed = all.agreed.iter();
    let agreed = agreed.map(|(name, count)| [name.clone(), unit::count(*count), String::new()]);
    kinds.into_iter().chain(agreed).collect()
}

/// How long handshakes took, as rows of percentiles, the highest and the mean.
pub(super) fn handshake_times(all: &Handshakes) -> Vec<[String; 2]> {
    let percentiles = PERCENTILES.map(|(name, quantile)| (name, at(&all.time, quantile)));
    let rest = [("max", max(&all.time)), ("mean", mean(&all.time))];
    let rows = percentiles.into_iter().chain(rest);
    rows.map(|(name, ns)| [name.to_owned(), time(ns)]).collect()
}

/// A time in ns, or that there is none.
pub(super) fn time(ns: Option<u64>) -> String {
    ns.map_or_else(|| unit::NONE.to_owned(), |ns| unit::time(ns as f64))
}

/// Failures with their numbers, the most frequent first; classes without any are left out.
pub(super) fn errors(outcome: &Outcome) -> Vec<(Failure, u64)> {
    let some = outcome.errors.iter().filter(|(_, count)| **count > 0);
    let mut errors: Vec<(Failure, u64)> = some.map(|(class, count)| (*class, *count)).collect();
    errors.sort_by_key(|(class, count)| (std::cmp::Reverse(*count), *class));
    errors
}

/// A class of failures by its short name and what it means.
pub(super) fn failure(class: Failure) -> (&'static str, &'static str) {
    match class {
        Failure::Body => ("body", "wrong length or checksum of a body"),
        Failure::Closed => ("closed", "connection ended before the answer"),
        Failure::Connect => ("connect", "attempts to connect, not requests"),
        Failure::Handshake => ("handshake", "attempts to agree on TLS, not requests"),
        Failure::Malformed => ("malformed", "target broke the protocol's rules"),
        Failure::Overload => ("overload", "too many requests waited for a connection"),
        Failure::Refused => ("refused", "target did not take the request"),
        Failure::Reset => ("reset", "target gave the request up"),
        Failure::Status => ("status", "unexpected status"),
        Failure::Timeout => ("timeout", "no answer in time"),
        Failure::Unsolicited => (
            "unsolicited",
            "connections with bytes that nobody asked for",
        ),
    }
}
