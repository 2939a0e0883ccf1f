//! Bytes from where a configuration says they are. Nothing else in `config` reads a file.

use super::compile::Compiler;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};
use xds::api::envoy::config::core::v3::{DataSource, data_source::Specifier};
use zeroize::Zeroizing;

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

/// The bytes of a source, which may be a key: they are wiped when they are dropped.
///
/// # Errors
/// The field of the source, and what is wrong with it; never what was read.
pub(super) fn read(source: &DataSource) -> Result<Zeroizing<Vec<u8>>, (&'static str, String)> {
    let bytes = match &source.specifier {
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
    };
    bytes.map(Zeroizing::new)
}

/// Symbolic links that are followed, as many as the kernel follows.
const LINKS_MAX: usize = 40;

/// Adds the directories in which a change may give a file other bytes: its own, and that of every symbolic
/// link on the way to it. In place of one that is missing, the one that it would lie in.
pub(super) fn directories(file: &Path, found: &mut BTreeSet<PathBuf>) {
    let mut file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    for _ in 0..LINKS_MAX {
        let Some((link, target)) = first_link(&file) else {
            break;
        };
        let parent = link.parent().unwrap_or(Path::new("/"));
        found.insert(without_dots(parent));
        let rest = file.strip_prefix(&link).unwrap_or(Path::new(""));
        let joined = parent.join(target);
        // Joining an empty rest would add a slash.
        file = match rest.as_os_str().is_empty() {
            true => joined,
            false => joined.join(rest),
        };
    }
    let above = without_dots(&file);
    let existing = above
        .ancestors()
        .skip(1)
        .find(|directory| directory.is_dir());
    found.extend(existing.map(Path::to_owned));
}

/// The first symbolic link in a path, and where it leads.
fn first_link(file: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut parts: Vec<_> = file.ancestors().collect();
    parts.reverse();
    let link = |part: &Path| Some((part.to_owned(), fs::read_link(part).ok()?));
    parts.into_iter().find_map(link)
}

/// A path that has no links, in its one form.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Normal(_) | Component::Prefix(_) | Component::RootDir => plain.push(part),
        }
    }
    plain
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
        match read(source) {
            Ok(mut bytes) => std::mem::take(&mut *bytes),
            Err((field, reason)) => {
                self.wrong(&format!("{path}.{field}"), reason);
                Vec::new()
            }
        }
    }
}
