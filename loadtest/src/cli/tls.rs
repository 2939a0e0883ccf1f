//! The arguments that say how a target over TLS is spoken to, and how a listener speaks it.

use super::load::value;
use crate::{
    run::Tls,
    serve::{self, SelfSigned},
    workload::Sessions,
};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tls::{
    Client, ClientSettings, Group, Identity, ServerContext, SettingsError, Suite, Trust, Version,
};

/// Of a target, beside [`agreement_args`].
pub(super) fn client_args() -> Vec<Arg> {
    let mut all = vec![
        Arg::new("insecure")
            .long("insecure")
            .help("Over TLS: the target may be anybody")
            .action(ArgAction::SetTrue)
            .conflicts_with("ca"),
        file(
            "ca",
            "Over TLS: certificates of authorities (PEM), one of which has to vouch for the target",
        ),
        value(
            "sni",
            "NAME",
            "Over TLS: the target's name [default: the URL's host]",
        ),
        file("cert", "Over TLS: our certificate chain (PEM)").requires("key"),
        file("key", "Over TLS: its private key (PEM)").requires("cert"),
        value(
            "tls-session",
            "full|resumed",
            "What new connections begin with: a full handshake [default], or an earlier session",
        )
        .value_parser(["full", "resumed"]),
    ];
    all.extend(agreement_args());
    all
}

/// What may be agreed on.
fn agreement_args() -> [Arg; 3] {
    [
        value("tls-version", "1.2|1.3", "The only version of TLS").value_parser(["1.2", "1.3"]),
        value(
            "tls-suite",
            "NAME,…",
            "The cipher suites, such as TLS_AES_128_GCM_SHA256, in order of preference",
        )
        .value_delimiter(','),
        value(
            "tls-group",
            "NAME,…",
            "The groups for key exchange, such as X25519, in order of preference",
        )
        .value_delimiter(','),
    ]
}

/// Of a listener.
pub(super) fn server_args() -> Vec<Arg> {
    let mut all = vec![
        file(
            "tls-cert",
            "Certificate chain (PEM) of --https and --tls-echo; self-signed for localhost without",
        )
        .requires("tls-key"),
        file("tls-key", "Its private key (PEM)").requires("tls-cert"),
    ];
    all.extend(agreement_args());
    all
}

fn file(name: &'static str, help: &'static str) -> Arg {
    value(name, "FILE", help).value_parser(value_parser!(PathBuf))
}

/// How the target is spoken to; `host`: its name where no other is given.
///
/// # Errors
/// Nothing says whom to believe, a file cannot be read, or a setting cannot be used.
pub(super) fn client(matches: &ArgMatches, host: &str) -> Result<Tls, String> {
    let server = match matches.get_one::<PathBuf>("ca") {
        Some(ca) => Client::Verified(Trust {
            ca: Some(read(ca)?),
            ..Trust::default()
        }),
        None if matches.get_flag("insecure") => Client::Unverified,
        None => return Err(WHOM.to_owned()),
    };
    let identity = identity(matches, ["cert", "key"])?;
    let agreement = Agreement::read(matches)?;
    let settings = ClientSettings {
        server,
        identity,
        alpn: Vec::new(),
        versions: agreement.versions,
        suites: agreement.suites,
        groups: agreement.groups,
        sessions_max: 0,
        key_log: None,
    };
    let name = matches
        .get_one::<String>("sni")
        .map_or(host, String::as_str);
    Tls::new(settings, name).map_err(|error| error.to_string())
}

const WHOM: &str = "whom to believe? The system's authorities are not asked: give --ca FILE, or --insecure \
                    for a target that may be anybody";

/// That nothing is said of TLS where there is none.
///
/// # Errors
/// An argument that is.
pub(super) fn refuse(matches: &ArgMatches) -> Result<(), String> {
    let given = |arg: &Arg| {
        let id = arg.get_id().as_str();
        matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
    };
    match client_args().iter().find(|arg| given(arg)) {
        Some(arg) => Err(format!(
            "--{}: only of a target over TLS (https, h2, grpcs, tls)",
            arg.get_id()
        )),
        None => Ok(()),
    }
}

/// What new connections begin with, if it is said.
pub(super) fn sessions(matches: &ArgMatches) -> Option<Sessions> {
    let name = matches.get_one::<String>("tls-session")?;
    Some(match name.as_str() {
        "resumed" => Sessions::Resumed,
        _ => Sessions::Full,
    })
}

/// How listeners speak it.
///
/// # Errors
/// A file cannot be read, or a setting cannot be used.
pub(super) fn server(matches: &ArgMatches) -> Result<Arc<ServerContext>, String> {
    let identity = match identity(matches, ["tls-cert", "tls-key"])? {
        Some(identity) => identity,
        None => SelfSigned::localhost()?.identity()?,
    };
    let agreement = Agreement::read(matches)?;
    serve::secure(
        identity,
        agreement.versions,
        agreement.suites,
        agreement.groups,
    )
}

struct Agreement {
    versions: (Version, Version),
    suites: Vec<Suite>,
    groups: Vec<Group>,
}

impl Agreement {
    fn read(matches: &ArgMatches) -> Result<Self, String> {
        let versions = match matches.get_one::<String>("tls-version").map(String::as_str) {
            Some("1.2") => (Version::Tls12, Version::Tls12),
            Some(_) => (Version::Tls13, Version::Tls13),
            None => (Version::Tls12, Version::Tls13),
        };
        Ok(Self {
            versions,
            suites: named(matches, "tls-suite", Suite::parse)?,
            groups: named(matches, "tls-group", Group::parse)?,
        })
    }
}

fn named<T>(
    matches: &ArgMatches,
    argument: &str,
    parse: fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let names = matches.get_many::<String>(argument).into_iter().flatten();
    let unknown = |name: &str| format!("--{argument}: `{name}` is unknown, or not in this build");
    names
        .map(|name| parse(name).ok_or_else(|| unknown(name)))
        .collect()
}

/// From the files that two arguments name, if they do.
fn identity(matches: &ArgMatches, names: [&str; 2]) -> Result<Option<Identity>, String> {
    let [Some(chain), Some(key)] = names.map(|name| matches.get_one::<PathBuf>(name)) else {
        return Ok(None);
    };
    let wrong = |error: SettingsError| {
        let file = if error.field.contains("key") {
            key
        } else {
            chain
        };
        format!("{}: {}", file.display(), error.reason)
    };
    let identity = Identity::from_pem(&read(chain)?, &read(key)?);
    identity.map(Some).map_err(wrong)
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}
