//! `loadtest run`.

use clap::ArgMatches;
use std::process::ExitCode;

pub(super) fn arguments() -> clap::Command {
    clap::Command::new("run").about("Load a target and report what came back")
}

pub(super) fn execute(_matches: &ArgMatches) -> Result<ExitCode, String> {
    Err("not built yet".to_owned())
}
