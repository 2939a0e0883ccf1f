//! `loadtest find-limit`.

use super::{
    load::{self, Asked, value},
    signals,
    sink::{STDOUT, Sink},
    tell::tell,
};
use crate::{
    limit::{Bound, Found, Search, Step},
    run::{self, Stop, Watch},
    workload::{Arrivals, THREAD_RATE_MAX},
};
use clap::{Arg, ArgMatches, value_parser};
use std::{process::ExitCode, time::Duration};

/// Where a search begins.
const FROM: f64 = 1000.0;
const STEP_DURATION: Duration = Duration::from_secs(5);
const ERROR_RATE: f64 = 0.001;

/// Nothing of a step's moments is shown.
struct Silent;

impl Watch for Silent {}

pub(super) fn arguments() -> clap::Command {
    clap::Command::new("find-limit")
        .about("Find the highest rate at which latency stays under a bound")
        .arg(load::url())
        .args(search_args())
        .args(load::request_args())
        .args(load::means_args())
}

fn search_args() -> [Arg; 6] {
    [
        value("p99", "TIME", "99 of 100 requests take at most so long")
            .value_parser(load::time)
            .required(true),
        value(
            "error-rate",
            "SHARE",
            "At most this share of the requests fails [default: 0.001]",
        )
        .value_parser(value_parser!(f64)),
        value("from", "RATE", "The first rate tried [default: 1000]")
            .value_parser(value_parser!(f64)),
        value("to", "RATE", "No rate above this is tried").value_parser(value_parser!(f64)),
        value(
            "step-duration",
            "TIME",
            "How long each rate is held [default: 5s]",
        )
        .value_parser(load::time),
        value(
            "json",
            "FILE",
            "Write what was found as JSON (- for stdout)",
        ),
    ]
}

pub(super) fn execute(matches: &ArgMatches) -> Result<ExitCode, String> {
    let mut asked = Asked::new(matches)?;
    let time = |name| matches.get_one::<Duration>(name).copied();
    let rate = |name| matches.get_one::<f64>(name).copied();
    asked.workload.duration = time("step-duration").unwrap_or(STEP_DURATION);
    asked.workload.count = None;
    let to = rate("to").unwrap_or(THREAD_RATE_MAX * asked.means.threads as f64);
    let from = rate("from").unwrap_or(FROM.min(to));
    let bound = Bound {
        p99: time("p99").unwrap_or_default(),
        error_share: rate("error-rate").unwrap_or(ERROR_RATE),
    };
    if bound.p99.is_zero() {
        return Err("p99: above 0".to_owned());
    }
    if !(0.0..=1.0).contains(&bound.error_share) {
        return Err("error-rate: from 0 to 1".to_owned());
    }
    for rate in [from, to] {
        asked.workload.arrivals = Arrivals::Constant(rate);
        asked.check()?;
    }
    if from > to {
        return Err("from: above `to`".to_owned());
    }
    let json = matches.get_one::<String>("json");
    let json = json.map(|place| Sink::open(place)).transpose()?;
    let stop = Stop::default();
    signals::watch(&stop)?;
    let mut search = Search::new(from, to);
    let is_quiet = matches.get_flag("quiet");
    let steps = steps(&mut search, &mut asked, &bound, &stop, is_quiet)?;
    let found = Found::new(&search, &bound, steps);
    write(&found, json)?;
    match found.limit_per_second {
        Some(_) => Ok(ExitCode::SUCCESS),
        None => Ok(ExitCode::FAILURE),
    }
}

/// Tries rates until the search is over or stopped.
fn steps(
    search: &mut Search,
    asked: &mut Asked,
    bound: &Bound,
    stop: &Stop,
    is_quiet: bool,
) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    while let Some(rate) = search.next().filter(|_| !stop.is_set()) {
        asked.workload.arrivals = Arrivals::Constant(rate);
        let ran = run::run(
            &asked.target,
            &asked.workload,
            &asked.means,
            stop,
            &mut Silent,
        );
        let outcome = match ran {
            // Half a step says nothing.
            _ if stop.is_set() => break,
            Ok(outcome) => outcome,
            Err(error) => return Err(error.to_string()),
        };
        let step = bound.judge(rate, &outcome);
        if !is_quiet {
            tell(step.line());
        }
        search.on_run(step.verdict == crate::limit::Verdict::Held);
        steps.push(step);
    }
    Ok(steps)
}

fn write(found: &Found, json: Option<Sink>) -> Result<(), String> {
    let is_stdout_free = !json.as_ref().is_some_and(Sink::is_stdout);
    let written = json.map_or(Ok(()), |json| json.write(&found.json()));
    if is_stdout_free {
        Sink::open(STDOUT)?.write(&found.text())?;
    }
    written
}
