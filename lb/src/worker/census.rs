//! What a worker holds.

use super::Worker;

/// How much of each kind a worker holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Connections whose first bytes are awaited.
    pub arrivals: usize,
    /// HTTP connections, downstream and upstream.
    pub conns: usize,
    /// Requests under way.
    pub streams: usize,
    /// TCP tunnels.
    pub tunnels: usize,
    /// Receive blocks that are leased.
    pub leased_blocks: usize,
    /// Upstream connections in pools that can take one more request.
    pub idle_upstreams: usize,
}

impl Worker {
    /// What is still open, for tests that check that all came home.
    pub fn census(&self) -> Census {
        Census {
            arrivals: self.arrivals.len(),
            conns: self.net.conns.len(),
            streams: self.streams.len(),
            tunnels: self.tunnels.len(),
            leased_blocks: self.net.blocks.leased(),
            idle_upstreams: self
                .upstreams
                .iter()
                .flat_map(|u| u.pools.iter().flatten())
                .map(|pool| pool.free().len())
                .sum(),
        }
    }
}
