//! Bytes from where a configuration says they are. Nothing else in `config` reads a file.

use super::compile::Compiler;
use std::{fs, io, path::Path};
use xds::api::envoy::config::core::v3::{DataSource, data_source::Specifier};

/// Bytes of a file that a configuration names.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file.
///
/// # Errors
/// The operating system's; it is no plain file, or a too long one.
pub(super) fn read_file(name: &Path) -> io::Result<Vec<u8>> {
    // What is no plain file may never end, or never begin.
    let metadata = fs::metadata(name)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    if metadata.len() > FILE_BYTES_MAX {
        let reason = format!("it is longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::other(reason));
    }
    fs::read(name)
}

/// The bytes of a source.
///
/// # Errors
/// The field of the source, and what is wrong with it; never what was read.
pub(super) fn read(source: &DataSource) -> Result<Vec<u8>, (&'static str, String)> {
    match &source.specifier {
        Some(Specifier::Filename(name)) => {
            let wrong = |error| ("filename", format!("{name}: {error}"));
            read_file(Path::new(name)).map_err(wrong)
        }
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes.clone()),
        Some(Specifier::InlineString(text)) => Ok(text.clone().into_bytes()),
        Some(Specifier::EnvironmentVariable(name)) => match std::env::var_os(name) {
            Some(value) => Ok(value.into_encoded_bytes()),
            None => {
                let reason = format!("the environment has no variable `{name}`");
                Err(("environment_variable", reason))
            }
        },
        None => Ok(Vec::new()),
    }
}

impl Compiler {
    /// The bytes of a source that is read once.
    pub(super) fn data(&mut self, path: &str, source: Option<&DataSource>) -> Vec<u8> {
        let Some(source) = source else {
            return Vec::new();
        };
        if source.watched_directory.is_some() {
            let reason = "only files of TLS are read again when they change";
            self.wrong(&format!("{path}.watched_directory"), reason);
        }
        read(source).unwrap_or_else(|(field, reason)| {
            self.wrong(&format!("{path}.{field}"), reason);
            Vec::new()
        })
    }
}
