//! What a worker counts of a cluster.

use super::{Counter, Gauge, GrpcStats, Histogram};

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
