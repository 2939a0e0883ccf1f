//! Counters, gauges and latency histograms. Each block has one writer, its worker; readers on other
//! threads see every value some moments late, and never stop the writer.

use crate::{config::Snapshot, grpc::Outcome};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`. One writer: a load and a store, no lock prefix.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Sets what another place has counted.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    pub fn inc(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.0
            .store(self.0.load(Relaxed).saturating_sub(1), Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

const SUB_BITS: u32 = 3;
/// Buckets: 8 a power of two, up to 2^36 µs (19 hours).
const BUCKETS: usize = (36 << SUB_BITS) as usize;

/// Durations in log-linear buckets, 8 to a power of two of microseconds (error at most 12.5 %).
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_us: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_us: Counter::default(),
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = &self.buckets[Self::index(micros)];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        self.sum_us.add(micros);
    }

    fn index(micros: u64) -> usize {
        let top = 63 - (micros | 1).leading_zeros();
        if top < SUB_BITS {
            return micros as usize;
        }
        let sub = (micros >> (top - SUB_BITS)) as usize & ((1 << SUB_BITS) - 1);
        ((((top - SUB_BITS + 1) << SUB_BITS) as usize) + sub).min(BUCKETS - 1)
    }

    /// The lowest value (µs) that no longer falls into bucket `index`.
    fn end_of(index: usize) -> u64 {
        let (group, sub) = (index >> SUB_BITS, (index & ((1 << SUB_BITS) - 1)) as u64);
        if group == 0 {
            sub + 1
        } else {
            ((1 << SUB_BITS) + sub + 1) << (group - 1)
        }
    }

    /// Adds all counts to a copy that readers own.
    pub fn add_to(&self, totals: &mut HistogramTotals) {
        totals.counts.resize(BUCKETS, 0);
        for (total, bucket) in totals.counts.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        totals.sum_us += self.sum_us.get();
    }
}

/// Counts of several workers' histograms, summed.
#[derive(Clone, Debug, Default)]
pub struct HistogramTotals {
    counts: Vec<u64>,
    /// Sum of all durations, µs.
    pub sum_us: u64,
}

impl HistogramTotals {
    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many were below `limit_us`; exact where the limit is a bucket's end, else rounded down.
    pub fn below(&self, limit_us: u64) -> u64 {
        let whole = |(index, _): &(usize, &u64)| Histogram::end_of(*index) <= limit_us;
        self.counts
            .iter()
            .enumerate()
            .take_while(whole)
            .map(|(_, count)| count)
            .sum()
    }

    /// The value (µs) that a share `q` (0 to 1) of the durations does not exceed.
    pub fn quantile(&self, q: f64) -> u64 {
        let wanted = ((self.count() as f64) * q).ceil() as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted.max(1)
        });
        found.map_or(0, |index| Histogram::end_of(index) - 1)
    }
}

/// One worker's block.
#[derive(Debug)]
pub struct WorkerStats {
    /// By listener index.
    pub listeners: Vec<ListenerStats>,
    /// By cluster index.
    pub clusters: Vec<ClusterStats>,
    /// The engine's, copied by the worker.
    pub engine: EngineStats,
    /// Access log entries dropped because their writer was behind.
    pub log_drops: Counter,
    /// Times a peer broke each of [`codecs::http2::LIMITS`].
    pub http2_limits: Box<[Counter]>,
    /// Connections closed because their peer makes us answer and does not read (`UNSENT_CONTROL_MAX`).
    pub control_overflows: Counter,
    /// What handshakes came to, and why sessions failed.
    pub tls: TlsStats,
}

impl WorkerStats {
    /// Counts a limit of HTTP/2, if `detail` is the name of one.
    pub(crate) fn count_limit(&self, detail: &str) {
        let limits = codecs::http2::LIMITS.iter();
        if let Some((_, counter)) = limits
            .zip(&self.http2_limits)
            .find(|(name, _)| **name == detail)
        {
            counter.inc();
        }
    }

    /// An empty block for a configuration.
    pub fn new(snapshot: &Snapshot) -> Arc<Self> {
        Arc::new(Self {
            listeners: snapshot
                .listeners
                .iter()
                .map(|_| ListenerStats::default())
                .collect(),
            clusters: snapshot
                .clusters
                .iter()
                .map(|_| ClusterStats::default())
                .collect(),
            engine: EngineStats::default(),
            log_drops: Counter::default(),
            http2_limits: codecs::http2::LIMITS
                .iter()
                .map(|_| Counter::default())
                .collect(),
            control_overflows: Counter::default(),
            tls: TlsStats::default(),
        })
    }
}

/// What a worker counts for a listener.
#[derive(Debug, Default)]
pub struct ListenerStats {
    /// Connections accepted.
    pub connections: Counter,
    /// Connections open now.
    pub connections_active: Gauge,
    /// Accepts that failed (out of descriptors …).
    pub accept_failures: Counter,
    /// Requests whose head was complete.
    pub requests: Counter,
    /// Requests under way now.
    pub requests_active: Gauge,
    /// Requests that became tunnels (WebSocket and other upgrades).
    pub upgrades: Counter,
    /// Such tunnels open now.
    pub upgrades_active: Gauge,
    /// Answers by class of status, 1xx to 5xx.
    pub answers: [Counter; 5],
    /// Requests refused as malformed.
    pub malformed: Counter,
    /// Requests reset after their answer began, or given up by the client.
    pub resets: Counter,
    /// Times `request_headers_timeout` fired.
    pub head_timeouts: Counter,
    /// Times `request_timeout` fired.
    pub request_timeouts: Counter,
    /// Times `max_stream_duration`, or what `grpc-timeout` makes of it, fired.
    pub duration_timeouts: Counter,
    /// Times `stream_idle_timeout` fired.
    pub stream_idle_timeouts: Counter,
    /// Times `idle_timeout` of a connection fired.
    pub idle_timeouts: Counter,
    /// TLS handshakes that failed.
    pub handshake_failures: Counter,
    /// TLS handshakes that took longer than `transport_socket_connect_timeout`.
    pub handshake_timeouts: Counter,
    /// TLS handshakes given up because `HANDSHAKES_MAX` younger ones were under way.
    pub handshake_overflows: Counter,
    /// Connections that no filter chain matches.
    pub no_chain: Counter,
    /// Connections closed because the first bytes of `INSPECTIONS_MAX` younger ones were awaited.
    pub inspect_overflows: Counter,
    /// Times `listener_filters_timeout` fired.
    pub inspect_timeouts: Counter,
    /// Connections closed because a PING was not answered in time.
    pub keepalive_timeouts: Counter,
    /// Times a discarded request body exceeded `DISCARD_BYTES_MAX`.
    pub discard_overflows: Counter,
    /// Times the rest of an answered request did not come within `DISCARD_TIME`.
    pub discard_timeouts: Counter,
    /// Lingering closes cut at `LINGER_BYTES_MAX`.
    pub linger_overflows: Counter,
    /// Lingering closes cut after `LINGER_TIME`.
    pub linger_timeouts: Counter,
    /// Connections whose last bytes were not taken within `FLUSH_TIME`.
    pub flush_timeouts: Counter,
    /// Requests that filters sent back to matching more than `REMATCHES_MAX` times.
    pub rematch_overflows: Counter,
    /// Times a source was no longer read because its target was full.
    pub backpressure: Counter,
    /// Answers whose body was left to the engine.
    pub passes: Counter,
    /// Bytes of request bodies, or received by a tunnel.
    pub received_bytes: Counter,
    /// Bytes of answer bodies, or sent by a tunnel.
    pub sent_bytes: Counter,
    /// From the request's head to the end of the answer.
    pub latency: Histogram,
}

/// What a worker counts for a cluster.
#[derive(Debug, Default)]
pub struct ClusterStats {
    /// Connections begun.
    pub connections: Counter,
    /// Connections open or being opened now.
    pub connections_active: Gauge,
    /// Connections that failed to open.
    pub connect_failures: Counter,
    /// Times `connect_timeout` fired.
    pub connect_timeouts: Counter,
    /// TLS handshakes that failed.
    pub handshake_failures: Counter,
    /// Requests sent.
    pub requests: Counter,
    /// Requests under way now.
    pub requests_active: Gauge,
    /// Times `max_connections` was reached.
    pub connections_overflow: Counter,
    /// Times `max_pending_requests` was reached.
    pub pending_overflow: Counter,
    /// Times `max_requests` was reached.
    pub requests_overflow: Counter,
    /// Times `max_retries` was reached.
    pub retries_overflow: Counter,
    /// Requests tried again.
    pub retries: Counter,
    /// Requests whose retry would have needed more than `RETRY_BYTES_MAX` of body.
    pub retry_bytes_exceeded: Counter,
    /// Answers by class of status, 1xx to 5xx.
    pub answers: [Counter; 5],
    /// Requests of gRPC by what they came to.
    pub grpc: GrpcStats,
    /// Times the route's timeout fired.
    pub timeouts: Counter,
    /// Upstream connections that ended within an answer, or before it.
    pub resets: Counter,
    /// Requests that an endpoint gave up or did not take, on a connection that goes on.
    pub stream_resets: Counter,
    /// Connections that take no more requests because `UPSTREAM_RESETS_MAX` were given up on them.
    pub reset_overflows: Counter,
    /// Connections that an endpoint ends with GOAWAY.
    pub connections_drained: Counter,
    /// Connections closed because a PING was not answered in time.
    pub keepalive_timeouts: Counter,
    /// Answers refused as malformed.
    pub malformed: Counter,
    /// Connections closed because `POOL_IDLE_MAX` others were idle.
    pub idle_overflows: Counter,
    /// Requests for which no endpoint could be chosen.
    pub no_endpoint: Counter,
    /// From the request's first byte sent to the end of the answer.
    pub latency: Histogram,
}

/// What a worker counts of TLS.
#[derive(Debug)]
pub struct TlsStats {
    /// Handshakes that clients began and that were completed, by what they agreed on.
    pub downstream: HandshakeStats,
    /// The same of those that we began.
    pub upstream: HandshakeStats,
    /// Why sessions failed, by [`tls::DETAILS`].
    pub faults: Box<[Counter]>,
}

/// Completed handshakes of one side.
#[derive(Debug, Default)]
pub struct HandshakeStats {
    /// By version: 1.2, 1.3.
    pub versions: [Counter; 2],
    /// Those of them that resumed an earlier session.
    pub resumed: Counter,
    /// Those in which the peer presented a certificate.
    pub certified: Counter,
}

impl Default for TlsStats {
    fn default() -> Self {
        Self {
            downstream: HandshakeStats::default(),
            upstream: HandshakeStats::default(),
            faults: tls::DETAILS.iter().map(|_| Counter::default()).collect(),
        }
    }
}

impl TlsStats {
    /// Counts a completed handshake.
    pub(crate) fn count_handshake(&self, facts: &tls::Facts, is_down: bool) {
        let stats = if is_down {
            &self.downstream
        } else {
            &self.upstream
        };
        stats.versions[usize::from(facts.version == tls::Version::Tls13)].inc();
        stats.resumed.add(u64::from(facts.is_resumed));
        stats.certified.add(u64::from(facts.peer.is_some()));
    }

    /// Counts a session that failed.
    pub(crate) fn count_fault(&self, detail: &'static str) {
        if let Ok(at) = tls::DETAILS.binary_search(&detail) {
            self.faults[at].inc();
        }
    }
}

/// Outcomes of gRPC requests; counters exist from the first one on.
#[derive(Debug, Default)]
pub struct GrpcStats(OnceLock<Box<[Counter; Outcome::SLOTS]>>);

impl GrpcStats {
    /// Counts a request by [`Outcome::slot`].
    pub fn count(&self, slot: usize) {
        if let Some(counter) = self.0.get_or_init(Box::default).get(slot) {
            counter.inc();
        }
    }

    /// The counters, by slot, if there was a gRPC request.
    pub fn counters(&self) -> Option<&[Counter; Outcome::SLOTS]> {
        self.0.get().map(|counters| &**counters)
    }
}

/// A copy of [`engines::EngineCounters`].
#[derive(Debug, Default)]
pub struct EngineStats {
    /// See `blocks_exhausted`.
    pub blocks_exhausted: Counter,
    /// See `quota_reached`.
    pub quota_reached: Counter,
    /// See `reserve_receives`.
    pub reserve_receives: Counter,
    /// See `waits`.
    pub waits: Counter,
    /// See `events`.
    pub events: Counter,
    /// See `rearms`.
    pub rearms: Counter,
    /// See `rests`.
    pub rests: Counter,
    /// See `pipes_refused`.
    pub pipes_refused: Counter,
    /// Receive blocks that are leased now.
    pub blocks_leased: Gauge,
}

/// The counter of a status among five, one a class.
pub(crate) fn class_of(answers: &[Counter; 5], status: u16) -> Option<&Counter> {
    answers.get(usize::from(status / 100).checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_falls_below_its_buckets_end_and_not_far() {
        for micros in (0..5000).chain([65_535, 65_536, 1 << 30, (1 << 35) + 12345]) {
            let end = Histogram::end_of(Histogram::index(micros));
            assert!(
                micros < end && end <= micros + micros / 8 + 1,
                "{micros} {end}"
            );
        }
    }

    #[test]
    fn totals_give_counts_and_quantiles() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|n| histogram.record(Duration::from_micros(n)));
        let mut totals = HistogramTotals::default();
        histogram.add_to(&mut totals);
        assert_eq!(
            (totals.count(), totals.sum_us, totals.below(512)),
            (1000, 500_500, 511)
        );
        assert!((500..=575).contains(&totals.quantile(0.5)));
    }
}
