//! `loadtest pinned`: becomes another program, for `duel`. Not meant for users.

use crate::duel::{PINNED, become_pinned};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::process::ExitCode;

pub(super) fn arguments() -> clap::Command {
    clap::Command::new(PINNED).hide(true).args([
        Arg::new("cpu")
            .required(true)
            .value_parser(value_parser!(usize)),
        Arg::new("parent")
            .required(true)
            .value_parser(value_parser!(i32)),
        Arg::new("argv")
            .required(true)
            .last(true)
            .action(ArgAction::Append),
    ])
}

pub(super) fn execute(matches: &ArgMatches) -> Result<ExitCode, String> {
    let cpu = matches.get_one("cpu").copied().unwrap_or_default();
    let parent = matches.get_one("parent").copied().unwrap_or_default();
    let argv = matches.get_many::<String>("argv").into_iter().flatten();
    Err(become_pinned(
        cpu,
        parent,
        &argv.cloned().collect::<Vec<_>>(),
    ))
}
