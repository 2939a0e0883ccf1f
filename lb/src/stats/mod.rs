//! Counters, gauges and latency histograms. Each block has one writer, its worker; readers on other
//! threads see every value some moments late, and never stop the writer.

mod cluster;
mod counter;
mod grpc;
mod histogram;
mod listener;
mod tls;

pub use cluster::ClusterStats;
pub use counter::{Counter, Gauge};
pub use grpc::GrpcStats;
pub use histogram::{Histogram, HistogramTotals};
pub use listener::ListenerStats;
pub(crate) use listener::class_of;
pub use tls::{HandshakeStats, TlsStats};

use crate::config::Snapshot;
use std::sync::Arc;

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
