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
pub use quickstart::{Listen, Pair, Quickstart, QuickstartError, Upstream};
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
    /// What is allowed but surprising.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// Compiles a configuration that has no text.
    ///
    /// # Errors
    /// Every problem of meaning.
    pub fn new(bootstrap: Bootstrap) -> Result<Self, Vec<Problem>> {
        let problem = |wrong: &Wrong| Problem {
            place: None,
            path: wrong.path.clone(),
            reason: wrong.reason.clone(),
        };
        let problems = |list: &[Wrong]| list.iter().map(problem).collect::<Vec<_>>();
        let snapshot = compile(&bootstrap).map_err(|wrong| problems(&wrong))?;
        Ok(Self {
            bootstrap,
            warnings: problems(&snapshot.warnings),
            snapshot,
        })
    }
}

/// Reads and compiles a configuration text.
///
/// # Errors
/// Every problem, of form or of meaning, with its place.
pub fn load(text: &str) -> Result<Loaded, Vec<Problem>> {
    let document = xds::parse(text)?;
    let placed = |wrong: &[Wrong]| {
        let problem = |wrong: &Wrong| document.problem(&wrong.path, wrong.reason.clone());
        let mut problems: Vec<_> = wrong.iter().map(problem).collect();
        problems.sort_by_key(|problem| problem.place);
        problems
    };
    let snapshot = compile(&document.bootstrap).map_err(|wrong| placed(&wrong))?;
    let warnings = placed(&snapshot.warnings);
    Ok(Loaded {
        bootstrap: document.bootstrap,
        snapshot,
        warnings,
    })
}
