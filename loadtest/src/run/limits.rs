//! Limits of the load generator, and what the process may have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::time::Duration;

/// Requests that wait for a connection, a thread; those beyond are counted as `Overload`.
pub const BACKLOG_MAX: usize = 1 << 18;
/// Bytes handed to the engine and not yet taken by the kernel, a connection, before a body waits.
pub(super) const UNSENT_BYTES_MAX: usize = 256 << 10;
/// How long a connection that carried its last request waits for its peer to close first.
pub(super) const LINGER: Duration = Duration::from_millis(100);
/// Rest after a first connection that brought nothing; it doubles with each further one …
pub(super) const BACKOFF: Duration = Duration::from_millis(10);
/// … up to this.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Descriptors beside the connections: of the process, and of each thread's engine.
const DESCRIPTORS: (u64, u64) = (32, 8);

/// Makes sure that so many connections can be open.
///
/// # Errors
/// The hard limit is too low; the message says what is needed.
pub(super) fn raise_descriptors(connections: u64, threads: u64) -> Result<(), String> {
    let needed = connections + DESCRIPTORS.0 + threads * DESCRIPTORS.1;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|error| format!("limit of open files: {error}"))?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        return Err(format!(
            "{connections} connections need {needed} open files, the limit (ulimit -Hn) is {hard}"
        ));
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard)
        .map_err(|error| format!("limit of open files cannot be raised to {needed}: {error}"))
}

/// The rest after `fruitless` connections in a row that brought nothing.
pub(super) fn backoff(fruitless: u32) -> Duration {
    match fruitless {
        0 => Duration::ZERO,
        n => (BACKOFF * (1 << (n - 1).min(16))).min(BACKOFF_MAX),
    }
}
