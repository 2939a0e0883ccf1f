//! `/clusters`: a line for each thing worth knowing, as Envoy writes them.

use crate::control::Running;
use std::fmt::Write;

pub(super) fn render(running: &Running) -> String {
    let mut out = String::new();
    for (index, cluster) in running.snapshot.clusters.iter().enumerate() {
        let name = &cluster.name;
        let limits = cluster.thresholds;
        let _ = writeln!(
            out,
            "{name}::default_priority::max_connections::{}",
            limits.connections
        );
        let _ = writeln!(
            out,
            "{name}::default_priority::max_pending_requests::{}",
            limits.pending
        );
        let _ = writeln!(
            out,
            "{name}::default_priority::max_requests::{}",
            limits.requests
        );
        let _ = writeln!(
            out,
            "{name}::default_priority::max_retries::{}",
            limits.retries
        );
        let stats = running.stats.iter().map(|worker| &worker.clusters[index]);
        let active: u64 = stats.map(|stats| stats.connections_active.get()).sum();
        let _ = writeln!(out, "{name}::connections_active::{active}");
        for endpoint in &cluster.endpoints {
            let (at, weight) = (&endpoint.address, endpoint.weight);
            let health = if endpoint.is_usable() {
                "healthy"
            } else {
                "unhealthy"
            };
            let _ = writeln!(out, "{name}::{at}::weight::{weight}");
            let _ = writeln!(out, "{name}::{at}::health_flags::{health}");
        }
    }
    out
}
