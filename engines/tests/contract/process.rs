//! The test process itself: its limits, and tests that need a process of their own.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open descriptors as far as it goes.
pub(crate) fn allow_descriptors() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("has a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("may raise it");
}
