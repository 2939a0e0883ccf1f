//! One configuration as a worker holds it.

use crate::{
    config::{ClusterConfig, HttpConfig, ListenerConfig, Snapshot, Terminal},
    route::Route,
    stream::RouteId,
};
use std::sync::Arc;

/// One configuration as a worker holds it; streams keep theirs to their end.
#[derive(Debug)]
pub struct Epoch {
    /// The compiled configuration.
    pub snapshot: Arc<Snapshot>,
}

impl Epoch {
    pub(crate) fn listener(&self, index: usize) -> &ListenerConfig {
        &self.snapshot.listeners[index]
    }

    /// The HTTP settings of a listener that has streams.
    pub(crate) fn http(&self, index: usize) -> &Arc<HttpConfig> {
        match &self.listener(index).chains.only_chain().terminal {
            Terminal::Http(http) => http,
            Terminal::Tcp(_) => unreachable!("a TCP listener has no streams"),
        }
    }

    pub(crate) fn route(&self, listener: usize, id: RouteId) -> &Route {
        &self.http(listener).routes.hosts()[id.host as usize].routes[id.route as usize]
    }

    pub(crate) fn cluster(&self, index: usize) -> &ClusterConfig {
        &self.snapshot.clusters[index]
    }
}
