//! Which engine is asked for.

use clap::{Arg, ArgMatches};
use engines::EngineKind;

const AUTO: &str = "auto";

pub(super) fn argument() -> Arg {
    Arg::new("engine")
        .long("engine")
        .value_name("NAME")
        .default_value(AUTO)
        .help("auto (io_uring where the kernel allows it, else epoll), uring, epoll or tasks")
}

/// The engine that was asked for; none: whichever there is.
///
/// # Errors
/// There is none of that name.
pub(super) fn asked(matches: &ArgMatches) -> Result<Option<EngineKind>, String> {
    match matches.get_one::<String>("engine").map(String::as_str) {
        None | Some(AUTO) => Ok(None),
        Some(name) => match name.parse() {
            Ok(kind) => Ok(Some(kind)),
            Err(error) => Err(format!("{error}")),
        },
    }
}
