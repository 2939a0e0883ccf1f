//! SIGINT and SIGTERM end a run; what was measured is still reported. The second one ends the process.

use super::tell::tell;
use crate::run::Stop;
use nix::sys::signal::{SigSet, Signal};
use std::process::exit;

/// What a shell reports of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// From now on signals stop what `stop` belongs to. Called before any other thread is started, so that
/// all of them leave the signals to the one that waits here.
///
/// # Errors
/// The signals cannot be blocked, or no thread be started.
pub(super) fn watch(stop: &Stop) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("signals: {error}");
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals
        .thread_block()
        .map_err(|error| failed(error.into()))?;
    let stop = stop.clone();
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let wait = move || {
        while signals.wait().is_ok() {
            if stop.is_set() {
                exit(INTERRUPTED);
            }
            stop.stop();
            tell("stopping; once more to end at once");
        }
    };
    thread.spawn(wait).map(drop).map_err(failed)
}
