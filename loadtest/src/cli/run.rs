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
use std::{process::ExitCode, time::SystemTime};

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
    let begun_unix_s = unix_time_s();
    let mut progress = Progress::new(matches.get_flag("quiet"));
    let outcome = run::run(
        &asked.target,
        &asked.workload,
        &asked.means,
        &stop,
        &mut progress,
    );
    let outcome = outcome.map_err(|error| error.to_string())?;
    results::write_all(&asked, begun_unix_s, &outcome, matches)?;
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

/// For people only: when a run began.
#[expect(clippy::disallowed_methods, reason = "no engine is open yet")]
fn unix_time_s() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
