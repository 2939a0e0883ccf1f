//! What a run measured.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Shortest and longest time that a histogram tells apart from shorter and longer ones, in ns.
pub const LATENCY_NS: (u64, u64) = (1, 3_600_000_000_000);
/// Share of its time from which on whatever has a CPU to itself counts as the limit.
pub const BUSY: f64 = 0.9;
/// Significant digits of a histogram.
pub const DIGITS: u8 = 3;

/// The measured part of a run: no warm-up, all threads together.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// From the end of the warm-up to the moment from which no request was started any more; with a
    /// count, to the last answer.
    pub measured: Duration,
    /// How often what happened.
    pub tally: Tally,
    /// Bytes of the time `measured`. Those that came in the grace are in `tally` only, as no rate
    /// follows from them.
    pub in_time: Traffic,
    /// Right answers whose bodies were to be verified and had no checksum.
    pub unverified: u64,
    /// Failures by class; those of the warm-up are not in it. [`Failure::Connect`] and
    /// [`Failure::Handshake`] count attempts and [`Failure::Unsolicited`] connections, not requests; they
    /// are not in `tally.failed`.
    pub errors: BTreeMap<Failure, u64>,
    /// In ns, from the moment at which a request was to start to the end of its answer. With open
    /// arrivals what timed out, lost its connection or never ended is in it with the time it had waited.
    pub latency: Histogram<u64>,
    /// In ns, from the moment at which a request was handed to a connection to the end of its answer:
    /// what a tool that waits for the target would report.
    pub service: Histogram<u64>,
    /// In ns, from asking for a connection to having it, without handshakes of TLS; those of the warm-up
    /// are in it.
    pub connect: Histogram<u64>,
    /// The run in pieces of equal length, in order, for pictures; their number is bounded.
    pub slices: Vec<Slice>,
    /// How long a slice is.
    pub slice: Duration,
    /// Of a load of gRPC: what its calls ended with.
    pub calls: Option<Calls>,
    /// Of a load over TLS.
    pub handshakes: Option<Handshakes>,
    /// What the generator itself needed.
    pub generator: Generator,
    /// A signal ended it before its time.
    pub is_cut: bool,
}

impl Default for Outcome {
    /// Of a run in which nothing happened.
    fn default() -> Self {
        Self {
            measured: Duration::ZERO,
            tally: Tally::default(),
            in_time: Traffic::default(),
            unverified: 0,
            errors: BTreeMap::new(),
            latency: histogram(),
            service: histogram(),
            connect: histogram(),
            slices: Vec::new(),
            slice: Duration::ZERO,
            calls: None,
            handshakes: None,
            generator: Generator::default(),
            is_cut: false,
        }
    }
}

/// What calls of gRPC ended with, and brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Calls {
    /// Calls by their status; those that told none are not in it.
    pub statuses: BTreeMap<u8, u64>,
    /// Messages that came.
    pub messages: u64,
}

/// Handshakes of TLS that came about: those of the measured time or, where connections were kept and there
/// were none, those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Handshakes {
    /// They are of the measured time, so that there is a rate of them.
    pub is_measured: bool,
    /// Full ones.
    pub full: u64,
    /// Those that went on with the session of an earlier connection.
    pub resumed: u64,
    /// All of them, by version and cipher suite.
    pub agreed: BTreeMap<String, u64>,
    /// In ns, from having a connection to having a session on it.
    pub time: Histogram<u64>,
}

impl Handshakes {
    pub(crate) fn new(is_measured: bool) -> Self {
        Self {
            is_measured,
            full: 0,
            resumed: 0,
            agreed: BTreeMap::new(),
            time: histogram(),
        }
    }

    /// All of them.
    pub fn count(&self) -> u64 {
        self.full + self.resumed
    }

    /// Takes over another thread's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.full += other.full;
        self.resumed += other.resumed;
        for (agreed, count) in &other.agreed {
            *self.agreed.entry(agreed.clone()).or_default() += count;
        }
        // Refused only if the other reached farther; all have the same bounds.
        let _ = self.time.add(&other.time);
    }
}

/// Bytes in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Traffic {
    /// Bytes received, as they came.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
}

/// Counts that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Tally {
    /// Requests whose start came (those that no connection was free for included).
    pub started: u64,
    /// Answers that were complete and right.
    pub completed: u64,
    /// Requests that failed, of any class.
    pub failed: u64,
    /// Requests that were under way when the run ended.
    pub unfinished: u64,
    /// Bytes received, as they came.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Connections that were established, from the very start on.
    pub connected: u64,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The answer's body was not what it had to be: length or checksum.
    Body,
    /// The connection ended before the answer did.
    Closed,
    /// No connection came about.
    Connect,
    /// No session of TLS came about on a connection.
    Handshake,
    /// The target does not speak the protocol, or breaks its rules.
    Malformed,
    /// More requests waited for a connection than the backlog holds.
    Overload,
    /// The target did not take the request: it refused the stream, or was about to go.
    Refused,
    /// The target gave the request up, and not the connection.
    Reset,
    /// Another status than expected, or one of 400 and above; of gRPC, another than 0.
    Status,
    /// No answer in time.
    Timeout,
    /// Bytes came that no request asked for, such as an answer that was sent twice; the connection is
    /// given up. It counts connections: each request was answered.
    Unsolicited,
}

impl Failure {
    /// Whether it counts requests, each of which failed.
    pub fn is_of_requests(self) -> bool {
        !matches!(self, Self::Connect | Self::Handshake | Self::Unsolicited)
    }
}

/// A piece of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Right answers that ended in it.
    pub completed: u64,
    /// Failures in it.
    pub failed: u64,
    /// Bytes received in it.
    pub received_bytes: u64,
    /// Answers that ended in it by corrected latency: cell `i` counts those from `cell_floor(i)` to
    /// `cell_floor(i + 1)`; as long as the slowest needs.
    pub cells: Vec<u32>,
}

/// Cells an octave.
const CELLS: f64 = 4.0;

/// The shortest latency of a slice's cell, in ns: quarters of an octave from 1 µs on; 0 for the first.
pub fn cell_floor(cell: usize) -> f64 {
    if cell == 0 {
        0.0
    } else {
        1000.0 * (cell as f64 / CELLS).exp2()
    }
}

/// The cell of a latency in ns.
pub fn cell_of(ns: u64) -> usize {
    if ns <= 1000 {
        return 0;
    }
    ((ns as f64 / 1000.0).log2() * CELLS) as usize
}

/// What the generator itself needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Generator {
    /// CPU seconds of its threads, user and system.
    pub cpu_seconds: f64,
    /// Threads that made load.
    pub threads: u32,
    /// The latest that a request left after its intended start though a connection was free, in ns.
    pub late_ns: u64,
    /// Share of their time in which its busiest thread ran, 0 to 1.
    pub busy: f64,
    /// Sockets that were closed before their peers had time to, as too many lingered.
    #[serde(default)]
    pub cut_lingering: u64,
}

/// An empty histogram.
pub fn histogram() -> Histogram<u64> {
    let new = Histogram::new_with_bounds(LATENCY_NS.0, LATENCY_NS.1, DIGITS);
    new.unwrap_or_else(|_| unreachable!("bounds and digits are constants that it takes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_lies_in_its_cell() {
        assert_eq!((cell_of(0), cell_of(1000), cell_floor(0)), (0, 0, 0.0));
        for ns in [1001, 1500, 10_000, 123_456, 7_000_000, 3_600_000_000_000] {
            let cell = cell_of(ns);
            let ns = ns as f64;
            assert!(cell_floor(cell) <= ns * 1.000_001 && ns < cell_floor(cell + 1) * 1.000_001);
        }
    }
}
