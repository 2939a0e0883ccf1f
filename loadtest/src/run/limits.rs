//! Limits of the load generator, and whether the process may have so much.

use crate::{process, workload::Workload};
use std::time::Duration;

/// Requests that wait for a connection, a thread; those beyond are counted as `Overload`.
pub const BACKLOG_MAX: usize = 1 << 18;
/// Bytes handed to the engine and not yet taken by the kernel, a connection, before a body waits.
pub(super) const UNSENT_BYTES_MAX: usize = 256 << 10;
/// How long a socket that carried its last request waits for its peer to close first.
pub(super) const LINGER: Duration = Duration::from_millis(100);
/// Sockets that wait so, a thread; where they are more, the oldest is closed and counted.
pub const LINGERING_MAX: usize = 1024;
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
pub(super) fn check_descriptors(workload: &Workload, threads: u64) -> Result<(), String> {
    let connections = u64::from(workload.connections);
    let lingering = match workload.requests_per_connection {
        Some(_) if workload.protocol.tells_the_last() => {
            connections.min(threads * LINGERING_MAX as u64)
        }
        _ => 0,
    };
    let needed = connections + lingering + DESCRIPTORS.0 + threads * DESCRIPTORS.1;
    let limit = process::allow_descriptors();
    if limit < needed {
        return Err(format!(
            "{connections} connections need {needed} open files, the limit (ulimit -Hn) is {limit}"
        ));
    }
    Ok(())
}

/// The rest after `fruitless` connections in a row that brought nothing.
pub(super) fn backoff(fruitless: u32) -> Duration {
    match fruitless {
        0 => Duration::ZERO,
        n => (BACKOFF * (1 << (n - 1).min(16))).min(BACKOFF_MAX),
    }
}
