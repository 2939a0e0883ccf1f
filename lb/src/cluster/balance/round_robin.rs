//! Smooth weighted round robin: each turn every endpoint gains its weight, the richest serves and pays
//! the total.

use crate::cluster::Endpoint;
use engines::Rng;
use std::sync::Arc;

/// Where the round stands.
#[derive(Debug)]
pub struct RoundRobin {
    /// The next endpoint, where all weights are equal.
    next: usize,
    /// What each endpoint has gained, where they differ; else empty.
    gains: Vec<i64>,
}

impl RoundRobin {
    /// A round that starts at a random endpoint.
    pub fn new(endpoints: &[Arc<Endpoint>], rng: &mut Rng) -> Self {
        let equal = endpoints
            .windows(2)
            .all(|pair| pair[0].weight == pair[1].weight);
        let gains = if equal {
            Vec::new()
        } else {
            vec![0; endpoints.len()]
        };
        Self {
            next: rng.index(endpoints.len()),
            gains,
        }
    }

    /// The endpoint whose turn it is.
    pub fn choose(
        &mut self,
        endpoints: &[Arc<Endpoint>],
        usable: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        if !self.gains.is_empty() {
            return self.choose_weighted(endpoints, usable);
        }
        let count = endpoints.len();
        let found = (0..count)
            .map(|step| (self.next + step) % count)
            .find(|at| usable(*at))?;
        self.next = (found + 1) % count;
        Some(found)
    }

    fn choose_weighted(
        &mut self,
        endpoints: &[Arc<Endpoint>],
        usable: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<usize> = None;
        for at in (0..endpoints.len()).filter(|at| usable(*at)) {
            total += i64::from(endpoints[at].weight);
            self.gains[at] += i64::from(endpoints[at].weight);
            if best.is_none_or(|richest| self.gains[at] > self.gains[richest]) {
                best = Some(at);
            }
        }
        self.gains[best?] -= total;
        best
    }
}
