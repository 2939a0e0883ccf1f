//! Choosing an endpoint: each policy, with few endpoints and many.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails where it stands")]

use divan::{Bencher, black_box};
use engines::{Rng, SockAddr};
use ringlb::cluster::{Balancer, Endpoint, LbPolicy};
use std::sync::Arc;

const ENDPOINTS: [usize; 3] = [1, 10, 1000];

fn main() {
    divan::main();
}

fn choose(bencher: Bencher<'_, '_>, policy: LbPolicy, count: usize, weight: fn(usize) -> u32) {
    let address = SockAddr::Unix("endpoint".into());
    let endpoint = |at| Arc::new(Endpoint::new(address.clone(), weight(at)));
    let endpoints: Vec<_> = (0..count).map(endpoint).collect();
    let mut rng = Rng::seeded(1);
    let active: Vec<_> = (0..count).map(|_| rng.below(10) as u32).collect();
    let mut balancer = Balancer::new(policy, &endpoints, &mut rng);
    bencher.bench_local(|| {
        let endpoints = black_box(&endpoints);
        balancer
            .choose(endpoints, black_box(&active), None, &mut rng)
            .unwrap()
    });
}

fn equal(_: usize) -> u32 {
    1
}

fn unequal(at: usize) -> u32 {
    1 + at as u32 % 3
}

#[divan::bench(args = ENDPOINTS)]
fn round_robin(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, LbPolicy::RoundRobin, count, equal);
}

#[divan::bench(args = ENDPOINTS)]
fn round_robin_weighted(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, LbPolicy::RoundRobin, count, unequal);
}

#[divan::bench(args = ENDPOINTS)]
fn random(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, LbPolicy::Random, count, equal);
}

#[divan::bench(args = ENDPOINTS)]
fn least_request(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, LbPolicy::LeastRequest { choices: 2 }, count, equal);
}
