//! A random endpoint, by weight.

use crate::cluster::Endpoint;
use engines::Rng;
use std::sync::Arc;

pub(super) fn choose(
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
