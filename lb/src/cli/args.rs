//! What the arguments ask for.

use crate::{
    config::Quickstart,
    control::{Engines, Options},
};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

/// A command with its arguments.
#[derive(Debug)]
pub(super) enum Command {
    Check { file: PathBuf },
    Demo { once: bool, options: Options },
    Expand { quickstart: Quickstart },
    Run { source: Source, options: Options },
}

/// Where the configuration comes from.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Quickstart(Quickstart),
}

/// Reads the arguments.
///
/// # Errors
/// What is wrong with them, or the help that was asked for.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(args)?;
    match matches.subcommand() {
        Some(("check", matches)) => {
            let file = matches
                .get_one::<PathBuf>("config")
                .cloned()
                .unwrap_or_default();
            Ok(Command::Check { file })
        }
        Some(("demo", matches)) => Ok(Command::Demo {
            once: matches.get_flag("once"),
            options: options(matches),
        }),
        Some(("expand", matches)) => Ok(Command::Expand {
            quickstart: quickstart(matches),
        }),
        Some(("run", matches)) => {
            let source = match matches.get_one::<PathBuf>("config") {
                Some(file) => Source::File(file.clone()),
                None => Source::Quickstart(quickstart(matches)),
            };
            Ok(Command::Run {
                source,
                options: options(matches),
            })
        }
        Some(_) | None => {
            Err(command.error(clap::error::ErrorKind::MissingSubcommand, "no command"))
        }
    }
}

fn command() -> clap::Command {
    let file = |arg: Arg| arg.value_name("FILE").value_parser(value_parser!(PathBuf));
    clap::Command::new("ringlb")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An io_uring-first L4/L7 load balancer")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            clap::Command::new("run")
                .about("Balance traffic until SIGTERM or Ctrl-C")
                .override_usage(
                    "ringlb run [OPTIONS] --config FILE\n       \
                     ringlb run [OPTIONS] --listen ADDRESS --to ADDRESS [--to ADDRESS]...",
                )
                .arg(
                    file(Arg::new("config").short('c').long("config"))
                        .help("Configuration: Envoy's v3 bootstrap, YAML or JSON")
                        .conflicts_with_all(["listen", "to", "admin"]),
                )
                .args(quickstart_args(false))
                .args(option_args()),
        )
        .subcommand(
            clap::Command::new("demo")
                .about("Balance over three embedded endpoints, to see it work")
                .arg(
                    Arg::new("once")
                        .long("once")
                        .help("Send requests, print how they were spread, and exit")
                        .action(ArgAction::SetTrue),
                )
                .args(option_args()),
        )
        .subcommand(
            clap::Command::new("check")
                .about("Tell every problem of a configuration file")
                .arg(
                    file(Arg::new("config").short('c').long("config"))
                        .help("Configuration: Envoy's v3 bootstrap, YAML or JSON")
                        .required(true),
                ),
        )
        .subcommand(
            clap::Command::new("expand")
                .about("Print the configuration that --listen and --to stand for")
                .args(quickstart_args(true)),
        )
}

fn quickstart_args(required: bool) -> [Arg; 3] {
    let listen = Arg::new("listen")
        .short('l')
        .long("listen")
        .value_name("ADDRESS")
        .help("Listen here, for the --to that follow: 0.0.0.0:80, tcp://[::]:5432, unix:/run/x")
        .action(ArgAction::Append);
    [
        if required {
            listen.required(true)
        } else {
            listen.required_unless_present("config")
        },
        Arg::new("to")
            .short('t')
            .long("to")
            .value_name("ADDRESS")
            .help("An endpoint of the --listen before it: 10.0.0.1:80; HTTP/2 and gRPC: h2c://10.0.0.1:80")
            .action(ArgAction::Append)
            .requires("listen"),
        Arg::new("admin")
            .long("admin")
            .value_name("ADDRESS")
            .help("Serve statistics and state here")
            .value_parser(value_parser!(SocketAddr)),
    ]
}

fn option_args() -> [Arg; 3] {
    [
        Arg::new("engine")
            .long("engine")
            .value_name("ENGINE")
            .help("auto, uring, epoll or tasks")
            .default_value("auto")
            .value_parser(|text: &str| text.parse::<Engines>()),
        Arg::new("workers")
            .long("workers")
            .value_name("N")
            .help("Worker threads [default: the CPUs that the process may use]")
            .value_parser(value_parser!(u64).range(1..=1024)),
        Arg::new("drain-time")
            .long("drain-time")
            .value_name("SECONDS")
            .help("How long connections get to end after SIGTERM")
            .default_value("30")
            .value_parser(value_parser!(u64).range(0..=86_400)),
    ]
}

fn options(matches: &ArgMatches) -> Options {
    let default = Options::default();
    let workers = matches.get_one::<u64>("workers");
    let drain = matches.get_one::<u64>("drain-time");
    Options {
        engine: matches
            .get_one::<Engines>("engine")
            .copied()
            .unwrap_or(default.engine),
        workers: workers.and_then(|n| usize::try_from(*n).ok()),
        drain_time: drain.map_or(default.drain_time, |seconds| Duration::from_secs(*seconds)),
    }
}

/// Each `--listen` with the `--to` that follow it.
fn quickstart(matches: &ArgMatches) -> Quickstart {
    let placed = |name: &str| -> Vec<(usize, String)> {
        let indices = matches.indices_of(name).into_iter().flatten();
        let values = matches
            .get_many::<String>(name)
            .into_iter()
            .flatten()
            .cloned();
        indices.zip(values).collect()
    };
    let (listens, tos) = (placed("listen"), placed("to"));
    let mut listeners: Vec<(String, Vec<String>)> = Vec::new();
    for (number, (start, listen)) in listens.iter().enumerate() {
        let end = listens
            .get(number + 1)
            .map_or(usize::MAX, |(next, _)| *next);
        // Endpoints before the first --listen belong to it as well.
        let start = if number == 0 { 0 } else { *start };
        let mine = tos.iter().filter(|(at, _)| (start..end).contains(at));
        listeners.push((listen.clone(), mine.map(|(_, to)| to.clone()).collect()));
    }
    Quickstart {
        listeners,
        admin: matches.get_one::<SocketAddr>("admin").copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn endpoints_belong_to_the_listener_before_them() {
        let line = "ringlb run --listen :80 --to 1.1.1.1:1 --to 1.1.1.1:2 --listen tcp://:90 --to 1.1.1.1:3";
        let Ok(Command::Run {
            source: Source::Quickstart(quick),
            options,
        }) = parsed(line)
        else {
            panic!("{line}")
        };
        let to = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let expected = [
            (":80".to_owned(), to(&["1.1.1.1:1", "1.1.1.1:2"])),
            ("tcp://:90".to_owned(), to(&["1.1.1.1:3"])),
        ];
        assert_eq!(quick.listeners, expected);
        assert_eq!(options.engine, Engines::Auto);
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for line in [
            "ringlb",
            "ringlb run",
            "ringlb run --engine windows --listen :80",
            "ringlb run --workers 0 --listen :80",
            "ringlb run -c x --listen :80",
            "ringlb check",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
