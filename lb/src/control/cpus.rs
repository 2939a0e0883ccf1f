//! The CPUs that the process may use.

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// How many workers fit: the CPUs of the affinity mask, less what a cgroup's quota forbids.
pub(super) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Ties the calling thread to the `index`-th CPU that the process may use, if there are enough.
pub(super) fn pin(index: usize, workers: usize) {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else {
        return;
    };
    let cpus: Vec<usize> = (0..CpuSet::count())
        .filter(|cpu| allowed.is_set(*cpu).unwrap_or(false))
        .collect();
    if workers > cpus.len() {
        return;
    }
    let mut one = CpuSet::new();
    if one.set(cpus[index]).is_ok() {
        // Not being allowed to is no reason not to run.
        let _ = sched_setaffinity(Pid::from_raw(0), &one);
    }
}
