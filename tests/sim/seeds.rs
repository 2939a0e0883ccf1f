//! Every seed from 0 on, or the one that is asked for: whole runs.

use crate::world::{self, Outcome};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

const SEEDS: u64 = 256;
/// A seed with HTTP/2 in it takes several times as long.
const MIXED_SEEDS: u64 = 64;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

/// Runs the seeds; fails if one does, or if answers were hardly ever left to the engine, or
/// encrypted.
fn run_all(run: fn(u64) -> Outcome, seeds: u64, is_mixed: bool) {
    if let Some(seed) = number("SIM_SEED") {
        eprintln!("seed {seed}: {:?}", run(seed));
        return;
    }
    let (seeds, next) = (number("SIM_SEEDS").unwrap_or(seeds), AtomicU64::new(0));
    let passes = AtomicU64::new(0);
    let secured: [AtomicU64; 5] = Default::default();
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
                    match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                        Ok(run) => {
                            passes.fetch_add(run.passes, Ordering::Relaxed);
                            for (all, one) in secured.iter().zip(run.secured) {
                                all.fetch_add(one, Ordering::Relaxed);
                            }
                        }
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
        is_mixed || seeds < SEEDS || passes > seeds,
        "only {passes} answers were passed on"
    );
    let secured = secured.map(AtomicU64::into_inner);
    let is_enough = secured.iter().all(|seen| *seen > seeds / 8);
    assert!(
        !is_mixed || seeds < MIXED_SEEDS || is_enough,
        "there was little TLS: {secured:?}"
    );
}

#[test]
fn http1() {
    run_all(world::run, SEEDS, false);
}

#[test]
fn mixed() {
    run_all(world::run_mixed, MIXED_SEEDS, true);
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for (run, has_tls) in [
        (world::run as fn(u64) -> Outcome, false),
        (world::run_mixed, true),
    ] {
        let mut secured = 0;
        for seed in [3, 11, 42] {
            let first = run(seed);
            assert_eq!(first, run(seed), "seed {seed}");
            secured += first.secured[0] + first.secured[1];
        }
        assert_ne!(run(3), run(11));
        assert_eq!(secured > 0, has_tls);
    }
}
