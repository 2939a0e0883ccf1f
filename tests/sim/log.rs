//! Access logs of played scenes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A file for a log.
pub(crate) fn file() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("ringlb-played-{}-{number}.log", process::id()))
}

/// An access log, as a field of whatever has one.
pub(crate) fn log_to(path: &Path, format: &str) -> String {
    let kind = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
    format!(
        "access_log: [{{name: l, typed_config: {{\"@type\": {kind}, path: {}, log_format: {{text_format: \"{format}\\n\"}}}}}}]",
        path.display()
    )
}

/// What was logged; the file is removed.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    fs::remove_file(path).unwrap();
    text.lines().map(str::to_owned).collect()
}
