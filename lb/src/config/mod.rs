//! Configuration: from text to the compiled, immutable [`Snapshot`] that workers run on.
//!
//! `load` reads a file, `compile` turns its message into a snapshot. Both tell every problem at once.

mod access_log;
mod chains;
mod client_cert;
mod cluster;
mod compile;
mod data;
mod fuzz;
mod http2;
mod listener;
mod quickstart;
mod route;
#[cfg(test)]
mod sample;
mod secrets;
mod snapshot;
mod timeouts;
mod tls;
mod upgrades;
mod upstream;

pub(crate) use route::{header_match, percent};

pub use chains::{ChainFacts, Cidr, FilterChains, SourceType, Transport};
pub use client_cert::{ClientCertForwarding, ForwardMode};
pub use compile::{Wrong, compile, compile_with};
pub use fuzz::fuzz_config;
pub use quickstart::{Quickstart, QuickstartError};
pub use secrets::{Outcome, SecretStats, Secrets};
pub use snapshot::{
    AccessLogConfig, ClusterConfig, CodecType, FilterChain, HttpConfig, Keepalive, ListenerConfig,
    LogTarget, ServerHeader, Snapshot, TcpConfig, Terminal, UpstreamProtocol,
};
pub use tls::{DownstreamTls, EndpointTls, Live, UpstreamTls};

use xds::{Problem, api::envoy::config::bootstrap::v3::Bootstrap};

/// A configuration as it was written, and as workers run it.
#[derive(Debug)]
pub struct Loaded {
    /// The message.
    pub bootstrap: Bootstrap,
    /// The compiled form.
    pub snapshot: Snapshot,
}

/// Reads and compiles a configuration text.
///
/// # Errors
/// Every problem, of form or of meaning, with its place.
pub fn load(text: &str) -> Result<Loaded, Vec<Problem>> {
    let document = xds::parse(text)?;
    match compile(&document.bootstrap) {
        Ok(snapshot) => Ok(Loaded {
            bootstrap: document.bootstrap,
            snapshot,
        }),
        Err(wrong) => {
            let placed = |w: &Wrong| document.problem(&w.path, w.reason.clone());
            let mut problems: Vec<_> = wrong.iter().map(placed).collect();
            problems.sort_by_key(|problem| problem.place);
            Err(problems)
        }
    }
}
