//! TLS towards clients.

use super::DownstreamTls;
use crate::config::compile::Compiler;
use prost_types::Any;
use std::sync::Arc;
use xds::api::envoy::config::listener::v3::FilterChain;

impl Compiler {
    /// `DownstreamTlsContext`.
    pub(super) fn server(
        &mut self,
        path: &str,
        _any: &Any,
        _chain: &FilterChain,
    ) -> Result<Arc<DownstreamTls>, ()> {
        self.wrong(path, "TLS is not there yet");
        Err(())
    }
}
