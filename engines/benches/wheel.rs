//! The timer wheel: what a connection's alarm costs.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails where it stands")]

use divan::{Bencher, black_box};
use engines::{Engine, EngineOptions, SimNet, Wheel};
use std::time::{Duration, Instant};

const NUMBERS: u32 = 10_000;

fn main() {
    divan::main();
}

fn start() -> Instant {
    SimNet::new(1).engine(&EngineOptions::default()).now()
}

/// A wheel on which each number has a deadline within an hour.
fn full(start: Instant) -> Wheel {
    let mut wheel = Wheel::new(start);
    for number in 0..NUMBERS {
        wheel.set(number, Some(start + ms(3_600_000 - u64::from(number))));
    }
    wheel
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What each request does to its connection's idle timeout.
#[divan::bench]
fn set_later(bencher: Bencher<'_, '_>) {
    let start = start();
    let (mut wheel, mut turn) = (full(start), 0u64);
    bencher.bench_local(move || {
        turn += 1;
        let number = (turn * 7919 % u64::from(NUMBERS)) as u32;
        wheel.set(black_box(number), Some(start + ms(3_600_000 + turn)));
    });
}

/// A connection that closes: its number hangs on and is looked at when it comes up.
#[divan::bench]
fn lift(bencher: Bencher<'_, '_>) {
    let start = start();
    let (mut wheel, mut turn) = (full(start), 0u64);
    bencher.bench_local(move || {
        turn += 1;
        wheel.set(black_box((turn % u64::from(NUMBERS)) as u32), None);
    });
}

/// A deadline that moves to another place, always earlier than before.
#[divan::bench]
fn set_earlier(bencher: Bencher<'_, '_>) {
    let start = start();
    let (mut wheel, mut turn) = (full(start), 0u64);
    bencher.bench_local(move || {
        turn += 1;
        let number = (turn * 7919 % u64::from(NUMBERS)) as u32;
        let round = turn / u64::from(NUMBERS);
        wheel.set(
            black_box(number),
            Some(start + ms(3_500_000u64.saturating_sub(round))),
        );
    });
}

/// A thousand deadlines that pass, and the walk to them.
#[divan::bench]
fn expire_1000(bencher: Bencher<'_, '_>) {
    let start = start();
    bencher
        .with_inputs(|| {
            let mut wheel = full(start);
            for number in 0..1000 {
                wheel.set(number, Some(start + ms(1 + u64::from(number) / 10)));
            }
            (wheel, Vec::with_capacity(1000))
        })
        .bench_local_values(|(mut wheel, mut due)| {
            wheel.expire(start + ms(1000), &mut due);
            assert_eq!(due.len(), 1000);
            (wheel, due)
        });
}

/// What a turn asks before it waits, and when nothing has passed.
#[divan::bench]
fn next(bencher: Bencher<'_, '_>) {
    let wheel = full(start());
    bencher.bench_local(|| black_box(&wheel).next());
}
