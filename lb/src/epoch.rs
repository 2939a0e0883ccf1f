//! One configuration as a worker holds it.

use crate::{
    config::{ClusterConfig, FilterChain, HttpConfig, ListenerConfig, Snapshot, Terminal},
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

/// Where a connection came in: a listener, and which of its filter chains took it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The listener's index.
    pub listener: u32,
    /// The chain's index in it.
    pub chain: u32,
}

impl Epoch {
    pub(crate) fn listener(&self, index: u32) -> &ListenerConfig {
        &self.snapshot.listeners[index as usize]
    }

    pub(crate) fn chain(&self, place: Place) -> &FilterChain {
        self.listener(place.listener)
            .chains
            .get(place.chain as usize)
    }

    /// The HTTP settings of a chain that has streams.
    pub(crate) fn http(&self, place: Place) -> &Arc<HttpConfig> {
        match &self.chain(place).terminal {
            Terminal::Http(http) => http,
            Terminal::Tcp(_) => unreachable!("a TCP chain has no streams"),
        }
    }

    pub(crate) fn route(&self, place: Place, id: RouteId) -> &Route {
        &self.http(place).routes.hosts()[id.host as usize].routes[id.route as usize]
    }

    pub(crate) fn cluster(&self, index: usize) -> &ClusterConfig {
        &self.snapshot.clusters[index]
    }
}
