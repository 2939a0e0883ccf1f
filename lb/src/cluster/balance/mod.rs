//! Balancing policies: which endpoint serves next.

mod least_request;
mod random;
mod round_robin;

pub use random::Lottery;
pub use round_robin::RoundRobin;

use super::Endpoint;
use engines::Rng;
use std::sync::Arc;

/// `envoy.config.cluster.v3.Cluster.lb_policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LbPolicy {
    /// The less busy of this many random endpoints (`choice_count`).
    LeastRequest {
        /// At least 2.
        choices: u32,
    },
    /// By weight, at random.
    Random,
    /// In turn, by weight.
    #[default]
    RoundRobin,
}

/// A policy's state; each worker has its own.
#[derive(Debug)]
pub enum Balancer {
    /// See [`LbPolicy::LeastRequest`].
    LeastRequest { choices: u32, lottery: Lottery },
    /// See [`LbPolicy::Random`].
    Random(Lottery),
    /// See [`LbPolicy::RoundRobin`].
    RoundRobin(RoundRobin),
}

impl Balancer {
    /// A policy's first state; workers start at different places.
    pub fn new(policy: LbPolicy, endpoints: &[Arc<Endpoint>], rng: &mut Rng) -> Self {
        match policy {
            LbPolicy::LeastRequest { choices } => Self::LeastRequest {
                choices: choices.max(2),
                lottery: Lottery::new(endpoints),
            },
            LbPolicy::Random => Self::Random(Lottery::new(endpoints)),
            LbPolicy::RoundRobin => Self::RoundRobin(RoundRobin::new(endpoints, rng)),
        }
    }

    /// Chooses among the usable endpoints; `avoid` only if there is no other.
    pub fn choose(
        &mut self,
        endpoints: &[Arc<Endpoint>],
        active: &[u32],
        avoid: Option<usize>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let usable = |at: usize| endpoints[at].is_usable() && avoid != Some(at);
        let found = match self {
            Self::LeastRequest { choices, lottery } => {
                least_request::choose(*choices, lottery, endpoints, active, &usable, rng)
            }
            Self::Random(lottery) => lottery.draw(endpoints, &usable, rng),
            Self::RoundRobin(state) => state.choose(endpoints, &usable),
        };
        found.or(avoid.filter(|at| endpoints[*at].is_usable()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(policy: LbPolicy, weights: &[u32], turns: usize) -> Vec<usize> {
        let address = engines::SockAddr::Unix("x".into());
        let endpoints: Vec<_> = weights
            .iter()
            .map(|w| Arc::new(Endpoint::new(address.clone(), *w)))
            .collect();
        let mut rng = Rng::seeded(3);
        let mut balancer = Balancer::new(policy, &endpoints, &mut rng);
        let mut counts = vec![0; weights.len()];
        for _ in 0..turns {
            let at = balancer
                .choose(&endpoints, &vec![0; weights.len()], None, &mut rng)
                .unwrap();
            counts[at] += 1;
        }
        counts
    }

    #[test]
    fn round_robin_is_exact_and_smooth() {
        assert_eq!(counts(LbPolicy::RoundRobin, &[1, 1, 1], 9), [3, 3, 3]);
        assert_eq!(counts(LbPolicy::RoundRobin, &[3, 1], 8), [6, 2]);
    }

    #[test]
    fn random_and_least_request_follow_the_weights() {
        for policy in [LbPolicy::Random, LbPolicy::LeastRequest { choices: 2 }] {
            let counts = counts(policy, &[3, 1], 4000);
            assert!((2700..3300).contains(&counts[0]), "{policy:?} {counts:?}");
        }
    }

    #[test]
    fn a_failed_endpoint_is_avoided_unless_it_is_the_only_one() {
        let address = engines::SockAddr::Unix("x".into());
        let endpoints: Vec<_> = (0..2)
            .map(|_| Arc::new(Endpoint::new(address.clone(), 1)))
            .collect();
        let mut rng = Rng::seeded(1);
        for policy in [
            LbPolicy::Random,
            LbPolicy::RoundRobin,
            LbPolicy::LeastRequest { choices: 2 },
        ] {
            let mut balancer = Balancer::new(policy, &endpoints, &mut rng);
            endpoints[0].set_usable(true);
            for _ in 0..50 {
                assert_eq!(
                    balancer.choose(&endpoints, &[0, 0], Some(1), &mut rng),
                    Some(0)
                );
            }
            endpoints[0].set_usable(false);
            assert_eq!(
                balancer.choose(&endpoints, &[0, 0], Some(1), &mut rng),
                Some(1)
            );
            endpoints[1].set_usable(false);
            assert_eq!(balancer.choose(&endpoints, &[0, 0], None, &mut rng), None);
            endpoints[1].set_usable(true);
        }
    }
}
