//! Words to people on standard error.

use std::{
    fmt::Display,
    io::{Write, stderr},
};

/// Writes a line to standard error. Whoever read it may be gone: that is no reason to end, where
/// `eprintln!` would panic.
pub(super) fn tell(line: impl Display) {
    // In one piece, so that lines of several threads do not mix.
    let line = format!("{line}\n");
    let _ = stderr().write_all(line.as_bytes());
}
