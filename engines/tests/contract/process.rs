//! The test process itself: its limits, its descriptors, and tests that need a process of their own.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{env, fs, process::Command};

const ALONE: &str = "CONTRACT_ALONE";

/// Raises the limit of open descriptors as far as it goes.
pub(crate) fn allow_descriptors() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("has a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("may raise it");
}

/// Runs the test called `name` (with the name of its crate in front) in a process that runs nothing
/// else.
pub(crate) fn alone(name: &str, test: fn()) {
    let (_, name) = name.split_once("::").expect("a path");
    if env::var_os(ALONE).is_some_and(|alone| alone == name) {
        return test();
    }
    let child = Command::new(env::current_exe().expect("has a path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ALONE, name)
        .output()
        .expect("starts");
    let told = String::from_utf8_lossy(&child.stdout);
    let failed = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}\n{failed}");
    assert!(told.contains("1 passed"), "{told}");
}

/// Open descriptors.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("is there").count()
}

/// Runs `test` and sees that it left no descriptor open.
pub(crate) fn without_leak(test: impl FnOnce()) {
    let before = descriptors();
    test();
    assert_eq!(descriptors(), before, "a descriptor was left open");
}
