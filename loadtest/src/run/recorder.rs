//! What one thread measures. Requests whose intended start lies in the warm-up are counted for the live
//! line only.

use super::slices::{Slices, count};
use crate::{
    grpc::STATUS_MAX,
    outcome::{Calls, Failure, Handshakes, Tally, Traffic, histogram},
};
use hdrhistogram::Histogram;
use tls::{Facts, Suite, Version};

/// Classes of failures.
const FAILURES: [Failure; 11] = [
    Failure::Body,
    Failure::Closed,
    Failure::Connect,
    Failure::Handshake,
    Failure::Malformed,
    Failure::Overload,
    Failure::Refused,
    Failure::Reset,
    Failure::Status,
    Failure::Timeout,
    Failure::Unsolicited,
];

/// A thread's counts and histograms.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Where the measured part begins; never before it was told.
    begin_ns: u64,
    /// Where no request starts any more.
    end_ns: u64,
    /// Requests start whether others were answered or not.
    is_open: bool,
    /// Everything, from the very start.
    pub(super) so_far: Tally,
    /// The measured part, with its grace.
    tally: Tally,
    /// Bytes of the measured part without its grace, and up to the last answer.
    in_time: Traffic,
    at_answer: Traffic,
    errors: [u64; FAILURES.len()],
    latency: Histogram<u64>,
    service: Histogram<u64>,
    connect: Histogram<u64>,
    /// Before the measured time, and in it; none before the first.
    handshakes: Option<Box<[Agreed; 2]>>,
    slices: Slices,
    late_ns: u64,
    last_answer_ns: u64,
    /// Sockets closed before their time, as too many lingered.
    pub(super) cut_lingering: u64,
    unverified: u64,
    /// Calls of gRPC by their status, and messages that they brought.
    statuses: [u64; STATUS_MAX as usize + 1],
    messages: u64,
    has_calls: bool,
}

/// What a thread measured, to be added up.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) tally: Tally,
    /// Bytes of the time that rates are told of.
    pub(super) in_time: Traffic,
    pub(super) errors: Vec<(Failure, u64)>,
    pub(super) latency: Histogram<u64>,
    pub(super) service: Histogram<u64>,
    pub(super) connect: Histogram<u64>,
    pub(super) slices: Slices,
    pub(super) late_ns: u64,
    /// The last answer came so long after the begin of the measured part, in ns.
    pub(super) answered_ns: u64,
    pub(super) cut_lingering: u64,
    pub(super) unverified: u64,
    pub(super) calls: Option<Calls>,
    pub(super) handshakes: Option<[Handshakes; 2]>,
}

/// Handshakes of a time, and what they agreed on.
#[derive(Debug)]
struct Agreed {
    all: Handshakes,
    on: Vec<(Version, Suite, u64)>,
}

impl Recorder {
    /// `is_open`: of an open schedule; `has_calls`: of gRPC.
    pub(super) fn new(is_open: bool, has_calls: bool) -> Self {
        Self {
            begin_ns: u64::MAX,
            end_ns: u64::MAX,
            is_open,
            so_far: Tally::default(),
            tally: Tally::default(),
            in_time: Traffic::default(),
            at_answer: Traffic::default(),
            errors: [0; FAILURES.len()],
            latency: histogram(),
            service: histogram(),
            connect: histogram(),
            handshakes: None,
            slices: Slices::default(),
            late_ns: 0,
            last_answer_ns: 0,
            cut_lingering: 0,
            unverified: 0,
            statuses: [0; STATUS_MAX as usize + 1],
            messages: 0,
            has_calls,
        }
    }

    /// Tells where the measured part begins, and where it ends unless a count ends it.
    pub(super) fn set_span(&mut self, begin_ns: u64, end_ns: u64) {
        (self.begin_ns, self.end_ns) = (begin_ns, end_ns);
    }

    /// A connection came about.
    pub(super) fn connected(&mut self, after_ns: u64) {
        self.so_far.connected += 1;
        self.connect.saturating_record(after_ns);
    }

    /// A handshake came about.
    pub(super) fn secured(&mut self, now_ns: u64, after_ns: u64, facts: &Facts) {
        let is_measured = self.is_in_time(now_ns);
        let of = |is_measured| Agreed::new(is_measured);
        let parts = (self.handshakes).get_or_insert_with(|| Box::new([false, true].map(of)));
        if is_measured || now_ns < self.begin_ns {
            parts[usize::from(is_measured)].count(after_ns, facts);
        }
    }

    /// A connection, or a session on it, did not come about.
    pub(super) fn unconnected(&mut self, now_ns: u64, why: Failure) {
        if now_ns >= self.begin_ns {
            self.errors[why as usize] += 1;
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
        let bytes = bytes as u64;
        self.so_far.received_bytes += bytes;
        if let Some(at) = now_ns.checked_sub(self.begin_ns) {
            self.tally.received_bytes += bytes;
            self.slices.at(at).received_bytes += bytes;
        }
        if self.is_in_time(now_ns) {
            self.in_time.received_bytes += bytes;
        }
    }

    /// Bytes left.
    pub(super) fn sent(&mut self, now_ns: u64, bytes: usize) {
        let bytes = bytes as u64;
        self.so_far.sent_bytes += bytes;
        if now_ns >= self.begin_ns {
            self.tally.sent_bytes += bytes;
        }
        if self.is_in_time(now_ns) {
            self.in_time.sent_bytes += bytes;
        }
    }

    fn is_in_time(&self, now_ns: u64) -> bool {
        (self.begin_ns..self.end_ns).contains(&now_ns)
    }

    /// A right answer is complete.
    pub(super) fn completed(&mut self, now_ns: u64, intended_ns: u64, sent_ns: u64) {
        self.so_far.completed += 1;
        if intended_ns < self.begin_ns {
            return;
        }
        self.tally.completed += 1;
        self.last_answer_ns = now_ns;
        self.at_answer = self.in_time;
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
        match why {
            Failure::Timeout | Failure::Closed => self.waited(now_ns, intended_ns),
            // An answer came, if a wrong one; or the request never got so far as to wait.
            Failure::Body
            | Failure::Connect
            | Failure::Handshake
            | Failure::Malformed
            | Failure::Overload
            | Failure::Refused
            | Failure::Reset
            | Failure::Status
            | Failure::Unsolicited => {}
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

    /// Bytes came that no request asked for.
    pub(super) fn unsolicited(&mut self, now_ns: u64) {
        if now_ns >= self.begin_ns {
            self.errors[Failure::Unsolicited as usize] += 1;
        }
    }

    /// A right answer's body had no checksum to be compared with.
    pub(super) fn unverified(&mut self, intended_ns: u64) {
        self.unverified += u64::from(intended_ns >= self.begin_ns);
    }

    /// A call of gRPC was answered.
    pub(super) fn called(&mut self, intended_ns: u64, status: Option<u8>, messages: u64) {
        if intended_ns >= self.begin_ns {
            self.messages += messages;
            let count = status.and_then(|status| self.statuses.get_mut(usize::from(status)));
            count.into_iter().for_each(|count| *count += 1);
        }
    }

    fn calls(&self) -> Option<Calls> {
        let counted = (0..).zip(self.statuses).filter(|(_, count)| *count > 0);
        self.has_calls.then(|| Calls {
            statuses: counted.collect(),
            messages: self.messages,
        })
    }

    /// What was measured; from now on nothing is. If a count ended it the last answer is its end.
    pub(super) fn into_record(self, is_counted_out: bool) -> Record {
        let mut tally = self.tally;
        tally.connected = self.so_far.connected;
        Record {
            tally,
            in_time: match is_counted_out && self.last_answer_ns > 0 {
                true => self.at_answer,
                false => self.in_time,
            },
            unverified: self.unverified,
            calls: self.calls(),
            cut_lingering: self.cut_lingering,
            errors: FAILURES.into_iter().zip(self.errors).collect(),
            latency: self.latency,
            service: self.service,
            connect: self.connect,
            handshakes: self.handshakes.map(|parts| parts.map(Agreed::into_all)),
            slices: self.slices,
            late_ns: self.late_ns,
            answered_ns: self.last_answer_ns.saturating_sub(self.begin_ns),
        }
    }
}

impl Agreed {
    fn new(is_measured: bool) -> Self {
        Self {
            all: Handshakes::new(is_measured),
            on: Vec::new(),
        }
    }

    fn count(&mut self, after_ns: u64, facts: &Facts) {
        self.all.full += u64::from(!facts.is_resumed);
        self.all.resumed += u64::from(facts.is_resumed);
        self.all.time.saturating_record(after_ns);
        let is_same = |(version, suite, _): &&mut (Version, Suite, u64)| {
            (*version, *suite) == (facts.version, facts.suite)
        };
        match self.on.iter_mut().find(is_same) {
            Some((_, _, count)) => *count += 1,
            None => self.on.push((facts.version, facts.suite, 1)),
        }
    }

    fn into_all(self) -> Handshakes {
        let named = self.on.into_iter().map(|(version, suite, count)| {
            let version = match version {
                Version::Tls12 => "TLS 1.2",
                Version::Tls13 => "TLS 1.3",
            };
            (format!("{version}, {}", suite.name()), count)
        });
        Handshakes {
            agreed: named.collect(),
            ..self.all
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
