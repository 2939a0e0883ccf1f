//! TLS towards endpoints.

use super::UpstreamTls;
use crate::config::{UpstreamProtocol, compile::Compiler};
use prost_types::Any;
use std::sync::Arc;

impl Compiler {
    /// `UpstreamTlsContext`.
    pub(super) fn client(
        &mut self,
        path: &str,
        _any: &Any,
        _protocol: UpstreamProtocol,
    ) -> Option<Arc<UpstreamTls>> {
        self.wrong(path, "TLS is not there yet");
        None
    }
}
