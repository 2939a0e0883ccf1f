//! What is told of each listener and each cluster.

use crate::stats::{ClusterStats, Counter, Gauge, Histogram, ListenerStats};

/// A metric's name, what it means, and where a block keeps it.
pub(super) type Metric<S, T> = (&'static str, &'static str, fn(&S) -> &T);

const LISTENER_COUNTERS: &[Metric<ListenerStats, Counter>] = &[
    ("connections_total", "Connections accepted", |s| {
        &s.connections
    }),
    ("accept_failures_total", "Accepts that failed", |s| {
        &s.accept_failures
    }),
    ("requests_total", "Requests with a complete head", |s| {
        &s.requests
    }),
    ("upgrades_total", "Requests that became tunnels", |s| {
        &s.upgrades
    }),
    ("malformed_total", "Requests refused as malformed", |s| {
        &s.malformed
    }),
    (
        "resets_total",
        "Requests given up without a complete answer",
        |s| &s.resets,
    ),
    (
        "head_timeouts_total",
        "request_headers_timeout fired",
        |s| &s.head_timeouts,
    ),
    ("request_timeouts_total", "request_timeout fired", |s| {
        &s.request_timeouts
    }),
    (
        "stream_idle_timeouts_total",
        "stream_idle_timeout fired",
        |s| &s.stream_idle_timeouts,
    ),
    (
        "duration_timeouts_total",
        "max_stream_duration or grpc-timeout fired",
        |s| &s.duration_timeouts,
    ),
    (
        "idle_timeouts_total",
        "idle_timeout of a connection fired",
        |s| &s.idle_timeouts,
    ),
    (
        "keepalive_timeouts_total",
        "Connections whose PING was not answered in time",
        |s| &s.keepalive_timeouts,
    ),
    (
        "handshake_failures_total",
        "TLS handshakes that failed",
        |s| &s.handshake_failures,
    ),
    (
        "handshake_timeouts_total",
        "TLS handshakes that did not end in time",
        |s| &s.handshake_timeouts,
    ),
    (
        "handshake_overflows_total",
        "TLS handshakes given up because too many others were under way",
        |s| &s.handshake_overflows,
    ),
    (
        "no_chain_total",
        "Connections that no filter chain matches",
        |s| &s.no_chain,
    ),
    (
        "inspect_overflows_total",
        "Connections closed because too many others were looked at",
        |s| &s.inspect_overflows,
    ),
    (
        "inspect_timeouts_total",
        "listener_filters_timeout fired",
        |s| &s.inspect_timeouts,
    ),
    (
        "discard_overflows_total",
        "Discarded bodies over the limit",
        |s| &s.discard_overflows,
    ),
    (
        "discard_timeouts_total",
        "Discarded bodies that did not end in time",
        |s| &s.discard_timeouts,
    ),
    (
        "linger_overflows_total",
        "Lingering closes cut for their bytes",
        |s| &s.linger_overflows,
    ),
    (
        "linger_timeouts_total",
        "Lingering closes cut for their time",
        |s| &s.linger_timeouts,
    ),
    (
        "flush_timeouts_total",
        "Connections whose last bytes were not taken in time",
        |s| &s.flush_timeouts,
    ),
    (
        "rematch_overflows_total",
        "Requests sent back to matching too often",
        |s| &s.rematch_overflows,
    ),
    ("backpressure_total", "Times a source was paused", |s| {
        &s.backpressure
    }),
    ("passes_total", "Answers whose body went past us", |s| {
        &s.passes
    }),
    ("received_bytes_total", "Bytes of bodies received", |s| {
        &s.received_bytes
    }),
    ("sent_bytes_total", "Bytes of bodies sent", |s| {
        &s.sent_bytes
    }),
];

const LISTENER_GAUGES: &[Metric<ListenerStats, Gauge>] = &[
    ("connections_active", "Connections open now", |s| {
        &s.connections_active
    }),
    ("requests_active", "Requests under way now", |s| {
        &s.requests_active
    }),
    (
        "upgrades_active",
        "Tunnels of upgraded requests open now",
        |s| &s.upgrades_active,
    ),
];

const CLUSTER_COUNTERS: &[Metric<ClusterStats, Counter>] = &[
    ("connections_total", "Connections begun", |s| &s.connections),
    (
        "connect_failures_total",
        "Connections that failed to open",
        |s| &s.connect_failures,
    ),
    ("connect_timeouts_total", "connect_timeout fired", |s| {
        &s.connect_timeouts
    }),
    (
        "handshake_failures_total",
        "TLS handshakes that failed",
        |s| &s.handshake_failures,
    ),
    ("requests_total", "Requests sent", |s| &s.requests),
    (
        "connections_overflow_total",
        "max_connections reached",
        |s| &s.connections_overflow,
    ),
    (
        "pending_overflow_total",
        "max_pending_requests reached",
        |s| &s.pending_overflow,
    ),
    ("requests_overflow_total", "max_requests reached", |s| {
        &s.requests_overflow
    }),
    ("retries_overflow_total", "max_retries reached", |s| {
        &s.retries_overflow
    }),
    ("retries_total", "Requests tried again", |s| &s.retries),
    (
        "retry_bytes_exceeded_total",
        "Bodies too long to retry",
        |s| &s.retry_bytes_exceeded,
    ),
    ("timeouts_total", "The route's timeout fired", |s| {
        &s.timeouts
    }),
    (
        "resets_total",
        "Connections that ended within an answer",
        |s| &s.resets,
    ),
    (
        "stream_resets_total",
        "Requests given up or not taken by the endpoint",
        |s| &s.stream_resets,
    ),
    (
        "reset_overflows_total",
        "Connections retired because too many requests were given up on them",
        |s| &s.reset_overflows,
    ),
    (
        "connections_drained_total",
        "Connections that the endpoint ends with GOAWAY",
        |s| &s.connections_drained,
    ),
    (
        "keepalive_timeouts_total",
        "Connections whose PING was not answered in time",
        |s| &s.keepalive_timeouts,
    ),
    ("malformed_total", "Answers refused as malformed", |s| {
        &s.malformed
    }),
    (
        "idle_overflows_total",
        "Connections closed because too many were idle",
        |s| &s.idle_overflows,
    ),
    ("no_endpoint_total", "Requests without an endpoint", |s| {
        &s.no_endpoint
    }),
];

const CLUSTER_GAUGES: &[Metric<ClusterStats, Gauge>] = &[
    (
        "connections_active",
        "Connections open or being opened",
        |s| &s.connections_active,
    ),
    ("requests_active", "Requests under way now", |s| {
        &s.requests_active
    }),
];

/// What each block of a kind counts.
pub(super) struct Kind<S: 'static> {
    pub(super) whose: &'static str,
    pub(super) counters: &'static [Metric<S, Counter>],
    pub(super) gauges: &'static [Metric<S, Gauge>],
    pub(super) answers: fn(&S) -> &[Counter; 5],
    pub(super) latency: fn(&S) -> &Histogram,
}

pub(super) const LISTENERS: Kind<ListenerStats> = Kind {
    whose: "listener",
    counters: LISTENER_COUNTERS,
    gauges: LISTENER_GAUGES,
    answers: |s| &s.answers,
    latency: |s| &s.latency,
};

pub(super) const CLUSTERS: Kind<ClusterStats> = Kind {
    whose: "cluster",
    counters: CLUSTER_COUNTERS,
    gauges: CLUSTER_GAUGES,
    answers: |s| &s.answers,
    latency: |s| &s.latency,
};
