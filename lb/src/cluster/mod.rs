//! Clusters: their endpoints, limits and balancing. Pure; a worker owns one [`Cluster`] for each.

mod balance;
mod breaker;
mod endpoint;

pub use balance::{Balancer, LbPolicy, Lottery, RoundRobin};
pub use breaker::{Breaker, Breakers, SharedBreakers, Thresholds};
pub use endpoint::Endpoint;

use crate::config::ClusterConfig;
use engines::Rng;
use std::sync::Arc;

/// A worker's view of a cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Its configuration.
    pub config: Arc<ClusterConfig>,
    /// Limits shared with the other workers.
    pub breakers: Breakers,
    balancer: Balancer,
    /// Requests and connections of this worker per endpoint.
    active: Vec<u32>,
}

impl Cluster {
    /// A worker's view; `shared` is the same for all workers.
    pub fn new(config: Arc<ClusterConfig>, shared: Arc<SharedBreakers>, rng: &mut Rng) -> Self {
        let balancer = Balancer::new(config.policy, &config.endpoints, rng);
        let active = vec![0; config.endpoints.len()];
        Self {
            breakers: Breakers::new(shared),
            balancer,
            active,
            config,
        }
    }

    /// Chooses an endpoint, by its place; `avoid`: one that just failed, taken only if there is no
    /// other. `None`: no endpoint may be used.
    pub fn choose(&mut self, avoid: Option<usize>, rng: &mut Rng) -> Option<usize> {
        self.balancer
            .choose(&self.config.endpoints, &self.active, avoid, rng)
    }

    /// A request or connection for an endpoint begins.
    pub fn begin(&mut self, endpoint: usize) {
        self.active[endpoint] += 1;
    }

    /// It ended.
    pub fn end(&mut self, endpoint: usize) {
        debug_assert!(
            self.active[endpoint] > 0,
            "an endpoint ends more than it began"
        );
        self.active[endpoint] = self.active[endpoint].saturating_sub(1);
    }

    /// Requests and connections of this worker at an endpoint.
    pub fn active(&self, endpoint: usize) -> u32 {
        self.active[endpoint]
    }
}
