//! Where the results of a run go: text on stdout, and the files that were asked for.

use super::{
    load::{Asked, value},
    sink::{STDOUT, Sink},
};
use crate::{
    outcome::Outcome,
    report::{self, Machine, Summary},
};
use clap::{Arg, ArgMatches};

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

/// The files that may be asked for.
pub(super) fn result_args() -> Vec<Arg> {
    let args = FORMS.iter().map(|form| value(form.name, "FILE", form.help));
    args.collect()
}

/// Where the results of a run that is still to be made go.
pub(super) struct Results(Vec<(&'static Form, Sink)>);

impl Results {
    /// Opens all that was asked for.
    ///
    /// # Errors
    /// Something cannot be opened, or two forms go to one place.
    pub(super) fn open(matches: &ArgMatches) -> Result<Self, String> {
        let mut places: Vec<(&Form, &String)> = Vec::new();
        for form in &FORMS {
            let Some(place) = matches.get_one::<String>(form.name) else {
                continue;
            };
            if let Some((other, _)) = places.iter().find(|(_, taken)| *taken == place) {
                let (one, other) = (other.name, form.name);
                return Err(format!("--{one} and --{other} both go to `{place}`"));
            }
            places.push((form, place));
        }
        let opened = places.into_iter();
        let opened = opened.map(|(form, place)| Ok((form, Sink::open(place)?)));
        opened.collect::<Result<_, String>>().map(Self)
    }

    /// Writes all that was asked for, and text on stdout unless something else goes there. What cannot
    /// be written keeps nothing else from being.
    ///
    /// # Errors
    /// All that could not be written.
    pub(super) fn write(
        self,
        asked: &Asked,
        begun_unix_s: u64,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let machine = Machine::read();
        let mut summary = Summary::new(&asked.target, &asked.workload, &asked.means, machine);
        summary.begun_unix_s = Some(begun_unix_s);
        let is_stdout_free = !self.0.iter().any(|(_, sink)| sink.is_stdout());
        let files = self.0.into_iter();
        let files = files.map(|(form, sink)| sink.write(&(form.write)(&summary, outcome)));
        let mut written: Vec<Result<(), String>> = files.collect();
        if is_stdout_free {
            let text = report::text(&summary, outcome);
            written.push(Sink::open(STDOUT).and_then(|stdout| stdout.write(&text)));
        }
        let errors: Vec<String> = written.into_iter().filter_map(Result::err).collect();
        match errors.is_empty() {
            true => Ok(()),
            false => Err(errors.join("\n  ")),
        }
    }
}
