//! What a worker counts of a listener.

use super::{Counter, Gauge, Histogram};

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

/// The counter of a status among five, one a class.
pub(crate) fn class_of(answers: &[Counter; 5], status: u16) -> Option<&Counter> {
    answers.get(usize::from(status / 100).checked_sub(1)?)
}
