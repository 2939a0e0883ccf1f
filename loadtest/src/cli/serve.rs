//! `loadtest serve`.

use clap::ArgMatches;
use std::process::ExitCode;

pub(super) fn arguments() -> clap::Command {
    clap::Command::new("serve").about("Be the target: fast, slow or faulty")
}

pub(super) fn execute(_matches: &ArgMatches) -> Result<ExitCode, String> {
    Err("not built yet".to_owned())
}
