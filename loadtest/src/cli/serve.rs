//! `loadtest serve`.

use super::{cpus, engine, tell::tell, tls};
use crate::serve::{Defaults, Options, Service, allow_descriptors, limits, start};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use engines::SockAddr;
use nix::sys::signal::{SigSet, Signal};
use std::{io::Write, net::SocketAddr, process::ExitCode, thread, time::Duration};

const SERVICES: [(Service, &str); 6] = [
    (Service::Http, "Answer requests, as their paths say"),
    (Service::Https, "The same over TLS"),
    (Service::Echo, "Send every byte back"),
    (Service::Source, "Send bytes without end"),
    (Service::Sink, "Drop every byte"),
    (Service::TlsEcho, "Send every byte back, over TLS"),
];

pub(super) fn arguments() -> clap::Command {
    let listeners = SERVICES.map(|(service, help)| {
        Arg::new(service.name())
            .long(service.name())
            .value_name("ADDRESS")
            .value_parser(value_parser!(SocketAddr))
            .action(ArgAction::Append)
            .help(help)
    });
    clap::Command::new("serve")
        .about("Be the target: fast, slow or faulty")
        .long_about(LONG)
        .args(listeners)
        .args(tls::server_args())
        .args([
            Arg::new("threads")
                .long("threads")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=1024))
                .help("Threads; one a CPU that it may use"),
            engine::argument(),
            Arg::new("cpu")
                .long("cpu")
                .value_name("LIST")
                .value_parser(cpus::parse)
                .help("CPUs that the threads are bound to, such as 0,2-3"),
            Arg::new("bytes")
                .long("bytes")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("100")
                .help("Bytes of body of an answer that is not told otherwise"),
            Arg::new("delay")
                .long("delay")
                .value_name("MS")
                .value_parser(value_parser!(u64).range(..=limits::DELAY_MAX.as_millis() as u64))
                .default_value("0")
                .help("Milliseconds before such an answer"),
            Arg::new("status")
                .long("status")
                .value_name("CODE")
                .value_parser(value_parser!(u16).range(200..=599))
                .default_value("200")
                .help("Status of such an answer"),
        ])
}

const LONG: &str = "\
Be the target: fast, slow or faulty.

Paths: /bytes/N (N bytes), /chunked/N (of untold length), /endless, /echo (the request's body),
/slow/N?rate=BYTES_PER_SECOND; anything else gets the fixed answer of --bytes, --delay and --status.
Queries: delay=MS, status=CODE, crc (tells the body's CRC-32 as x-body-crc32),
fault=close|reset|stall|cut|garbage.

Says `listening NAME ADDRESS` on standard error for each listener. SIGTERM and Ctrl-C end it at once.";

pub(super) fn execute(matches: &ArgMatches) -> Result<ExitCode, String> {
    let options = options(matches)?;
    allow_descriptors();
    // Before the first thread, which inherits it: the signals are for this one to wait for.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    let blocked = signals.thread_block();
    blocked.map_err(|error| format!("cannot block signals: {error}"))?;
    let running = start(&options)?;
    let mut told = String::new();
    for (service, address) in &running.addresses {
        told += &format!("listening {} {address}\n", service.name());
    }
    let mut err = std::io::stderr().lock();
    let written = err.write_all(told.as_bytes()).and_then(|()| err.flush());
    drop(err);
    written.map_err(|error| format!("cannot say where it listens: {error}"))?;
    let watch = move || {
        tell(format_args!("loadtest: {}", running.broken()));
        std::process::exit(1);
    };
    let watcher = thread::Builder::new().name("watch".to_owned()).spawn(watch);
    watcher.map_err(|error| format!("cannot start a thread: {error}"))?;
    let caught = signals.wait();
    caught.map_err(|error| format!("cannot wait for signals: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

fn options(matches: &ArgMatches) -> Result<Options, String> {
    let mut listeners = Vec::new();
    for (service, _) in SERVICES {
        let addresses = matches.get_many::<SocketAddr>(service.name());
        listeners.extend(
            addresses
                .into_iter()
                .flatten()
                .map(|at| (service, SockAddr::from(*at))),
        );
    }
    if listeners.is_empty() {
        return Err(
            "nothing to serve: give --http, --https, --echo, --tls-echo, --source or --sink"
                .to_owned(),
        );
    }
    let is_secure = |(service, _): &(Service, SockAddr)| service.is_secure();
    let tls = match listeners.iter().any(is_secure) {
        true => Some(tls::server(matches)?),
        false => None,
    };
    let cpus: Vec<usize> = matches.get_one("cpu").cloned().unwrap_or_default();
    let wanted = matches.get_one::<u16>("threads").map(|n| usize::from(*n));
    let threads = wanted.unwrap_or_else(|| match cpus.len() {
        0 => thread::available_parallelism().map_or(1, std::num::NonZero::get),
        some => some,
    });
    let engine = engine::asked(matches)?;
    let number = |name| matches.get_one::<u64>(name).copied();
    let plain = Defaults::default();
    let defaults = Defaults {
        bytes: number("bytes").unwrap_or(plain.bytes),
        delay: number("delay").map_or(plain.delay, Duration::from_millis),
        status: matches.get_one("status").copied().unwrap_or(plain.status),
    };
    Ok(Options {
        listeners,
        tls,
        defaults,
        engine,
        threads,
        cpus,
    })
}
