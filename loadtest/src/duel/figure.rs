//! The figures of a comparison.

use super::scenario::{Kind, Scenario};
use serde::{Deserialize, Serialize};

/// What is measured in a round. Names in JSON have the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// CPU time of the proxy for an answered request, in µs.
    #[serde(rename = "cpu_us_per_request")]
    CpuPerRequest,
    /// CPU time of the proxy for a new connection with its one request, in µs.
    #[serde(rename = "cpu_us_per_connection")]
    CpuPerConnection,
    /// CPU time of the proxy for 10^9 bytes received, in s.
    #[serde(rename = "cpu_s_per_gb")]
    CpuPerGb,
    /// Right answers a second.
    RequestsPerSecond,
    /// New connections a second.
    ConnectionsPerSecond,
    /// 10^9 bytes received a second.
    GbPerSecond,
    /// Median latency, in ms.
    #[serde(rename = "p50_ms")]
    P50,
    /// In ms.
    #[serde(rename = "p99_ms")]
    P99,
    /// In ms.
    #[serde(rename = "p999_ms")]
    P999,
    /// Median time of a handshake of TLS, in ms.
    #[serde(rename = "handshake_p50_ms")]
    HandshakeP50,
    /// In ms.
    #[serde(rename = "handshake_p99_ms")]
    HandshakeP99,
    /// Handshakes that resumed a session, of 100.
    #[serde(rename = "resumed_percent")]
    Resumed,
    /// What the proxy's memory grew by for each connection of the load (PSS), in bytes.
    #[serde(rename = "memory_bytes_per_connection")]
    BytesPerConnection,
    /// Share of its CPU that the proxy used, in percent.
    #[serde(rename = "proxy_busy_percent")]
    ProxyBusy,
    /// The same of the CPUs that generator and endpoint run on.
    #[serde(rename = "load_busy_percent")]
    LoadBusy,
    /// Requests that failed, of 100.
    #[serde(rename = "failed_percent")]
    Failed,
}

impl Figure {
    /// As it heads a column.
    pub fn title(self) -> &'static str {
        match self {
            Self::CpuPerRequest => "CPU µs a request",
            Self::CpuPerConnection => "CPU µs a connection",
            Self::CpuPerGb => "CPU s a GB",
            Self::RequestsPerSecond => "requests/s",
            Self::ConnectionsPerSecond => "connections/s",
            Self::GbPerSecond => "GB/s",
            Self::P50 => "p50 ms",
            Self::P99 => "p99 ms",
            Self::P999 => "p99.9 ms",
            Self::HandshakeP50 => "handshake p50 ms",
            Self::HandshakeP99 => "handshake p99 ms",
            Self::Resumed => "resumed, %",
            Self::BytesPerConnection => "bytes a connection",
            Self::ProxyBusy => "proxy's CPU, %",
            Self::LoadBusy => "load's CPU, %",
            Self::Failed => "failed, %",
        }
    }

    /// More of it is better.
    pub fn is_more_better(self) -> bool {
        matches!(
            self,
            Self::RequestsPerSecond | Self::ConnectionsPerSecond | Self::GbPerSecond
        )
    }
}

impl Scenario {
    /// What it is about, first, and what else is told of it.
    pub fn figures(&self) -> &'static [Figure] {
        use Figure::*;
        match self.kind {
            Kind::Bulk => &[CpuPerGb, GbPerSecond, ProxyBusy, LoadBusy, Failed],
            Kind::Connections => &[
                CpuPerConnection,
                ConnectionsPerSecond,
                P50,
                P99,
                P999,
                ProxyBusy,
                LoadBusy,
                Failed,
            ],
            Kind::Handshakes => &[
                CpuPerConnection,
                ConnectionsPerSecond,
                HandshakeP50,
                HandshakeP99,
                Resumed,
                ProxyBusy,
                LoadBusy,
                Failed,
            ],
            Kind::Latency => &[
                P99,
                P50,
                P999,
                CpuPerRequest,
                RequestsPerSecond,
                ProxyBusy,
                LoadBusy,
                Failed,
            ],
            Kind::Memory => &[BytesPerConnection, CpuPerRequest, ProxyBusy, Failed],
            Kind::Readers => &[
                BytesPerConnection,
                CpuPerGb,
                GbPerSecond,
                ProxyBusy,
                LoadBusy,
                Failed,
            ],
            Kind::Requests => &[
                CpuPerRequest,
                RequestsPerSecond,
                P50,
                P99,
                P999,
                ProxyBusy,
                LoadBusy,
                Failed,
            ],
        }
    }

    /// The figures that the comparison of everything shows.
    pub fn headlines(&self) -> &'static [Figure] {
        let all = self.figures();
        match self.kind {
            Kind::Latency => &all[..3],
            Kind::Connections | Kind::Handshakes | Kind::Readers => &all[..2],
            Kind::Bulk | Kind::Memory | Kind::Requests => &all[..1],
        }
    }
}
