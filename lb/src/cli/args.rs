//! What the arguments ask for.

use crate::{
    config::{Listen, Pair, Quickstart, Upstream},
    control::{Engines, Options},
};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

/// A command with its arguments.
#[derive(Debug)]
pub(super) enum Command {
    Check {
        file: PathBuf,
    },
    Demo {
        once: bool,
        tls: bool,
        options: Options,
    },
    Expand {
        quickstart: Quickstart,
    },
    Run {
        source: Source,
        options: Options,
    },
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
    let wrong = |reason| {
        clap::Error::raw(
            clap::error::ErrorKind::ValueValidation,
            format!("{reason}\n"),
        )
    };
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
            tls: matches.get_flag("tls"),
            options: options(matches),
        }),
        Some(("expand", matches)) => Ok(Command::Expand {
            quickstart: quickstart(matches).map_err(wrong)?,
        }),
        Some(("run", matches)) => {
            let source = match matches.get_one::<PathBuf>("config") {
                Some(file) => Source::File(file.clone()),
                None => Source::Quickstart(quickstart(matches).map_err(wrong)?),
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
                        .conflicts_with_all([
                            "listen",
                            "to",
                            "admin",
                            "cert",
                            "key",
                            "client-ca",
                            "ca",
                            "sni",
                            "insecure",
                        ]),
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
                .arg(
                    Arg::new("tls")
                        .long("tls")
                        .help("Speak TLS with a certificate made for it")
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

fn quickstart_args(required: bool) -> Vec<Arg> {
    let listen = Arg::new("listen")
        .short('l')
        .long("listen")
        .value_name("ADDRESS")
        .help("Listen here, for what follows: 0.0.0.0:80, https://:443, tcp://[::]:5432, tls://:636, unix:/run/x")
        .action(ArgAction::Append);
    let listen = match required {
        true => listen.required(true),
        false => listen.required_unless_present("config"),
    };
    let mut args = tls_args().to_vec();
    args.extend([
        listen,
        Arg::new("to")
            .short('t')
            .long("to")
            .value_name("ADDRESS")
            .help("An endpoint of the --listen before it: 10.0.0.1:80, https://10.0.0.1:443; HTTP/2 and gRPC: h2c://10.0.0.1:80")
            .action(ArgAction::Append)
            .requires("listen"),
        Arg::new("admin")
            .long("admin")
            .value_name("ADDRESS")
            .help("Serve statistics and state here")
            .value_parser(admin_address),
    ]);
    args
}

/// Where the admin interface is. It asks nobody who he is, so that a port alone is not taken for all addresses, as
/// `--listen` does.
fn admin_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let port = port.unwrap_or(9901);
        format!("write 127.0.0.1:{port} to serve this machine alone, 0.0.0.0:{port} or [::]:{port} to serve all networks")
    })
}

/// What belongs to the `--listen` before it and is about TLS.
fn tls_args() -> [Arg; 6] {
    let arg = |name: &'static str, value: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name(value).help(help);
        arg.action(ArgAction::Append).requires("listen")
    };
    let insecure = arg(
        "insecure",
        "BOOL",
        "Let the endpoints of the --listen before it be anybody",
    );
    [
        arg(
            "cert",
            "FILE",
            "Certificate chain of the --listen before it, PEM; may be repeated",
        ),
        arg("key", "FILE", "Private key of the --cert before it, PEM"),
        arg(
            "client-ca",
            "FILE",
            "Clients have to present a certificate that one of these vouches for, PEM",
        ),
        arg(
            "ca",
            "FILE",
            "Who vouches for the endpoints, PEM [default: whom the system trusts]",
        ),
        arg(
            "sni",
            "NAME",
            "Name of the endpoints, sent to and expected of them [default: their address]",
        ),
        insecure
            .num_args(0..=1)
            .require_equals(true)
            .value_parser(["true", "false"])
            .hide_possible_values(true)
            .default_missing_value("true"),
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

/// Each `--listen` with what follows it.
fn quickstart(matches: &ArgMatches) -> Result<Quickstart, String> {
    let listens = placed(matches, "listen");
    let mut listeners = Vec::new();
    for (number, (start, at)) in listens.iter().enumerate() {
        let next = listens.get(number + 1);
        let end = next.map_or(usize::MAX, |(next, _)| *next);
        // What stands before the first --listen belongs to it as well.
        let start = if number == 0 { 0 } else { *start };
        let mine = |name: &str| -> Vec<String> {
            let all = placed(matches, name).into_iter();
            let mine = all.filter(|(at, _)| (start..end).contains(at));
            mine.map(|(_, value)| value).collect()
        };
        let one = |name: &str| match <[String; 1]>::try_from(mine(name)) {
            Ok([value]) => Ok(Some(value)),
            Err(none) if none.is_empty() => Ok(None),
            Err(_) => Err(format!("{at}: --{name} is there twice")),
        };
        let (chains, keys) = (mine("cert"), mine("key"));
        if chains.len() != keys.len() {
            return Err(format!("{at}: each --cert needs its --key"));
        }
        let pairs = chains.into_iter().zip(keys);
        listeners.push(Listen {
            at: at.clone(),
            to: mine("to"),
            certificates: pairs.map(|(chain, key)| Pair::Files(chain, key)).collect(),
            client_ca: one("client-ca")?,
            upstream: Upstream {
                ca: one("ca")?,
                insecure: mine("insecure").iter().any(|value| value == "true"),
                sni: one("sni")?,
            },
        });
    }
    let admin = matches.get_one::<SocketAddr>("admin").copied();
    Ok(Quickstart { listeners, admin })
}

/// The values of an argument, each with its place on the command line.
fn placed(matches: &ArgMatches, name: &str) -> Vec<(usize, String)> {
    let indices = matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<String>(name);
    indices.zip(values.into_iter().flatten().cloned()).collect()
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
            Listen::new(":80", to(&["1.1.1.1:1", "1.1.1.1:2"])),
            Listen::new("tcp://:90", to(&["1.1.1.1:3"])),
        ];
        assert_eq!(quick.listeners, expected);
        assert_eq!(options.engine, Engines::Auto);
    }

    #[test]
    fn what_is_about_tls_belongs_to_the_listener_before_it() {
        let line = "ringlb run --listen https://:443 --cert a --key b --to https://1.1.1.1:1 --insecure \
                    --cert c --key d --listen tls://:90 --cert e --key f --client-ca g --ca h --sni i";
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let Ok(Command::Run {
            source: Source::Quickstart(quick),
            ..
        }) = parsed(&line)
        else {
            panic!("{line}")
        };
        let pair = |chain: &str, key: &str| Pair::Files(chain.into(), key.into());
        let [one, two] = quick.listeners.as_slice() else {
            panic!("{quick:?}")
        };
        assert_eq!(one.certificates, [pair("a", "b"), pair("c", "d")]);
        assert!(one.upstream.insecure && one.upstream.ca.is_none() && one.client_ca.is_none());
        assert_eq!(two.certificates, [pair("e", "f")]);
        assert_eq!(two.client_ca.as_deref(), Some("g"));
        let expected = Upstream {
            ca: Some("h".into()),
            insecure: false,
            sni: Some("i".into()),
        };
        assert_eq!(two.upstream, expected);
    }

    #[test]
    fn who_gives_a_port_alone_for_the_admin_interface_is_told_what_to_write() {
        assert_eq!(admin_address("[::1]:7"), Ok("[::1]:7".parse().unwrap()));
        for text in [":7", "7", "localhost:7"] {
            let reason = admin_address(text).unwrap_err();
            assert!(reason.contains("write 127.0.0.1:7 to"), "{text}: {reason}");
        }
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for line in [
            "ringlb",
            "ringlb run",
            "ringlb run --engine windows --listen :80",
            "ringlb run --workers 0 --listen :80",
            "ringlb run -c x --listen :80",
            "ringlb run --admin :9901 --listen :80 --to 1.1.1.1:1",
            "ringlb check",
            "ringlb run --listen https://:80 --to 1.1.1.1:1 --cert a",
            "ringlb run --listen https://:80 --to 1.1.1.1:1 --cert a --key b --sni c --sni d",
            "ringlb run --cert a --key b -c x",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
