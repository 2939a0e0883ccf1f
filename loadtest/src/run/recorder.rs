//! What one thread measures. Requests whose intended start lies in the warm-up are counted for the live
//! line only.

use super::slices::{Slices, count};
use crate::outcome::{Failure, Tally, histogram};
use hdrhistogram::Histogram;

/// Classes of failures.
const FAILURES: [Failure; 7] = [
    Failure::Body,
    Failure::Closed,
    Failure::Connect,
    Failure::Malformed,
    Failure::Overload,
    Failure::Status,
    Failure::Timeout,
];

/// A thread's counts and histograms.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Where the measured part begins; never before it was told.
    begin_ns: u64,
    /// Requests start whether others were answered or not.
    is_open: bool,
    /// Everything, from the very start.
    pub(super) so_far: Tally,
    /// What came before the measured part.
    before: Tally,
    tally: Tally,
    errors: [u64; FAILURES.len()],
    latency: Histogram<u64>,
    service: Histogram<u64>,
    connect: Histogram<u64>,
    slices: Slices,
    late_ns: u64,
    last_answer_ns: u64,
}

/// What a thread measured, to be added up.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) tally: Tally,
    pub(super) errors: Vec<(Failure, u64)>,
    pub(super) latency: Histogram<u64>,
    pub(super) service: Histogram<u64>,
    pub(super) connect: Histogram<u64>,
    pub(super) slices: Slices,
    pub(super) late_ns: u64,
    /// The last answer came so long after the begin of the measured part, in ns.
    pub(super) answered_ns: u64,
}

impl Recorder {
    pub(super) fn new(is_open: bool) -> Self {
        Self {
            begin_ns: u64::MAX,
            is_open,
            so_far: Tally::default(),
            before: Tally::default(),
            tally: Tally::default(),
            errors: [0; FAILURES.len()],
            latency: histogram(),
            service: histogram(),
            connect: histogram(),
            slices: Slices::default(),
            late_ns: 0,
            last_answer_ns: 0,
        }
    }

    /// Tells where the measured part begins.
    pub(super) fn set_begin(&mut self, begin_ns: u64) {
        self.begin_ns = begin_ns;
    }

    /// The measured part begins now.
    pub(super) fn begin(&mut self) {
        self.before = self.so_far;
    }

    /// A connection came about.
    pub(super) fn connected(&mut self, after_ns: u64) {
        self.so_far.connected += 1;
        self.connect.saturating_record(after_ns);
    }

    /// A connection did not come about.
    pub(super) fn unconnected(&mut self, now_ns: u64) {
        if now_ns >= self.begin_ns {
            self.errors[Failure::Connect as usize] += 1;
        }
    }

    /// A request's start came.
    pub(super) fn started(&mut self, intended_ns: u64) {
        self.so_far.started += 1;
        self.tally.started += u64::from(intended_ns >= self.begin_ns);
    }

    /// A request left so long after its start although a connection was free.
    pub(super) fn left(&mut self, intended_ns: u64, now_ns: u64) {
        if intended_ns >= self.begin_ns {
            self.late_ns = self.late_ns.max(now_ns.saturating_sub(intended_ns));
        }
    }

    /// Bytes came.
    pub(super) fn received(&mut self, now_ns: u64, bytes: usize) {
        self.so_far.received_bytes += bytes as u64;
        if let Some(at) = now_ns.checked_sub(self.begin_ns) {
            self.slices.at(at).received_bytes += bytes as u64;
        }
    }

    /// Bytes left.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.so_far.sent_bytes += bytes as u64;
    }

    /// A right answer is complete.
    pub(super) fn completed(&mut self, now_ns: u64, intended_ns: u64, sent_ns: u64) {
        self.so_far.completed += 1;
        if intended_ns < self.begin_ns {
            return;
        }
        self.tally.completed += 1;
        self.last_answer_ns = now_ns;
        let latency = now_ns.saturating_sub(intended_ns);
        self.latency.saturating_record(latency);
        self.service
            .saturating_record(now_ns.saturating_sub(sent_ns));
        let slice = self.slices.at(now_ns.saturating_sub(self.begin_ns));
        slice.completed += 1;
        count(slice, latency);
    }

    /// A request failed.
    pub(super) fn failed(&mut self, now_ns: u64, intended_ns: u64, why: Failure) {
        self.so_far.failed += 1;
        if intended_ns < self.begin_ns {
            return;
        }
        self.tally.failed += 1;
        self.errors[why as usize] += 1;
        if why == Failure::Timeout {
            self.waited(now_ns, intended_ns);
        }
        self.slices.at(now_ns.saturating_sub(self.begin_ns)).failed += 1;
    }

    /// A request was not answered when the run ended.
    pub(super) fn unfinished(&mut self, now_ns: u64, intended_ns: u64) {
        self.so_far.unfinished += 1;
        if intended_ns >= self.begin_ns {
            self.tally.unfinished += 1;
            self.waited(now_ns, intended_ns);
        }
    }

    /// Without an answer, the time that a request waited is the least that its latency can be. In a
    /// closed loop it says nothing: the target decides how many wait.
    fn waited(&mut self, now_ns: u64, intended_ns: u64) {
        if self.is_open {
            self.latency
                .saturating_record(now_ns.saturating_sub(intended_ns));
        }
    }

    /// What was measured; from now on nothing is.
    pub(super) fn into_record(self) -> Record {
        let mut tally = self.tally;
        if self.begin_ns != u64::MAX {
            tally.received_bytes = self.so_far.received_bytes - self.before.received_bytes;
            tally.sent_bytes = self.so_far.sent_bytes - self.before.sent_bytes;
        }
        tally.connected = self.so_far.connected;
        Record {
            tally,
            errors: FAILURES.into_iter().zip(self.errors).collect(),
            latency: self.latency,
            service: self.service,
            connect: self.connect,
            slices: self.slices,
            late_ns: self.late_ns,
            answered_ns: self.last_answer_ns.saturating_sub(self.begin_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_place_of_its_class() {
        for (index, failure) in FAILURES.into_iter().enumerate() {
            assert_eq!(failure as usize, index);
        }
    }
}
