//! What the process and its threads may have of the machine.

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::Pid,
};

/// Binds the calling thread to a CPU.
///
/// # Errors
/// There is no such CPU, or the process may not use it.
pub(crate) fn bind(cpu: usize) -> Result<(), String> {
    let mut one = CpuSet::new();
    let bound = one
        .set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &one));
    bound.map_err(|error| format!("cannot run on CPU {cpu}: {error}"))
}

/// Raises the soft limit of descriptors to the hard one where the system lets it; the limit from then
/// on. What needs more finds out when it opens them.
pub(crate) fn allow_descriptors() -> u64 {
    let limits = || getrlimit(Resource::RLIMIT_NOFILE);
    if let Ok((_, hard)) = limits() {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    limits().map_or(u64::MAX, |(soft, _)| soft)
}
