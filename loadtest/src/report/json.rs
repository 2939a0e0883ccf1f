//! A report for programs: one JSON object.
//!
//! Units are in the names: `_ns` nanoseconds, `_bytes`, `_per_second`. Fields:
//!
//! * `schema`: 1; another number is another meaning of some field. Fields may be added without.
//! * `summary`: `version`, `target`, `workload`, `engine`, `machine` (`kernel`, `cpu_model`, `cpus`),
//!   `is_open`, `asked_per_second` and `begun_unix_s` (both may be null).
//! * `measured_ns`, `is_cut`, `tally` (counts and bytes), `generator`: as in [`Outcome`].
//! * `in_time`: bytes without those of the grace; `unverified`: right answers without a checksum.
//! * `rates`: of `started`, `completed`, `failed` requests, of the bytes of `in_time`.
//! * `calls`: of a load of gRPC alone: `statuses`, calls by their status as a number, and `messages` that
//!   came.
//! * `handshakes`: of a load over TLS alone: `full` and `resumed` ones, `agreed` (all by version and suite),
//!   `time_ns` (a [`Distribution`]); `is_measured`: they are of the measured time, and not, as connections
//!   were kept, of that before it; then `per_second` is their rate.
//! * `errors`: failures by class; classes without any are absent.
//! * `latency_ns` (corrected), `service_ns` (uncorrected), `connect_ns`: a [`Distribution`] each.
//! * `slice_ns`, `slices`: the run in pieces; `cells[i]` counts answers with a corrected latency from
//!   `1000 * 2^(i/4)` ns on (`cells[0]` from 0 on).
//! * `warnings`: sentences.

use super::{Summary, figures, warnings};
use crate::outcome::{Calls, Failure, Generator, Handshakes, Outcome, Slice, Tally, Traffic};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Number of the schema that is written and read.
pub const SCHEMA: u32 = 1;

/// The whole object; see the module.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[allow(missing_docs, reason = "the module's text says what each field is")]
pub struct Report {
    pub schema: u32,
    pub summary: Summary,
    pub measured_ns: u64,
    pub is_cut: bool,
    pub tally: Tally,
    #[serde(default)]
    pub in_time: Traffic,
    #[serde(default)]
    pub unverified: u64,
    pub rates: Rates,
    pub errors: BTreeMap<Failure, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<HandshakeFields>,
    pub latency_ns: Distribution,
    pub service_ns: Distribution,
    pub connect_ns: Distribution,
    pub slice_ns: u64,
    pub slices: Vec<SliceFields>,
    pub generator: Generator,
    pub warnings: Vec<String>,
}

/// Handshakes, as [`Handshakes`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[allow(missing_docs, reason = "they are those of Handshakes")]
pub struct HandshakeFields {
    pub is_measured: bool,
    pub full: u64,
    pub resumed: u64,
    pub per_second: Option<f64>,
    pub agreed: BTreeMap<String, u64>,
    pub time_ns: Distribution,
}

/// What happened a second, over [`Report::measured_ns`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Rates {
    pub started_per_second: f64,
    pub completed_per_second: f64,
    pub failed_per_second: f64,
    pub received_bytes_per_second: f64,
    pub sent_bytes_per_second: f64,
}

/// A histogram and what is mostly asked of it, all in ns; without samples all is null but `count`, the
/// bounds and the empty `buckets`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Distribution {
    /// Samples.
    pub count: u64,
    /// Lower edge of the lowest sample's bucket.
    pub min: Option<u64>,
    /// Upper edge of the highest sample's bucket.
    pub max: Option<u64>,
    /// Mean.
    pub mean: Option<u64>,
    /// Standard deviation.
    pub stdev: Option<u64>,
    /// Half of the samples are not above it.
    pub p50: Option<u64>,
    /// 75 % are not.
    pub p75: Option<u64>,
    /// 90 % are not.
    pub p90: Option<u64>,
    /// 99 % are not.
    pub p99: Option<u64>,
    /// 99.9 % are not.
    pub p99_9: Option<u64>,
    /// 99.99 % are not.
    pub p99_99: Option<u64>,
    /// Lowest value that the histogram tells from lower ones.
    pub lowest: u64,
    /// Highest value that it tells from higher ones.
    pub highest: u64,
    /// Significant digits of it.
    pub digits: u8,
    /// Upper edge and samples of each bucket that has some, ascending.
    pub buckets: Vec<(u64, u64)>,
}

/// A piece of the run, as [`Slice`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[allow(missing_docs, reason = "they are those of Slice")]
pub struct SliceFields {
    pub completed: u64,
    pub failed: u64,
    pub received_bytes: u64,
    pub cells: Vec<u32>,
}

/// An outcome as JSON, with a line break at its end; see the module for what is in it.
pub fn json(summary: &Summary, outcome: &Outcome) -> String {
    let report = Report::new(summary, outcome);
    // Strings, numbers, and maps with names as keys: nothing that JSON lacks.
    let json = serde_json::to_string(&report);
    json.unwrap_or_else(|error| unreachable!("{error}")) + "\n"
}

/// A report as [`json`] wrote it.
///
/// # Errors
/// It is no such object, or of another schema.
pub fn read(json: &str) -> Result<Report, String> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let fault = |error: serde_json::Error| format!("no report of loadtest: {error}");
    let version: Version = serde_json::from_str(json).map_err(fault)?;
    if version.schema != SCHEMA {
        return Err(format!("schema {}, not {SCHEMA}", version.schema));
    }
    serde_json::from_str(json).map_err(fault)
}

impl Report {
    /// Of an outcome.
    pub fn new(summary: &Summary, outcome: &Outcome) -> Self {
        let (tally, in_time) = (outcome.tally, outcome.in_time);
        let rate = |count| thousandths(figures::per_second(count, outcome.measured));
        let generator = Generator {
            cpu_seconds: thousandths(outcome.generator.cpu_seconds),
            busy: thousandths(outcome.generator.busy.clamp(0.0, 1.0)),
            ..outcome.generator
        };
        Self {
            schema: SCHEMA,
            summary: summary.clone(),
            measured_ns: nanos(outcome.measured),
            is_cut: outcome.is_cut,
            tally,
            in_time,
            unverified: outcome.unverified,
            rates: Rates {
                started_per_second: rate(tally.started),
                completed_per_second: rate(tally.completed),
                failed_per_second: rate(tally.failed),
                received_bytes_per_second: rate(in_time.received_bytes),
                sent_bytes_per_second: rate(in_time.sent_bytes),
            },
            errors: figures::errors(outcome).into_iter().collect(),
            calls: outcome.calls.clone(),
            handshakes: (outcome.handshakes.as_ref()).map(|all| HandshakeFields {
                is_measured: all.is_measured,
                full: all.full,
                resumed: all.resumed,
                per_second: all.is_measured.then(|| rate(all.count())),
                agreed: all.agreed.clone(),
                time_ns: Distribution::new(&all.time),
            }),
            latency_ns: Distribution::new(&outcome.latency),
            service_ns: Distribution::new(&outcome.service),
            connect_ns: Distribution::new(&outcome.connect),
            slice_ns: nanos(outcome.slice),
            slices: outcome.slices.iter().map(SliceFields::new).collect(),
            generator,
            warnings: warnings(summary, outcome),
        }
    }

    /// The outcome again, to the resolution of its histograms.
    ///
    /// # Errors
    /// A histogram has bounds that none can have, or values beyond them.
    pub fn outcome(&self) -> Result<Outcome, String> {
        let slice = |slice: &SliceFields| Slice {
            completed: slice.completed,
            failed: slice.failed,
            received_bytes: slice.received_bytes,
            cells: slice.cells.clone(),
        };
        Ok(Outcome {
            measured: Duration::from_nanos(self.measured_ns),
            tally: self.tally,
            in_time: self.in_time,
            unverified: self.unverified,
            errors: self.errors.clone(),
            calls: self.calls.clone(),
            handshakes: match &self.handshakes {
                Some(fields) => Some(fields.handshakes()?),
                None => None,
            },
            latency: self.latency_ns.histogram()?,
            service: self.service_ns.histogram()?,
            connect: self.connect_ns.histogram()?,
            slices: self.slices.iter().map(slice).collect(),
            slice: Duration::from_nanos(self.slice_ns),
            generator: self.generator,
            is_cut: self.is_cut,
        })
    }
}

impl HandshakeFields {
    fn handshakes(&self) -> Result<Handshakes, String> {
        Ok(Handshakes {
            is_measured: self.is_measured,
            full: self.full,
            resumed: self.resumed,
            agreed: self.agreed.clone(),
            time: self.time_ns.histogram()?,
        })
    }
}

impl Distribution {
    /// Of a histogram of ns.
    pub fn new(histogram: &Histogram<u64>) -> Self {
        let some = |value: u64| (!histogram.is_empty()).then_some(value);
        let at = |quantile| figures::at(histogram, quantile);
        let recorded = histogram.iter_recorded();
        let bucket = recorded.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()));
        Self {
            count: histogram.len(),
            min: some(histogram.min()),
            max: figures::max(histogram),
            mean: figures::mean(histogram),
            stdev: some(histogram.stdev().round() as u64),
            p50: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            lowest: histogram.low(),
            highest: histogram.high(),
            digits: histogram.sigfig(),
            buckets: bucket.collect(),
        }
    }

    /// The histogram again.
    ///
    /// # Errors
    /// It has bounds that none can have, or that take more memory than those of a run, or values beyond
    /// them.
    pub fn histogram(&self) -> Result<Histogram<u64>, String> {
        if self.digits > 3 {
            return Err(format!("{} significant digits", self.digits));
        }
        let new = Histogram::new_with_bounds(self.lowest, self.highest, self.digits);
        let mut histogram = new.map_err(|error| error.to_string())?;
        for (value, count) in &self.buckets {
            let recorded = histogram.record_n(*value, *count);
            recorded.map_err(|error| format!("bucket {value}: {error}"))?;
        }
        Ok(histogram)
    }
}

impl SliceFields {
    fn new(slice: &Slice) -> Self {
        Self {
            completed: slice.completed,
            failed: slice.failed,
            received_bytes: slice.received_bytes,
            cells: slice.cells.clone(),
        }
    }
}

/// JSON has no word for what is no number; and so few digits come back as they went.
fn thousandths(value: f64) -> f64 {
    if value.is_finite() {
        (value * 1000.0).round() / 1000.0
    } else {
        0.0
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_was_written_is_read_again() {
        for (name, summary, outcome) in sample::odd() {
            let written = json(&summary, &outcome);
            let report = read(&written).unwrap();
            // Plain comparisons: what differs would be megabytes of message.
            assert!(report == Report::new(&summary, &outcome), "{name}: report");
            let again = report.outcome().unwrap();
            assert!(again.latency == outcome.latency, "{name}: histogram");
            assert!(again.slices == outcome.slices, "{name}: slices");
            assert!(json(&summary, &again) == written, "{name}: written again");
        }
    }

    #[test]
    fn names_and_units_are_stable() {
        let (summary, outcome) = sample::small();
        let value: serde_json::Value = serde_json::from_str(&json(&summary, &outcome)).unwrap();
        for (pointer, expected) in [
            ("/schema", "1"),
            ("/summary/machine/cpus", "2"),
            ("/measured_ns", "1000000000"),
            ("/tally/completed", "990"),
            ("/rates/completed_per_second", "990.0"),
            ("/errors/timeout", "6"),
            ("/latency_ns/count", "1000"),
            ("/latency_ns/digits", "3"),
            ("/connect_ns/count", "4"),
            ("/slices/0/completed", "495"),
            ("/generator/busy", "0.25"),
        ] {
            let found = value.pointer(pointer).map(ToString::to_string);
            assert_eq!(found.as_deref(), Some(expected), "{pointer}");
        }
        let buckets = value["latency_ns"]["buckets"].as_array().unwrap();
        let count: u64 = buckets.iter().filter_map(|bucket| bucket[1].as_u64()).sum();
        assert_eq!(count, 1000);
        assert!(value["latency_ns"]["p99_99"].is_u64());
    }

    #[test]
    fn nothing_measured_is_null() {
        let (summary, outcome) = sample::empty();
        let report = Report::new(&summary, &outcome);
        assert_eq!((report.latency_ns.p99, report.latency_ns.min), (None, None));
        assert_eq!(report.rates.completed_per_second, 0.0);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let (summary, outcome) = sample::small();
        let mut report = Report::new(&summary, &outcome);
        for bad in ["", "[]", "{}", "{\"schema\":1}"] {
            assert!(read(bad).unwrap_err().starts_with("no report"), "{bad}");
        }
        let newer = json(&summary, &outcome).replace("\"schema\":1", "\"schema\":2");
        assert_eq!(read(&newer), Err("schema 2, not 1".to_owned()));
        report.latency_ns.buckets.push((u64::MAX, 1));
        assert!(report.outcome().is_err());
        report.latency_ns.digits = 5;
        assert!(report.outcome().is_err());
    }
}
