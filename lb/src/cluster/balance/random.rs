//! A random endpoint, by weight.

use crate::cluster::Endpoint;
use engines::Rng;
use std::sync::Arc;

/// Draws before all endpoints are looked at.
const DRAWS_MAX: usize = 8;

/// Draws endpoints by their weights.
#[derive(Debug)]
pub struct Lottery {
    /// The sum of the weights up to and with each endpoint's.
    ends: Vec<u64>,
}

impl Lottery {
    /// For these endpoints and no others.
    pub fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        let mut total = 0;
        let ends = endpoints.iter().map(|endpoint| {
            total += u64::from(endpoint.weight);
            total
        });
        Self {
            ends: ends.collect(),
        }
    }

    /// One of the usable endpoints. A draw that hits another is repeated, which leaves the shares of
    /// the usable ones as they are; where there are few of them, all endpoints are looked at.
    pub(super) fn draw(
        &self,
        endpoints: &[Arc<Endpoint>],
        usable: &dyn Fn(usize) -> bool,
        rng: &mut Rng,
    ) -> Option<usize> {
        let total = *self.ends.last()?;
        for _ in 0..DRAWS_MAX {
            let ticket = rng.below(total);
            let at = self.ends.partition_point(|end| *end <= ticket);
            if usable(at) {
                return Some(at);
            }
        }
        draw_among(endpoints, usable, rng)
    }
}

fn draw_among(
    endpoints: &[Arc<Endpoint>],
    usable: &dyn Fn(usize) -> bool,
    rng: &mut Rng,
) -> Option<usize> {
    let weight = |at: usize| {
        if usable(at) {
            u64::from(endpoints[at].weight)
        } else {
            0
        }
    };
    let total: u64 = (0..endpoints.len()).map(weight).sum();
    let mut left = rng.below(total);
    (0..endpoints.len()).find(|at| {
        let weight = weight(*at);
        let hit = left < weight;
        left = left.saturating_sub(weight);
        hit
    })
}
