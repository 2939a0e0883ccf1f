//! `loadtest duel`.

use clap::ArgMatches;
use std::process::ExitCode;

pub(super) fn arguments() -> clap::Command {
    clap::Command::new("duel").about("Compare proxies under the same loads")
}

pub(super) fn execute(_matches: &ArgMatches) -> Result<ExitCode, String> {
    Err("not built yet".to_owned())
}
