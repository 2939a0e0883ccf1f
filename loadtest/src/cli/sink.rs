//! A place for results: a file, or standard output for `-`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
};

pub(super) const STDOUT: &str = "-";

/// A place that was opened before there were results: what cannot be written is to be known before a
/// long run, not behind it.
#[derive(Debug)]
pub(super) struct Sink {
    name: String,
    /// None: standard output.
    file: Option<File>,
}

impl Sink {
    /// Opens it. What a file had is kept until it is written.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(super) fn open(name: &str) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = match name {
            STDOUT => None,
            file => Some(options.open(file).map_err(|e| format!("{file}: {e}"))?),
        };
        let name = name.to_owned();
        Ok(Self { name, file })
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(self, text: &str) -> Result<(), String> {
        let written = match self.file {
            None => match io::stdout().write_all(text.as_bytes()) {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                other => other,
            },
            Some(file) => replace(file, text),
        };
        written.map_err(|error| format!("{}: {error}", self.name))
    }
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    // Pipes and devices have nothing to cut off.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}
