//! Whole workers on the simulated engine, under seeds, against a reference model.
//!
//! `SIM_SEED=n` replays one seed bit for bit (`SIM_TRACE=1` shows all that happens), `SIM_SEEDS=n` runs
//! more of them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod client;
mod endpoint;
mod ledger;
mod message;
mod passing;
mod played;
mod scenario;
mod stage;
mod timers;
mod tunnel;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

const SEEDS: u64 = 256;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn seeds() {
    if let Some(seed) = number("SIM_SEED") {
        world::run(seed);
        return;
    }
    let (seeds, next) = (number("SIM_SEEDS").unwrap_or(SEEDS), AtomicU64::new(0));
    let passes = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| world::run(seed))) {
                        Ok(run) => _ = passes.fetch_add(run.passes, Ordering::Relaxed),
                        Err(_) => failures.lock().unwrap().push(seed),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "of {seeds} seeds failed {failures:?}");
    let passes = passes.into_inner();
    assert!(
        seeds < SEEDS || passes > seeds,
        "only {passes} answers were passed on"
    );
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for seed in [3, 11, 42] {
        assert_eq!(world::run(seed), world::run(seed), "seed {seed}");
    }
    assert_ne!(world::run(3), world::run(11));
}
