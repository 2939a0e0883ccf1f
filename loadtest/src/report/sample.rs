//! Outcomes for tests.

use super::{Machine, Summary};
use crate::outcome::{
    Failure, Generator, Handshakes, LATENCY_NS, Outcome, Slice, Tally, Traffic, cell_of,
};
use std::{collections::BTreeMap, time::Duration};

/// Of a run in which nothing happened.
pub(super) fn empty() -> (Summary, Outcome) {
    let summary = Summary {
        version: "1.2.3".into(),
        target: "127.0.0.1:8080 as example.org".into(),
        workload: "1,000 requests/s evenly".into(),
        engine: "uring, 1 thread, seed 0".into(),
        machine: Machine {
            kernel: "6.8.0".into(),
            cpu_model: "Some CPU".into(),
            cpus: 2,
        },
        is_open: true,
        asked_per_second: Some(1000.0),
        begun_unix_s: None,
    };
    (summary, Outcome::default())
}

/// A second at 1000 requests a second with a few slow ones, in two slices.
pub(super) fn small() -> (Summary, Outcome) {
    let (summary, mut outcome) = empty();
    outcome.measured = Duration::from_secs(1);
    outcome.tally = Tally {
        started: 1000,
        completed: 990,
        failed: 8,
        unfinished: 2,
        received_bytes: 1_048_576,
        sent_bytes: 65_536,
        connected: 4,
    };
    outcome.in_time = Traffic {
        received_bytes: 1_048_576,
        sent_bytes: 65_536,
    };
    outcome.errors = BTreeMap::from([
        (Failure::Timeout, 6),
        (Failure::Closed, 2),
        (Failure::Body, 0),
    ]);
    outcome.latency.record_n(100_000, 980).unwrap();
    outcome.latency.record_n(9_990_000, 20).unwrap();
    outcome.service.record_n(50_000, 990).unwrap();
    outcome.service.record_n(5_000_000, 2).unwrap();
    outcome.connect.record_n(20_000, 4).unwrap();
    outcome.slice = Duration::from_millis(500);
    let slice = slice(495, 4, &[(100_000, 490), (9_990_000, 5)]);
    outcome.slices = vec![slice.clone(), slice];
    outcome.generator = Generator {
        cpu_seconds: 0.25,
        threads: 1,
        late_ns: 20_000,
        busy: 0.25,
        cut_lingering: 0,
    };
    (summary, outcome)
}

/// The same over TLS, with connections that come and go.
pub(super) fn secured() -> (Summary, Outcome) {
    let (summary, mut outcome) = small();
    let mut handshakes = Handshakes::new(true);
    (handshakes.full, handshakes.resumed) = (10, 30);
    handshakes.agreed = BTreeMap::from([("TLS 1.3, TLS_AES_128_GCM_SHA256".to_owned(), 40)]);
    handshakes.time.record_n(250_000, 40).unwrap();
    outcome.handshakes = Some(handshakes);
    (summary, outcome)
}

/// A slice with answers of given latencies in ns.
pub(super) fn slice(completed: u64, failed: u64, answers: &[(u64, u32)]) -> Slice {
    let last = answers.iter().map(|(ns, _)| cell_of(*ns)).max();
    let mut cells = vec![0; last.map_or(0, |last| last + 1)];
    for (ns, count) in answers {
        cells[cell_of(*ns)] += count;
    }
    Slice {
        completed,
        failed,
        received_bytes: completed * 1000,
        cells,
    }
}

/// Outcomes at and beyond what runs can have, with what they are.
pub(super) fn odd() -> Vec<(&'static str, Summary, Outcome)> {
    let (summary, nothing) = empty();
    let (_, usual) = small();
    let base = || (summary.clone(), nothing.clone());
    let mut all = Vec::new();
    let mut add = |name, (summary, outcome)| all.push((name, summary, outcome));
    add("empty", base());
    add("usual", (summary.clone(), usual));
    add("over TLS", secured());

    let (summary, mut one) = base();
    one.latency.record(123_456).unwrap();
    one.tally.completed = 1;
    one.slices = vec![slice(1, 0, &[(123_456, 1)])];
    add("one sample, no time", (summary, one));

    let (mut summary, mut wide) = base();
    summary.is_open = false;
    summary.asked_per_second = None;
    summary.target = "<b>&\"'\u{1b}[31m".into();
    summary.begun_unix_s = Some(u64::MAX);
    for ns in [0, 1, LATENCY_NS.1, u64::MAX] {
        wide.latency.saturating_record_n(ns, u64::MAX / 8);
        wide.service.saturating_record(ns);
    }
    let (counts, most) = (u64::MAX, u32::MAX);
    wide.tally = Tally {
        started: counts,
        completed: counts,
        failed: counts,
        unfinished: counts,
        received_bytes: counts,
        sent_bytes: counts,
        connected: counts,
    };
    (wide.in_time.received_bytes, wide.in_time.sent_bytes) = (counts, counts);
    wide.unverified = counts;
    wide.errors = BTreeMap::from([(Failure::Status, counts), (Failure::Overload, counts)]);
    wide.measured = Duration::from_nanos(u64::MAX);
    wide.slice = Duration::from_nanos(1);
    wide.slices = vec![
        Slice {
            completed: counts,
            failed: counts,
            received_bytes: counts,
            cells: vec![most; 130],
        };
        3000
    ];
    wide.generator = Generator {
        cpu_seconds: f64::NAN,
        threads: u32::MAX,
        late_ns: counts,
        busy: f64::INFINITY,
        cut_lingering: counts,
    };
    wide.is_cut = true;
    add("everything at its most", (summary, wide));

    let (summary, mut failed) = base();
    failed.measured = Duration::from_secs(2);
    failed.tally.started = 100;
    failed.tally.failed = 100;
    failed.errors = BTreeMap::from([(Failure::Closed, 100), (Failure::Connect, 7)]);
    failed.slice = Duration::from_secs(1);
    failed.slices = vec![slice(0, 50, &[]), slice(0, 50, &[])];
    add("only failures", (summary, failed));

    let (summary, mut hollow) = base();
    hollow.slices = vec![Slice::default(); 5];
    hollow.slice = Duration::from_millis(1);
    hollow.slices[2].cells = vec![0; 40];
    add("slices without anything", (summary, hollow));
    all
}
