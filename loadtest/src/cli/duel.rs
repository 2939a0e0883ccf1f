//! `loadtest duel`.

mod outputs;

use super::{
    cpus,
    load::{time, value},
    signals,
    sink::{STDOUT, Sink},
};
use crate::{
    duel::{self, Overrides, Plan, Progress, Scenario, Wanted, find::parse_copy},
    report::unit,
    run::Stop,
};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use engines::Rng;
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};
use outputs::Outputs;
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

pub(super) fn arguments() -> clap::Command {
    let binaries = duel::KINDS.iter().map(|kind| {
        let help = format!(
            "The {} to measure, instead of the one that is found",
            kind.name
        );
        Arg::new(kind.name)
            .long(kind.name)
            .value_name("PATH")
            .value_parser(value_parser!(PathBuf))
            .help(help)
    });
    clap::Command::new("duel")
        .about("Compare proxies under the same loads")
        .arg(
            Arg::new("scenario")
                .value_name("SCENARIO")
                .action(ArgAction::Append)
                .help("Names of --list, or YAML files; all of the list without"),
        )
        .arg(flag("list", "Name the scenarios that are built in"))
        .args(binaries)
        .arg(
            value(
                "peer",
                "KIND:LABEL=PATH",
                "Measure a further copy, such as ringlb:before=/path",
            )
            .action(ArgAction::Append)
            .value_parser(parse_copy),
        )
        .arg(
            value(
                "only",
                "LABEL,…",
                "Measure these alone: kinds, or labels of a report",
            )
            .value_delimiter(','),
        )
        .args(how())
        .args(outputs::arguments())
        .arg(flag("quiet", "No progress"))
}

fn how() -> [Arg; 7] {
    [
        value("rounds", "N", "Rounds of every scenario")
            .value_parser(value_parser!(u32).range(1..=100)),
        value("duration", "TIME", "Measured time of a round").value_parser(time),
        value("warm-up", "TIME", "Time before it").value_parser(time),
        value("count", "N", "Requests of a round, at most").value_parser(value_parser!(u64)),
        value(
            "proxy-cpu",
            "CPU",
            "Where the proxy runs [default: the first allowed]",
        )
        .value_parser(value_parser!(usize)),
        value(
            "load-cpu",
            "LIST",
            "Where generator and endpoint run; the endpoint has the last of several \
             [default: the last allowed]",
        )
        .value_parser(cpus::parse),
        value("seed", "N", "Seed of what a load draws").value_parser(value_parser!(u64)),
    ]
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}

pub(super) fn execute(matches: &ArgMatches) -> Result<ExitCode, String> {
    if matches.get_flag("list") {
        return list().map(|()| ExitCode::SUCCESS);
    }
    let plan = plan(matches)?;
    let outputs = Outputs::open(matches)?;
    let stop = Stop::default();
    signals::watch(&stop)?;
    let mut told = Told(matches.get_flag("quiet"));
    let report = duel::run(&plan, &stop, &mut told)?;
    outputs.write(&report)?;
    let has_figures = report
        .comparisons
        .iter()
        .flat_map(|all| &all.rows)
        .any(|row| !row.rounds.is_empty());
    match has_figures {
        true => Ok(ExitCode::SUCCESS),
        false => Err("nothing was measured".to_owned()),
    }
}

fn list() -> Result<(), String> {
    let mut text = String::new();
    for scenario in duel::scenario::built_in()? {
        text += &format!("{:16} {}\n", scenario.name, scenario.title);
    }
    Sink::open(STDOUT)?.write(&text)
}

fn plan(matches: &ArgMatches) -> Result<Plan, String> {
    let names: Vec<&String> = matches.get_many("scenario").into_iter().flatten().collect();
    let found = names.into_iter().map(|name| Scenario::find(name));
    let mut scenarios = found.collect::<Result<Vec<_>, _>>()?;
    if scenarios.is_empty() {
        scenarios = duel::scenario::built_in()?;
    }
    let overrides = Overrides {
        rounds: matches.get_one("rounds").copied(),
        duration: matches.get_one::<Duration>("duration").copied(),
        warm_up: matches.get_one::<Duration>("warm-up").copied(),
        count: matches.get_one("count").copied(),
    };
    for scenario in &mut scenarios {
        scenario.override_with(&overrides);
    }
    let allowed = allowed_cpus()?;
    let (first, last) = (allowed[0], allowed[allowed.len() - 1]);
    let load_cpus = matches.get_one::<Vec<usize>>("load-cpu").cloned();
    let load_cpus = load_cpus.unwrap_or_else(|| vec![last]);
    let seed = matches.get_one::<u64>("seed").copied();
    for Scenario { name, workload, .. } in &scenarios {
        let checked = workload.check(duel::generator_cpus(&load_cpus).len());
        checked.map_err(|problems| format!("{name}: {}", problems.join("; ")))?;
    }
    let plan = Plan {
        scenarios,
        found: wanted(matches).find()?,
        proxy_cpu: matches.get_one("proxy-cpu").copied().unwrap_or(first),
        load_cpus,
        engine: engines::choose().0,
        seed: seed.unwrap_or_else(|| Rng::from_os().next_u64()),
    };
    for cpu in plan.load_cpus.iter().chain([&plan.proxy_cpu]) {
        if !allowed.contains(cpu) {
            return Err(format!("CPU {cpu} is not among those that may be used"));
        }
    }
    Ok(plan)
}

fn wanted(matches: &ArgMatches) -> Wanted {
    let named = |name: &str| Some((name.to_owned(), matches.get_one::<PathBuf>(name)?.clone()));
    let only: Option<_> = matches.get_many::<String>("only");
    let copies: Option<_> = matches.get_many::<(String, String, PathBuf)>("peer");
    Wanted {
        binaries: duel::KINDS
            .iter()
            .filter_map(|kind| named(kind.name))
            .collect(),
        copies: copies.into_iter().flatten().cloned().collect(),
        only: only.into_iter().flatten().cloned().collect(),
    }
}

/// At least one.
fn allowed_cpus() -> Result<Vec<usize>, String> {
    let failed = |error| format!("the CPUs that may be used: {error}");
    let allowed = sched_getaffinity(Pid::from_raw(0)).map_err(failed)?;
    let is_allowed = |cpu: &usize| allowed.is_set(*cpu).unwrap_or(false);
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(is_allowed).collect();
    match cpus.is_empty() {
        true => Err("no CPU may be used".to_owned()),
        false => Ok(cpus),
    }
}

/// Tells on standard error what is measured.
struct Told(bool);

impl Progress for Told {
    fn begin(&mut self, scenario: &Scenario, round: u32, label: &str) {
        if !self.0 {
            let name = &scenario.name;
            let _ = write!(io::stderr(), "{name}, round {}, {label}: ", round + 1);
        }
    }

    fn end(&mut self, result: Result<(&'static str, f64), &str>) {
        // Nobody may be reading any more.
        let _ = match result {
            _ if self.0 => Ok(()),
            Ok((title, value)) => writeln!(io::stderr(), "{} {title}", unit::number(value)),
            Err(why) => writeln!(io::stderr(), "{why}"),
        };
    }
}
