//! `loadtest run`.

use super::{
    load::{self, Asked},
    progress::Progress,
    results, signals,
};
use crate::{
    outcome::Outcome,
    run::{self, Stop},
};
use clap::ArgMatches;
use std::process::ExitCode;

pub(super) fn arguments() -> clap::Command {
    clap::Command::new("run")
        .about("Load a target and report what came back")
        .arg(load::url())
        .args(load::request_args())
        .args(load::arrival_args())
        .args(load::means_args())
        .args(results::result_args())
}

pub(super) fn execute(matches: &ArgMatches) -> Result<ExitCode, String> {
    let asked = Asked::new(matches)?.with_arrivals(matches)?;
    let stop = Stop::default();
    signals::watch(&stop)?;
    let mut progress = Progress::new(matches.get_flag("quiet"));
    let outcome = run::run(
        &asked.target,
        &asked.workload,
        &asked.means,
        &stop,
        &mut progress,
    );
    let outcome = outcome.map_err(|error| error.to_string())?;
    results::write_all(&asked, &outcome, matches)?;
    verdict(&outcome)
}

/// A run in which nothing was answered has failed, unless it was cut before anything could be.
fn verdict(outcome: &Outcome) -> Result<ExitCode, String> {
    if outcome.tally.completed == 0 && !outcome.is_cut {
        let classes = outcome
            .errors
            .iter()
            .map(|(class, count)| format!("{count} {class:?}"));
        let classes: Vec<String> = classes.collect();
        return Err(format!("no right answer came ({})", classes.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}
