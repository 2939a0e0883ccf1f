//! Where the report of a comparison goes to.

use super::super::{
    load::value,
    sink::{STDOUT, Sink},
};
use crate::duel::{self, Report};
use clap::{Arg, ArgMatches};

/// A form that the report may be asked for in.
struct Form {
    name: &'static str,
    help: &'static str,
    write: fn(&Report) -> Result<String, String>,
}

const FORMS: [Form; 3] = [
    Form {
        name: "markdown",
        help: "Write the report as Markdown, which stdout gets too",
        write: |report| Ok(duel::markdown(report)),
    },
    Form {
        name: "json",
        help: "Write it as JSON, every round (- for stdout)",
        write: duel::json,
    },
    Form {
        name: "html",
        help: "Write it as a page (- for stdout)",
        write: |report| Ok(duel::html(report)),
    },
];

pub(super) fn arguments() -> impl Iterator<Item = Arg> {
    FORMS.iter().map(|form| value(form.name, "FILE", form.help))
}

/// Places that are open before anything is measured, so that no measurement is lost to a wrong name.
pub(super) struct Outputs(Vec<(&'static Form, Sink)>);

impl Outputs {
    /// Opens what was asked for.
    ///
    /// # Errors
    /// Something cannot be opened, or two forms go to one place.
    pub(super) fn open(matches: &ArgMatches) -> Result<Self, String> {
        let mut taken: Vec<&String> = Vec::new();
        let mut opened = Vec::new();
        for form in &FORMS {
            let Some(place) = matches.get_one::<String>(form.name) else {
                continue;
            };
            if taken.contains(&place) {
                let name = form.name;
                return Err(format!("--{name}: another form goes to `{place}` as well"));
            }
            taken.push(place);
            opened.push((form, Sink::open(place)?));
        }
        Ok(Self(opened))
    }

    /// Writes all of them, and Markdown on stdout unless something else goes there, whatever fails on
    /// the way.
    ///
    /// # Errors
    /// Everything that could not be written.
    pub(super) fn write(self, report: &Report) -> Result<(), String> {
        let is_stdout_free = !self.0.iter().any(|(_, sink)| sink.is_stdout());
        let mut failed = Vec::new();
        for (form, sink) in self.0 {
            let written = (form.write)(report).and_then(|text| sink.write(&text));
            failed.extend(written.err());
        }
        if is_stdout_free {
            let written = Sink::open(STDOUT).and_then(|out| out.write(&duel::markdown(report)));
            failed.extend(written.err());
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(failed.join("\n")),
        }
    }
}
