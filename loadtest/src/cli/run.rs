//! `loadtest run`.

use super::{
    load::{self, Asked},
    progress::Progress,
    results::{Results, result_args},
    signals,
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
        .args(result_args())
}

pub(super) fn execute(matches: &ArgMatches) -> Result<ExitCode, String> {
    let asked = Asked::new(matches)?.with_arrivals(matches)?;
    let results = Results::open(matches)?;
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
    results.write(&asked, begun_unix_s, &outcome)?;
    verdict(&outcome)
}

/// A run in which nothing was answered rightly has failed, even if it was cut before anything could be:
/// whoever asks for the exit code wants to know whether there are figures.
fn verdict(outcome: &Outcome) -> Result<ExitCode, String> {
    if outcome.tally.completed == 0 {
        let classes = outcome
            .errors
            .iter()
            .map(|(class, count)| format!("{count} {class:?}"));
        let mut classes: Vec<String> = classes.collect();
        if outcome.is_cut {
            classes.insert(0, "stopped before its time".to_owned());
        }
        return Err(match classes.is_empty() {
            true => "no right answer came".to_owned(),
            false => format!("no right answer came ({})", classes.join(", ")),
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// For people only: when a run began.
#[expect(clippy::disallowed_methods, reason = "no engine is open yet")]
fn unix_time_s() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
