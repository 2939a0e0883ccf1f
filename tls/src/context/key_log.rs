//! Key logs, in the format of NSS.

use crate::{KeyLog, facts::hex};
use std::{fmt, sync::Arc};

/// Writes what rustls logs as lines.
pub(super) struct Lines(pub(super) Arc<dyn KeyLog>);

impl rustls::KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.0
            .write(&format!("{label} {} {}", hex(client_random), hex(secret)));
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

/// For a configuration of rustls.
pub(super) fn bridge(log: Option<&Arc<dyn KeyLog>>) -> Arc<dyn rustls::KeyLog> {
    match log {
        Some(log) => Arc::new(Lines(log.clone())),
        None => Arc::new(rustls::NoKeyLog {}),
    }
}
