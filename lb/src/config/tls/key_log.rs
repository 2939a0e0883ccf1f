//! The secrets of sessions in a file, for tools that look into recorded connections.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// `envoy.extensions.transport_sockets.tls.v3.TlsKeyLog`: a file that is opened to append at the first line.
pub(super) struct KeyLogFile {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl KeyLogFile {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            file: Mutex::default(),
        }
    }
}

impl tls::KeyLog for KeyLogFile {
    fn write(&self, line: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            // Nobody else may read it.
            let opened = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&self.path);
            *file = opened.ok();
        }
        if let Some(file) = &mut *file {
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
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("ringlb-key-log-{}", std::process::id()));
        let name = path.display().to_string();
        KeyLogFile::new(&name).write("CLIENT_RANDOM 1 2");
        KeyLogFile::new(&name).write("CLIENT_RANDOM 3 4");
        let (text, meta) = (std::fs::read_to_string(&path), std::fs::metadata(&path));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.unwrap(), "CLIENT_RANDOM 1 2\nCLIENT_RANDOM 3 4\n");
        assert_eq!(meta.unwrap().permissions().mode() & 0o777, 0o600);
    }
}
