//! `loadtest find-limit`.

use clap::ArgMatches;
use std::process::ExitCode;

pub(super) fn arguments() -> clap::Command {
    clap::Command::new("find-limit")
        .about("Find the highest rate at which latency stays under a bound")
}

pub(super) fn execute(_matches: &ArgMatches) -> Result<ExitCode, String> {
    Err("not built yet".to_owned())
}
