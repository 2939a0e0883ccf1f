//! The secrets of sessions in a file, for tools that look into recorded connections.

use nix::unistd::{AccessFlags, access};
use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// `envoy.extensions.transport_sockets.tls.v3.TlsKeyLog`: a file that is opened to append at the first line.
pub(super) struct KeyLogFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    New,
    Open(File),
    /// It cannot be written, or others can read it; that was told.
    Refused,
}

impl KeyLogFile {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            state: Mutex::default(),
        }
    }

    /// Whether secrets may be written to a file, or it can be made; nothing is.
    ///
    /// # Errors
    /// It cannot be written or made, or others than its owner can read it.
    pub(super) fn check(path: &str) -> Result<(), String> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err("is a folder".into()),
            Ok(metadata) => {
                check(&metadata)?;
                may(Path::new(path), AccessFlags::W_OK, "written")
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
                let here = folder.as_os_str().is_empty();
                let folder = if here { Path::new(".") } else { folder };
                may(folder, AccessFlags::W_OK | AccessFlags::X_OK, "made")
            }
            Err(error) => Err(format!("cannot be opened: {error}")),
        }
    }

    fn open(&self) -> Result<File, String> {
        let mut options = OpenOptions::new();
        let opened = options
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path);
        let file = opened.map_err(|error| error.to_string())?;
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        check(&metadata).map(|()| file)
    }
}

fn may(path: &Path, flags: AccessFlags, what: &str) -> Result<(), String> {
    access(path, flags).map_err(|errno| format!("cannot be {what}: {}", io::Error::from(errno)))
}

/// Nobody but the owner may read it.
fn check(metadata: &Metadata) -> Result<(), String> {
    let mode = metadata.permissions().mode() & 0o777;
    match mode & 0o044 {
        0 => Ok(()),
        _ => Err(format!(
            "others than its owner can read it (mode {mode:03o})"
        )),
    }
}

impl tls::KeyLog for KeyLogFile {
    fn write(&self, line: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::New = *state {
            *state = self.open().map_or_else(
                |error| {
                    eprintln!(
                        "ERROR key log {}: not written: {error}",
                        self.path.display()
                    );
                    State::Refused
                },
                State::Open,
            );
        }
        if let State::Open(file) = &mut *state {
            // A session does not fail because it cannot be recorded.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls::KeyLog;

    #[test]
    fn lines_are_appended_to_a_file_for_its_owner_only() {
        let path = std::env::temp_dir().join(format!("ringlb-key-log-{}", std::process::id()));
        let name = path.display().to_string();
        KeyLogFile::new(&name).write("CLIENT_RANDOM 1 2");
        KeyLogFile::new(&name).write("CLIENT_RANDOM 3 4");
        let (text, meta) = (std::fs::read_to_string(&path), std::fs::metadata(&path));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.unwrap(), "CLIENT_RANDOM 1 2\nCLIENT_RANDOM 3 4\n");
        assert_eq!(meta.unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let path = std::env::temp_dir().join(format!("ringlb-key-log-read-{}", std::process::id()));
        let name = path.display().to_string();
        assert_eq!(KeyLogFile::check(&name), Ok(()));
        for (mode, is_refused) in [(0o640, true), (0o604, true), (0o622, false), (0o600, false)] {
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let checked = KeyLogFile::check(&name);
            KeyLogFile::new(&name).write("CLIENT_RANDOM 1 2");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            assert_eq!(
                (checked.is_err(), text.is_empty()),
                (is_refused, is_refused),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_before_it_is_needed() {
        let folder = crate::scratch::Folder::new();
        let name = |name: &str| folder.path(name).display().to_string();
        folder.put("file", "");
        for (path, expected) in [
            (folder.at().display().to_string(), "is a folder"),
            (name("none/log"), "cannot be made: No such file"),
            (name("file/log"), "cannot be opened: Not a directory"),
        ] {
            let reason = KeyLogFile::check(&path).unwrap_err();
            assert!(reason.starts_with(expected), "{path}: {reason}");
        }
        assert_eq!(KeyLogFile::check(&name("log")), Ok(()));
        assert!(!folder.path("log").exists());
    }
}
