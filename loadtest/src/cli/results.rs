//! Where the results of a run go: text on stdout, and the files that were asked for.

use super::load::{Asked, value};
use crate::{
    outcome::Outcome,
    report::{self, Machine, Summary},
};
use clap::{Arg, ArgMatches};
use std::io::{self, Write};

/// A form that results may be asked for in.
struct Form {
    name: &'static str,
    help: &'static str,
    write: fn(&Summary, &Outcome) -> String,
}

const FORMS: [Form; 3] = [
    Form {
        name: "json",
        help: "Write everything as JSON (- for stdout)",
        write: report::json,
    },
    Form {
        name: "hgrm",
        help: "Write the percentiles of corrected latency as HdrHistogram plots them (- for stdout)",
        write: report::hgrm,
    },
    Form {
        name: "html",
        help: "Write a page with pictures (- for stdout)",
        write: report::html,
    },
];

const STDOUT: &str = "-";

/// The files that may be asked for.
pub(super) fn result_args() -> Vec<Arg> {
    let args = FORMS.iter().map(|form| value(form.name, "FILE", form.help));
    args.collect()
}

/// Writes all that was asked for, and text on stdout unless something else goes there.
///
/// # Errors
/// Something cannot be written.
pub(super) fn write_all(
    asked: &Asked,
    begun_unix_s: u64,
    outcome: &Outcome,
    matches: &ArgMatches,
) -> Result<(), String> {
    let machine = Machine::read();
    let mut summary = Summary::new(&asked.target, &asked.workload, &asked.means, machine);
    summary.begun_unix_s = Some(begun_unix_s);
    let mut is_stdout_free = true;
    for form in &FORMS {
        if let Some(file) = matches.get_one::<String>(form.name) {
            is_stdout_free &= file != STDOUT;
            write(file, &(form.write)(&summary, outcome))?;
        }
    }
    match is_stdout_free {
        true => write(STDOUT, &report::text(&summary, outcome)),
        false => Ok(()),
    }
}

/// Writes `text` to a file, or to stdout for `-`.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(to: &str, text: &str) -> Result<(), String> {
    let written = match to {
        STDOUT => io::stdout().write_all(text.as_bytes()),
        file => std::fs::write(file, text),
    };
    match written {
        // Whoever reads has seen enough.
        Err(error) if to == STDOUT && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("{to}: {error}")),
    }
}
