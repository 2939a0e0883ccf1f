//! The less busy of a few random endpoints (power of two choices).
//!
//! With equal weights the draws are uniform; otherwise they follow the weights, and the load compared is
//! per weight.

use super::Lottery;
use crate::cluster::Endpoint;
use engines::Rng;
use std::sync::Arc;

pub(super) fn choose(
    choices: u32,
    lottery: &Lottery,
    endpoints: &[Arc<Endpoint>],
    active: &[u32],
    usable: &dyn Fn(usize) -> bool,
    rng: &mut Rng,
) -> Option<usize> {
    let mut best = lottery.draw(endpoints, usable, rng)?;
    // More draws than endpoints find no better one.
    let draws = usize::try_from(choices)
        .unwrap_or(usize::MAX)
        .min(endpoints.len());
    for _ in 1..draws {
        let other = lottery.draw(endpoints, &|at| at != best && usable(at), rng);
        // load(other) < load(best), per weight, without division.
        let load = |at: usize, against: usize| {
            u64::from(active[at]) * u64::from(endpoints[against].weight)
        };
        if let Some(other) = other
            && (load(other, best) < load(best, other))
        {
            best = other;
        }
    }
    Some(best)
}
