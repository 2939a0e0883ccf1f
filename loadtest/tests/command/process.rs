//! Running the command.

use serde_json::Value;
use std::process::{Command, Output};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_loadtest");

/// Engines that this kernel allows.
pub(crate) fn engines() -> Vec<&'static str> {
    let mut engines = vec!["epoll", "tasks"];
    match engines::uring_available() {
        Ok(()) => engines.push("uring"),
        Err(why) => eprintln!("uring is skipped: {why}"),
    }
    engines
}

pub(crate) fn loadtest(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().unwrap()
}

/// Runs and reads the JSON that comes out.
pub(crate) fn measured(args: &[&str]) -> Value {
    let output = loadtest(&[args, &["--quiet", "--json", "-"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a command that fails says; it exits with `code`.
pub(crate) fn refused(args: &[&str], code: i32) -> String {
    let output = loadtest(args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    stderr
}

pub(crate) fn count(json: &Value, name: &str) -> u64 {
    json["tally"][name].as_u64().unwrap()
}
