//! TLS in the simulation: one layer between what a peer says and the socket that it says it on.

pub(crate) mod certificates;
pub(crate) mod contexts;
mod end;
mod line;
pub(crate) mod plan;
pub(crate) mod scripted;
pub(crate) mod talk;

pub(crate) use contexts::{Contexts, SharedContexts};
pub(crate) use line::Line;
pub(crate) use plan::Plan;

use ringlb::config::{self, Snapshot};
use tls::Provider;

/// Compiles a configuration whose TLS draws from a provider.
#[track_caller]
pub(crate) fn load(yaml: &str, provider: &Provider) -> Snapshot {
    let document = match xds::parse(yaml) {
        Ok(document) => document,
        Err(problems) => panic!("{problems:?}\n{yaml}"),
    };
    match config::compile_with(&document.bootstrap, Some(provider.clone())) {
        Ok(snapshot) => snapshot,
        Err(problems) => panic!("{problems:?}\n{yaml}"),
    }
}
