//! The arguments that say what load is made, the same for every command that makes one: a workload file,
//! flags that change it, and what carries it.

use super::{cpus, engine, target::Url, tell::tell, tls};
use crate::{
    run::{Means, Target},
    workload::{Arrivals, Protocol, Workload},
};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use engines::{EngineKind, Rng};
use std::{path::PathBuf, time::Duration};

/// What the arguments ask for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) target: Target,
    pub(super) workload: Workload,
    pub(super) means: Means,
}

/// With a count and no duration, requests may take so long.
const COUNTED_DURATION: Duration = Duration::from_secs(86_400);

pub(super) fn url() -> Arg {
    Arg::new("url")
        .value_name("URL")
        .help(
            "http://HOST:PORT/PATH, h2c://HOST:PORT/PATH, grpc://HOST:PORT/PACKAGE.SERVICE/METHOD, \
             tcp://HOST:PORT (bytes that come back); over TLS https, h2, grpcs, tls; unix:/PATH for \
             HOST:PORT",
        )
        .required(true)
}

/// What is asked, and on which connections.
pub(super) fn request_args() -> Vec<Arg> {
    let mut all = message_args();
    all.extend(tls::client_args());
    all.extend([
        value("connections", "N", "Connections kept open [default: 64]")
            .short('c')
            .value_parser(value_parser!(u32)),
        value(
            "streams",
            "N",
            "Requests under way on one connection (streams, pipelining) [default: 1]",
        )
        .value_parser(value_parser!(u32)),
        value(
            "requests-per-connection",
            "N",
            "Close a connection after N requests",
        )
        .value_parser(value_parser!(u64)),
        value(
            "warm-up",
            "TIME",
            "Load before anything is recorded [default: 1s]",
        )
        .value_parser(time),
        value(
            "timeout",
            "TIME",
            "An answer or a connection that takes longer failed [default: 10s]",
        )
        .value_parser(time),
        value(
            "grace",
            "TIME",
            "Wait so long for answers in the end [default: 2s]",
        )
        .value_parser(time),
        Arg::new("verify")
            .long("verify")
            .help("Compare bodies with their checksums")
            .action(ArgAction::SetTrue),
        value(
            "read-rate",
            "BYTES",
            "Each connection reads so many bytes a second",
        )
        .value_parser(value_parser!(u64)),
        value(
            "workload",
            "FILE",
            "Read the load from a YAML file; other arguments change it",
        )
        .value_parser(value_parser!(PathBuf)),
    ]);
    all
}

/// What each request is, unless a file says it.
fn message_args() -> Vec<Arg> {
    vec![
        value("method", "METHOD", "Method of the request [default: GET]"),
        value(
            "header",
            "NAME: VALUE",
            "A field of the request; may be repeated",
        )
        .short('H')
        .action(ArgAction::Append),
        value(
            "body",
            "BYTES",
            "Bytes of body (of a message, with tcp and grpc)",
        )
        .value_parser(value_parser!(u64)),
        value(
            "grpc-timeout",
            "TIME",
            "Deadline that a call tells its server, with grpc",
        )
        .value_parser(time),
    ]
}

/// When requests start.
pub(super) fn arrival_args() -> Vec<Arg> {
    vec![
        value(
            "duration",
            "TIME",
            "Start requests for so long [default: 10s]",
        )
        .short('d')
        .value_parser(time),
        value("count", "N", "Start N requests")
            .short('n')
            .value_parser(value_parser!(u64)),
        value(
            "rate",
            "RATE",
            "Start so many a second, whether others were answered or not",
        )
        .short('r')
        .value_parser(value_parser!(f64)),
        Arg::new("poisson")
            .long("poisson")
            .help("Draw the gaps between the starts of --rate")
            .action(ArgAction::SetTrue)
            .requires("rate")
            .conflicts_with_all(["ramp", "steps"]),
        value("ramp", "A..B", "Change the rate evenly from A to B")
            .conflicts_with("rate")
            .value_parser(ramp),
        value("steps", "A,B,…", "One rate after the other")
            .conflicts_with_all(["rate", "ramp"])
            .value_parser(value_parser!(f64))
            .value_delimiter(','),
    ]
}

/// What makes the load.
pub(super) fn means_args() -> Vec<Arg> {
    vec![
        value("threads", "N", "Threads that make the load [default: 1]")
            .short('t')
            .value_parser(value_parser!(u16).range(1..=1024)),
        engine::argument(),
        value("cpu", "LIST", "Bind the threads to CPUs, such as 0,2-3").value_parser(cpus::parse),
        value("seed", "N", "Seed of what is drawn").value_parser(value_parser!(u64)),
        Arg::new("quiet")
            .long("quiet")
            .short('q')
            .help("No progress")
            .action(ArgAction::SetTrue),
    ]
}

pub(super) fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

/// Reads a duration such as `90s` or `1h 30m`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    use humantime_serde::re::humantime;
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

fn ramp(text: &str) -> Result<Arrivals, String> {
    let wrong = || format!("`{text}` is no ramp such as 100..5000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse().map_err(|_| wrong());
    Ok(Arrivals::Ramp {
        from: number(from)?,
        to: number(to)?,
    })
}

impl Asked {
    /// Puts the arguments together.
    ///
    /// # Errors
    /// What is wrong with them, with the workload file, or with the target's name.
    pub(super) fn new(matches: &ArgMatches) -> Result<Self, String> {
        let url = matches.get_one::<String>("url");
        let url = Url::parse(url.map_or("", String::as_str))?;
        let mut workload = match matches.get_one::<PathBuf>("workload") {
            Some(file) => read(file)?,
            None => Workload::default(),
        };
        workload.protocol = url.protocol;
        set_requests(&mut workload, &url, matches)?;
        set_connections(&mut workload, matches);
        let means = means(matches)?;
        let tls = match url.is_secure {
            true => Some(tls::client(matches, url.host())?),
            false => tls::refuse(matches).map(|()| None)?,
        };
        Ok(Self {
            target: url.resolve(tls)?,
            workload,
            means,
        })
    }

    /// Takes over when requests start, and checks the whole.
    ///
    /// # Errors
    /// Every problem of the workload.
    pub(super) fn with_arrivals(mut self, matches: &ArgMatches) -> Result<Self, String> {
        let workload = &mut self.workload;
        let rate = matches.get_one::<f64>("rate").copied();
        if let Some(rate) = rate {
            workload.arrivals = match matches.get_flag("poisson") {
                true => Arrivals::Poisson(rate),
                false => Arrivals::Constant(rate),
            };
        }
        if let Some(ramp) = matches.get_one::<Arrivals>("ramp") {
            workload.arrivals = ramp.clone();
        }
        if let Some(steps) = matches.get_many::<f64>("steps") {
            workload.arrivals = Arrivals::Steps(steps.copied().collect());
        }
        let count = matches.get_one::<u64>("count").copied();
        let duration = matches.get_one::<Duration>("duration").copied();
        let changes = matches!(
            workload.arrivals,
            Arrivals::Ramp { .. } | Arrivals::Steps(_)
        );
        match (count, duration) {
            (_, Some(duration)) => workload.duration = duration,
            (Some(_), None) if changes => {
                return Err("count: a rate that changes needs a duration too".to_owned());
            }
            (Some(_), None) => workload.duration = COUNTED_DURATION,
            (None, None) => {}
        }
        workload.count = count.or(workload.count);
        self.check()?;
        Ok(self)
    }

    /// Whether the load can be made.
    ///
    /// # Errors
    /// Every problem of the workload.
    pub(super) fn check(&self) -> Result<(), String> {
        let checked = self.workload.check(self.means.threads);
        checked.map_err(|problems| problems.join("\n  "))
    }
}

fn read(file: &PathBuf) -> Result<Workload, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    serde_saphyr::from_str(&text).map_err(|error| format!("{shown}: {error}"))
}

/// Flags that say what is asked change the request of the file if it is the only one.
fn set_requests(workload: &mut Workload, url: &Url, matches: &ArgMatches) -> Result<(), String> {
    let method = matches.get_one::<String>("method");
    let headers = matches.get_many::<String>("header");
    let body = matches.get_one::<u64>("body");
    let has_file =
        matches.contains_id("workload") && matches.get_one::<PathBuf>("workload").is_some();
    let path = url.path.as_ref().filter(|path| !has_file || *path != "/");
    let deadline = matches.get_one::<Duration>("grpc-timeout").copied();
    if deadline.is_some() && url.protocol != Protocol::Grpc {
        return Err("grpc-timeout: only a target of gRPC is told one".to_owned());
    }
    let changes = method.is_some()
        || headers.is_some()
        || body.is_some()
        || path.is_some()
        || deadline.is_some();
    let [request] = workload.requests.as_mut_slice() else {
        return match changes {
            true => Err(NEEDS_SINGLE.to_owned()),
            false => Ok(()),
        };
    };
    if let Some(path) = path {
        request.path.clone_from(path);
    }
    if let Some(method) = method {
        request.method.clone_from(method);
    }
    if let Some(body) = body {
        request.body = *body;
    }
    if let Some(deadline) = deadline {
        let name = "grpc-timeout".to_owned();
        request.headers.push((name, grpc_timeout(deadline)?));
    }
    for header in headers.into_iter().flatten() {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("header `{header}`: no colon"))?;
        request
            .headers
            .push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(())
}

const NEEDS_SINGLE: &str =
    "a path, --method, --header, --body and --grpc-timeout need a single request";

/// A deadline as gRPC writes it: at most eight digits, and the finest unit in which they suffice.
fn grpc_timeout(deadline: Duration) -> Result<String, String> {
    let ns = deadline.as_nanos();
    let units = [
        (1, 'n'),
        (1000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    let fits = units
        .into_iter()
        .find(|(unit, _)| ns.div_ceil(*unit) < 100_000_000);
    match fits {
        Some((unit, letter)) if ns > 0 => Ok(format!("{}{letter}", ns.div_ceil(unit))),
        Some(_) => Err("grpc-timeout: above 0".to_owned()),
        None => Err("grpc-timeout: too long".to_owned()),
    }
}

fn set_connections(workload: &mut Workload, matches: &ArgMatches) {
    let number = |name| matches.get_one::<u32>(name).copied();
    let long = |name| matches.get_one::<u64>(name).copied();
    let time = |name| matches.get_one::<Duration>(name).copied();
    workload.connections = number("connections").unwrap_or(workload.connections);
    workload.streams = number("streams").unwrap_or(workload.streams);
    workload.requests_per_connection =
        long("requests-per-connection").or(workload.requests_per_connection);
    workload.sessions = tls::sessions(matches).unwrap_or(workload.sessions);
    workload.read_rate = long("read-rate").or(workload.read_rate);
    workload.warm_up = time("warm-up").unwrap_or(workload.warm_up);
    workload.timeout = time("timeout").unwrap_or(workload.timeout);
    workload.grace = time("grace").unwrap_or(workload.grace);
    workload.verify |= matches.get_flag("verify");
}

fn means(matches: &ArgMatches) -> Result<Means, String> {
    let engine = engine::asked(matches)?.unwrap_or_else(default_engine);
    let cpus = matches.get_one::<Vec<usize>>("cpu");
    let seed = matches.get_one::<u64>("seed").copied();
    Ok(Means {
        engine,
        threads: matches.get_one::<u16>("threads").map_or(1, |n| (*n).into()),
        cpus: cpus.cloned().unwrap_or_default(),
        seed: seed.unwrap_or_else(|| Rng::from_os().next_u64()),
    })
}

fn default_engine() -> EngineKind {
    let (engine, why) = engines::choose();
    if let Some(why) = why {
        tell(format_args!("loadtest: engine {engine}: {why}"));
    }
    engine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_eight_digits_at_most() {
        for (ns, want) in [
            (1, "1n"),
            (99_999_999, "99999999n"),
            (100_000_000, "100000u"),
            (100_000_000_001, "100001m"),
            (1_500_000_000, "1500000u"),
            (400_000_000_000_000, "400000S"),
        ] {
            assert_eq!(grpc_timeout(Duration::from_nanos(ns)).as_deref(), Ok(want));
        }
        assert!(grpc_timeout(Duration::ZERO).is_err());
        assert!(grpc_timeout(Duration::MAX).is_err());
    }
}
