//! Where the results of a run go: text on stdout, and the files that were asked for.

use super::load::{Asked, value};
use crate::outcome::Outcome;
use clap::{Arg, ArgMatches};
use std::io::{self, Write};

/// Files that may be asked for.
pub(super) fn result_args() -> Vec<Arg> {
    vec![]
}

/// Writes `text` to a file, or to stdout for `-`.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(to: &str, text: &str) -> Result<(), String> {
    let written = match to {
        "-" => io::stdout().write_all(text.as_bytes()),
        file => std::fs::write(file, text),
    };
    written.map_err(|error| format!("{to}: {error}"))
}

/// Writes all that was asked for.
///
/// # Errors
/// Something cannot be written.
pub(super) fn write_all(
    _asked: &Asked,
    outcome: &Outcome,
    _matches: &ArgMatches,
) -> Result<(), String> {
    let _ = value;
    write("-", &text(outcome))
}

fn text(outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let rate = tally.completed as f64 / outcome.measured.as_secs_f64().max(1e-9);
    let mut text = format!(
        "{rate:.1} answers a second\n{tally:?}\n{:?}\n",
        outcome.errors
    );
    for (name, histogram) in [("latency", &outcome.latency), ("service", &outcome.service)] {
        text += name;
        for percent in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let us = histogram.value_at_quantile(percent) as f64 / 1000.0;
            text += &format!("  {}%: {us:.0} us", percent * 100.0);
        }
        text += "\n";
    }
    text += &format!("{:?}\n", outcome.generator);
    text
}
