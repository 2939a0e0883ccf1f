//! Filter chains by their conditions: a tree with a level for each kind of condition.

use super::{ChainFacts, Cidr, SourceType, Transport};
use hashbrown::HashMap;
use std::{hash::Hash, net::IpAddr};

/// `FilterChainMatch`; an empty list or `None` holds for every connection.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Conditions {
    /// `destination_port`.
    pub(in crate::config) port: Option<u16>,
    /// `prefix_ranges`.
    pub(in crate::config) destinations: Vec<Cidr>,
    /// `server_names`, in lower case: `www.example.com`, and `.example.com` for `*.example.com`.
    pub(in crate::config) names: Vec<Box<str>>,
    /// `transport_protocol`.
    pub(in crate::config) transport: Option<Transport>,
    /// `application_protocols`.
    pub(in crate::config) protocols: Vec<Box<[u8]>>,
    /// `direct_source_prefix_ranges`.
    pub(in crate::config) peers: Vec<Cidr>,
    /// `source_type`.
    pub(in crate::config) source_type: SourceType,
    /// `source_prefix_ranges`.
    pub(in crate::config) sources: Vec<Cidr>,
    /// `source_ports`.
    pub(in crate::config) source_ports: Vec<u16>,
}

impl Conditions {
    /// Whether a client's first bytes decide.
    pub(super) fn need_hello(&self) -> bool {
        !self.names.is_empty() || self.transport.is_some() || !self.protocols.is_empty()
    }
}

/// Values by a key that has to be equal, and one for all other keys.
#[derive(Debug)]
struct Keyed<K, T> {
    by_key: HashMap<K, T, foldhash::fast::RandomState>,
    other: Option<T>,
}

/// Values by a range of addresses, longest prefix first, and one for all other addresses.
#[derive(Debug)]
struct Ranges<T> {
    by_range: Vec<(Cidr, T)>,
    other: Option<T>,
}

/// Values by server name, exact or from a dot on, and one for all other names.
#[derive(Debug, Default)]
struct Names {
    by_name: Keyed<Box<str>, Transports>,
    /// Parts of `by_name` that begin with a dot.
    has_wildcards: bool,
}

#[derive(Debug, Default)]
struct SourceTypes([Option<Sources>; 3]);

type Sources = Ranges<Keyed<u16, usize>>;
type Peers = Ranges<SourceTypes>;
type Protocols = Keyed<Box<[u8]>, Peers>;
type Transports = Keyed<Transport, Protocols>;
type Ports = Keyed<u16, Ranges<Names>>;

/// The places of chains, by conditions.
#[derive(Debug, Default)]
pub(super) struct Index(Ports);

impl Index {
    /// Adds a chain.
    ///
    /// # Errors
    /// A chain with the same conditions.
    pub(super) fn add(&mut self, of: &Conditions, chain: usize) -> Result<(), usize> {
        let mut before = None;
        let port: Vec<_> = of.port.into_iter().collect();
        let transport: Vec<_> = of.transport.into_iter().collect();
        self.0.each(&port, |at| {
            at.each(&of.destinations, |names| {
                names.each(&of.names, |at| {
                    at.each(&transport, |at| {
                        at.each(&of.protocols, |at| {
                            before = before.or(add_sources(at, of, chain));
                        });
                    });
                });
            });
        });
        before.map_or(Ok(()), Err)
    }

    /// The chain of a connection.
    pub(super) fn find(&self, facts: &ChainFacts<'_>) -> Option<usize> {
        let ip = |address: std::net::SocketAddr| address.ip();
        let port = facts.destination.map(|address| address.port());
        let source = facts.source.map(ip);
        let at = self.0.find(port.as_ref())?;
        let at = at.find(facts.destination.map(ip))?;
        let at = at.find(facts.server_name)?;
        let at = at.find(Some(&facts.transport))?;
        let offered = facts.protocols.iter().find_map(|name| at.by_key.get(name));
        let at = offered.or(at.other.as_ref())?.find(source)?;
        let at = at.find(facts)?.find(source)?;
        let port = facts.source.map(|address| address.port());
        at.find(port.as_ref()).copied()
    }
}

/// The same for what is told of the source; a chain that was there before.
fn add_sources(peers: &mut Peers, of: &Conditions, chain: usize) -> Option<usize> {
    let mut before = None;
    peers.each(&of.peers, |types| {
        let sources = types.0[of.source_type as usize].get_or_insert_default();
        sources.each(&of.sources, |ports| {
            ports.put(&of.source_ports, |slot| {
                let other = slot.replace(chain).filter(|other| *other != chain);
                before = before.or(other);
            });
        });
    });
    before
}

impl<K: Hash + Eq + Clone, T> Keyed<K, T> {
    /// Shows the places of these keys, of all others if there is none.
    fn put(&mut self, keys: &[K], mut then: impl FnMut(&mut Option<T>)) {
        if keys.is_empty() {
            then(&mut self.other);
        }
        for key in keys {
            let mut slot = self.by_key.remove(key);
            then(&mut slot);
            if let Some(value) = slot {
                self.by_key.insert(key.clone(), value);
            }
        }
    }

    fn find<Q: Hash + hashbrown::Equivalent<K> + ?Sized>(&self, key: Option<&Q>) -> Option<&T> {
        let found = key.and_then(|key| self.by_key.get(key));
        found.or(self.other.as_ref())
    }
}

impl<K: Hash + Eq + Clone, T: Default> Keyed<K, T> {
    /// Shows the values of these keys.
    fn each(&mut self, keys: &[K], mut then: impl FnMut(&mut T)) {
        self.put(keys, |slot| then(slot.get_or_insert_default()));
    }
}

impl<T: Default> Ranges<T> {
    fn each(&mut self, ranges: &[Cidr], mut then: impl FnMut(&mut T)) {
        if ranges.is_empty() {
            then(self.other.get_or_insert_default());
        }
        for range in ranges {
            let known = self.by_range.iter().position(|(known, _)| known == range);
            let at = known.unwrap_or_else(|| {
                let longer = |(known, _): &(Cidr, T)| known.bits >= range.bits;
                let at = self.by_range.partition_point(longer);
                self.by_range.insert(at, (*range, T::default()));
                at
            });
            then(&mut self.by_range[at].1);
        }
    }

    fn find(&self, address: Option<IpAddr>) -> Option<&T> {
        let mut ranges = self.by_range.iter();
        let found = address.and_then(|address| ranges.find(|(range, _)| range.contains(address)));
        found.map(|(_, value)| value).or(self.other.as_ref())
    }
}

impl Names {
    fn each(&mut self, names: &[Box<str>], then: impl FnMut(&mut Transports)) {
        self.has_wildcards |= names.iter().any(|name| name.starts_with('.'));
        self.by_name.each(names, then);
    }

    fn find(&self, name: Option<&str>) -> Option<&Transports> {
        let exact = name.and_then(|name| self.by_name.by_key.get(name));
        let wildcard = || self.wildcard(name.filter(|_| self.has_wildcards)?);
        exact.or_else(wildcard).or(self.by_name.other.as_ref())
    }

    /// The longest part from a dot on that is known.
    fn wildcard(&self, name: &str) -> Option<&Transports> {
        let dots = name.match_indices('.').map(|(at, _)| at);
        let parts = dots.filter(|at| *at > 0).map(|at| &name[at..]);
        parts
            .filter(|part| part.len() > 1)
            .find_map(|part| self.by_name.by_key.get(part))
    }
}

impl SourceTypes {
    fn find(&self, facts: &ChainFacts<'_>) -> Option<&Sources> {
        let kind = match facts.is_local() {
            true => SourceType::Local,
            false => SourceType::External,
        };
        let [any, _, _] = &self.0;
        self.0[kind as usize].as_ref().or(any.as_ref())
    }
}

impl<K, T> Default for Keyed<K, T> {
    fn default() -> Self {
        Self {
            by_key: HashMap::default(),
            other: None,
        }
    }
}

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self {
            by_range: Vec::new(),
            other: None,
        }
    }
}
