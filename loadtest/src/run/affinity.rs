//! Which CPU a thread runs on, and how long it ran.

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    },
    unistd::Pid,
};
use std::time::Duration;

/// Binds the calling thread to a CPU.
///
/// # Errors
/// There is no such CPU, or the process may not use it.
pub(super) fn bind(cpu: usize) -> Result<(), String> {
    let mut one = CpuSet::new();
    let bound = one
        .set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &one));
    bound.map_err(|error| format!("cpu {cpu}: {error}"))
}

/// CPU time of the calling thread so far, user and system.
pub(super) fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else {
        return Duration::ZERO;
    };
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(micros.try_into().unwrap_or(0))
}
