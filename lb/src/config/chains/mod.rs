//! The filter chains of a listener, and which of them a connection gets.

mod compile;
mod facts;
mod index;
mod surprises;
#[cfg(test)]
mod tests;

pub use facts::{ChainFacts, Cidr, SourceType, Transport};
use index::Conditions;

use super::FilterChain;
use index::Index;
use std::{sync::Arc, time::Duration};

/// `Listener.filter_chains` and `default_filter_chain`.
#[derive(Debug, Default)]
pub struct FilterChains {
    chains: Vec<Arc<FilterChain>>,
    index: Index,
    /// `default_filter_chain`.
    default: Option<usize>,
    /// The choice depends on what a client sends first: [`ChainFacts::server_name`], `transport` or `protocols`.
    pub needs_hello: bool,
    /// `listener_filters_timeout`: from the accept until the first bytes are understood; `None`: no limit.
    pub inspect_timeout: Option<Duration>,
    /// `continue_on_listener_filters_timeout`: choose by what is known then, instead of closing.
    pub continue_on_timeout: bool,
}

impl FilterChains {
    /// Adds a chain with what a connection has to be for it.
    ///
    /// # Errors
    /// The index of a chain whose conditions some connection meets as well as these.
    pub(super) fn add(
        &mut self,
        conditions: &Conditions,
        chain: Arc<FilterChain>,
    ) -> Result<(), usize> {
        self.needs_hello |= conditions.need_hello();
        self.chains.push(chain);
        self.index.add(conditions, self.chains.len() - 1)
    }

    /// Sets the chain of connections that match no other.
    pub(super) fn set_default(&mut self, chain: Arc<FilterChain>) {
        self.chains.push(chain);
        self.default = Some(self.chains.len() - 1);
    }

    /// The chain of a connection, by its place; `None`: it is to be closed.
    ///
    /// As in Envoy, destination port, destination address, server name, transport protocol, application
    /// protocols, peer address, source type, source address and source port are looked at in this order. Of
    /// each, the most specific condition that holds is taken and no other is tried later on.
    pub fn choose(&self, facts: &ChainFacts<'_>) -> Option<usize> {
        self.index.find(facts).or(self.default)
    }

    /// A chain by its place.
    ///
    /// # Panics
    /// There is none.
    pub fn get(&self, index: usize) -> &Arc<FilterChain> {
        &self.chains[index]
    }

    /// All chains; the default one is the last.
    pub fn all(&self) -> &[Arc<FilterChain>] {
        &self.chains
    }

    /// The same to be changed, as benches do.
    pub fn all_mut(&mut self) -> &mut [Arc<FilterChain>] {
        &mut self.chains
    }

    /// The first chain.
    ///
    /// # Panics
    /// There is none; a compiled listener has one.
    pub fn first_chain(&self) -> &Arc<FilterChain> {
        &self.chains[0]
    }
}
