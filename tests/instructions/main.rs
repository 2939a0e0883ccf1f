//! What a request may cost in instructions: those that `Worker::turn` runs, the engine's methods left
//! out. Counted by callgrind, so they are the same on a busy machine; skipped where there is none.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod counted;
mod lane;

use lane::{CLIENTS, Lane};
use std::{
    env,
    process::{Command, Stdio},
};

/// Set for the child that callgrind watches.
const CHILD: &str = "INSTRUCTIONS_CHILD";
/// Rounds until every list has its size, and rounds that are counted.
const WARM: usize = 20;
const COUNTED: usize = 20;

/// The most that a request may cost: optimised code, and as `cargo test` builds it.
struct Bound {
    release: u64,
    debug: u64,
}

#[test]
fn a_small_request_costs_few_instructions() {
    let bound = Bound {
        release: 15_400,
        debug: 162_000,
    };
    hold("a_small_request_costs_few_instructions", false, &bound);
}

#[test]
fn an_access_log_adds_few_instructions() {
    let bound = Bound {
        release: 17_800,
        debug: 184_000,
    };
    hold("an_access_log_adds_few_instructions", true, &bound);
}

/// Has a child of this program run that `test` under callgrind, or is that child.
fn hold(test: &str, logs: bool, bound: &Bound) {
    if env::var_os(CHILD).is_some() {
        let mut lane = Lane::new(logs);
        (0..WARM).for_each(|_| lane.round());
        return play_counted(&mut lane);
    }
    let valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !valgrind.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no valgrind");
        return;
    }
    let most = if cfg!(debug_assertions) {
        bound.debug
    } else {
        bound.release
    };
    let cost = cost_of(test, most);
    eprintln!("{test}: {cost} a request");
    assert!(
        cost <= most,
        "{cost} instructions a request instead of {most}"
    );
}

/// Instructions of a request, the least of three runs if the first is not within `most`: how often the
/// thread that writes logs has to be woken is up to the scheduler, and moves a run by some hundred.
fn cost_of(test: &str, most: u64) -> u64 {
    const RUNS: usize = 3;
    let mut costs = (0..RUNS).map(|_| collected(test) / (COUNTED * CLIENTS) as u64);
    let mut cost = u64::MAX;
    while cost > most
        && let Some(next) = costs.next()
    {
        cost = cost.min(next);
    }
    cost
}

/// Callgrind forgets what it has counted where this begins.
#[inline(never)]
fn play_counted(lane: &mut Lane) {
    (0..COUNTED).for_each(|_| lane.round());
}

/// Instructions that callgrind has counted in a child that runs `test`.
fn collected(test: &str) -> u64 {
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--zero-before=*::play_counted")
        .arg(format!("--toggle-collect={}", lane::PATTERN))
        .arg(format!("--toggle-collect={}", counted::PATTERN))
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}");
    let count = told
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = count.unwrap_or_else(|| panic!("{told}"));
    count.trim().parse().unwrap()
}
