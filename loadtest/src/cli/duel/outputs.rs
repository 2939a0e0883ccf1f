//! Where the report of a comparison goes to.

use super::super::{load::value, results};
use crate::duel::{self, Report};
use clap::{Arg, ArgMatches};
use std::{
    fs::{File, OpenOptions},
    io::Write,
};

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

const STDOUT: &str = "-";

pub(super) fn arguments() -> impl Iterator<Item = Arg> {
    FORMS.iter().map(|form| value(form.name, "FILE", form.help))
}

/// Files that are open before anything is measured, so that no measurement is lost to a wrong name.
pub(super) struct Outputs {
    files: Vec<(&'static Form, String, File)>,
    /// Markdown where nothing else was asked for.
    stdout: &'static Form,
}

impl Outputs {
    /// Opens what was asked for; a file keeps what is in it until it is written.
    ///
    /// # Errors
    /// A file cannot be written, or standard output is to be two things.
    pub(super) fn open(matches: &ArgMatches) -> Result<Self, String> {
        let [markdown, ..] = &FORMS;
        let mut outputs = Self {
            files: Vec::new(),
            stdout: markdown,
        };
        let mut is_stdout_taken = false;
        for form in &FORMS {
            let Some(path) = matches.get_one::<String>(form.name) else {
                continue;
            };
            if path == STDOUT {
                if is_stdout_taken {
                    return Err(format!("--{} {STDOUT}: stdout has another form", form.name));
                }
                is_stdout_taken = true;
                outputs.stdout = form;
                continue;
            }
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).open(path);
            let file = file.map_err(|error| format!("{path}: {error}"))?;
            outputs.files.push((form, path.clone(), file));
        }
        Ok(outputs)
    }

    /// Writes all of them, whatever fails on the way.
    ///
    /// # Errors
    /// Everything that could not be written.
    pub(super) fn write(self, report: &Report) -> Result<(), String> {
        let mut failed = Vec::new();
        for (form, path, mut file) in self.files {
            let written = (form.write)(report).and_then(|text| {
                let done = empty(&file).and_then(|()| file.write_all(text.as_bytes()));
                done.map_err(|error| format!("{path}: {error}"))
            });
            failed.extend(written.err());
        }
        let text = (self.stdout.write)(report);
        failed.extend(text.and_then(|text| results::write(STDOUT, &text)).err());
        match failed.is_empty() {
            true => Ok(()),
            false => Err(failed.join("\n")),
        }
    }
}

/// What is no regular file has no length to set.
fn empty(file: &File) -> std::io::Result<()> {
    match file.metadata()?.is_file() {
        true => file.set_len(0),
        false => Ok(()),
    }
}
