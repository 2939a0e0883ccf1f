//! Routes: virtual hosts by authority, routes by path and headers. Pure.

mod limits;
mod matching;
mod upgrades;

pub use limits::{GrpcTimeout, TimeLimits};
pub use matching::{
    ClientCert, ClientCertMatch, HeaderMatch, PathMatch, Percent, RouteMatch, StringKind,
    StringMatch,
};
pub use upgrades::Upgrades;

use crate::{filter::HttpChainConfig, stream::RouteId};
use codecs::Head;
use hashbrown::HashMap;
use std::{sync::Arc, time::Duration};

/// `envoy.config.route.v3.RouteConfiguration`, compiled.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// `name`.
    pub name: String,
    hosts: Vec<VirtualHost>,
    exact: Domains,
    /// `*.example.com`, kept as `.example.com`.
    suffixes: Wildcards,
    /// `example.*`, kept as `example.`.
    prefixes: Wildcards,
    any: Option<usize>,
}

/// Virtual hosts by domain, or by the fixed part of one.
type Domains = HashMap<Vec<u8>, usize, foldhash::fast::FixedState>;

/// Domains with a wildcard. However many there are, one look-up for each length that occurs finds the
/// longest part, and only where the name has a byte at which parts end towards their wildcard: mostly
/// `.` only.
#[derive(Debug, Default)]
struct Wildcards {
    parts: Domains,
    /// The lengths of all parts, longest first.
    lengths: Vec<usize>,
    /// Their bytes next to the wildcard, each once.
    edges: Vec<u8>,
}

/// `envoy.config.route.v3.VirtualHost`.
#[derive(Debug, Default)]
pub struct VirtualHost {
    /// `name`.
    pub name: String,
    /// `routes`, the first that matches wins.
    pub routes: Vec<Arc<Route>>,
}

/// `envoy.config.route.v3.Route`.
#[derive(Debug)]
pub struct Route {
    /// `name`, may be empty.
    pub name: String,
    /// `match`.
    pub condition: RouteMatch,
    /// `route`, `direct_response` …
    pub action: Action,
    /// The HTTP filters with this route's, its virtual host's and the listener's configs merged.
    pub filters: HttpChainConfig,
}

impl Route {
    /// Whether a request may ask for an upgrade to this protocol; case does not count.
    pub fn allows_upgrade(&self, name: &[u8]) -> bool {
        match &self.action {
            Action::Direct { .. } => false,
            Action::Forward(forward) => forward.upgrades.allows(name),
        }
    }
}

/// What is done with a request that matched.
#[derive(Clone, Debug)]
pub enum Action {
    /// `direct_response`.
    Direct {
        /// `status`.
        status: u16,
        /// `body`.
        body: Arc<[u8]>,
    },
    /// `route`.
    Forward(Forward),
}

/// `envoy.config.route.v3.RouteAction`.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    /// The cluster's index.
    pub cluster: usize,
    /// `timeout`: from the end of the request to the end of the answer; `None`: no limit.
    pub timeout: Option<Duration>,
    /// `max_stream_duration`: from the request's head to the end of its stream; `None`: no limit.
    pub max_stream_duration: Option<Duration>,
    /// `max_stream_duration.grpc_timeout_header_max` or `max_grpc_timeout`.
    pub grpc: GrpcTimeout,
    /// `upgrade_configs`, over the listener's.
    pub upgrades: Upgrades,
    /// `idle_timeout`: overrides the listener's `stream_idle_timeout`.
    pub idle_timeout: Option<Option<Duration>>,
    /// `retry_policy`.
    pub retry: RetryPolicy,
    /// `prefix_rewrite`: replaces the matched prefix or path; empty: none.
    pub prefix_rewrite: Vec<u8>,
    /// `host_rewrite_literal`; empty: none.
    pub host_rewrite: Vec<u8>,
}

/// `envoy.config.route.v3.RetryPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `num_retries`; 0: no retry.
    pub retries: u32,
    /// `connect-failure`.
    pub on_connect_failure: bool,
    /// `reset`, and `reset-before-request`.
    pub on_reset: bool,
    /// `reset-before-request`: no byte of the request had left.
    pub on_unsent: bool,
    /// `5xx`; includes resets.
    pub on_5xx: bool,
    /// `gateway-error`: 502, 503, 504.
    pub on_gateway_error: bool,
    /// `per_try_timeout`.
    pub per_try_timeout: Option<Duration>,
}

/// Why a route table cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainClash(pub String);

impl RouteTable {
    /// Compiles virtual hosts with their domains.
    ///
    /// # Errors
    /// A domain stands in two virtual hosts.
    pub fn new(name: String, hosts: Vec<(VirtualHost, Vec<String>)>) -> Result<Self, DomainClash> {
        let mut table = Self {
            name,
            ..Self::default()
        };
        for (index, (host, domains)) in hosts.into_iter().enumerate() {
            table.hosts.push(host);
            for domain in domains {
                table.add_domain(&domain.to_ascii_lowercase(), index)?;
            }
        }
        Ok(table)
    }

    /// A table of one virtual host for all authorities.
    pub fn single(routes: Vec<Arc<Route>>) -> Self {
        let hosts = vec![VirtualHost {
            name: "default".into(),
            routes,
        }];
        Self {
            hosts,
            any: Some(0),
            ..Self::default()
        }
    }

    fn add_domain(&mut self, domain: &str, host: usize) -> Result<(), DomainClash> {
        let clash = || Err(DomainClash(domain.to_owned()));
        if domain == "*" {
            return if self.any.replace(host).is_some() {
                clash()
            } else {
                Ok(())
            };
        }
        let before = if let Some(suffix) = domain.strip_prefix('*') {
            let suffix = suffix.as_bytes();
            self.suffixes.insert(suffix, suffix.first(), host)
        } else if let Some(prefix) = domain.strip_suffix('*') {
            let prefix = prefix.as_bytes();
            self.prefixes.insert(prefix, prefix.last(), host)
        } else {
            self.exact.insert(domain.as_bytes().to_vec(), host)
        };
        if before.is_some() { clash() } else { Ok(()) }
    }

    /// The first route that matches a request of a client with this certificate; `dice` gives a number
    /// in `0..bound` for `runtime_fraction`.
    pub fn find(
        &self,
        head: &Head,
        cert: ClientCert,
        dice: &mut dyn FnMut(u64) -> u64,
    ) -> Option<RouteId> {
        let host = self.host_index(head.authority())?;
        let routes = &self.hosts[host].routes;
        let route = routes
            .iter()
            .position(|route| route.condition.matches(head, cert, dice))?;
        Some(RouteId {
            host: u32::try_from(host).ok()?,
            route: u32::try_from(route).ok()?,
        })
    }

    /// The virtual host of an authority: exact, then the longest suffix, then the longest prefix, then
    /// `*`. The port is part of the authority, as in Envoy; a domain without one matches any port.
    pub fn host(&self, authority: &[u8]) -> Option<&VirtualHost> {
        self.hosts.get(self.host_index(authority)?)
    }

    fn host_index(&self, authority: &[u8]) -> Option<usize> {
        if !self.has_names() {
            return self.any;
        }
        let lower;
        let authority = if authority.iter().any(u8::is_ascii_uppercase) {
            lower = authority.to_ascii_lowercase();
            &lower
        } else {
            authority
        };
        self.named(authority).or(self.any)
    }

    fn has_names(&self) -> bool {
        let wildcards = [&self.suffixes, &self.prefixes];
        !self.exact.is_empty() || wildcards.iter().any(|kind| !kind.parts.is_empty())
    }

    fn named(&self, authority: &[u8]) -> Option<usize> {
        let name = without_port(authority);
        let has_port = name.len() < authority.len();
        let exact = self.exact.get(authority);
        exact
            .or_else(|| has_port.then(|| self.exact.get(name))?)
            .or_else(|| {
                let suffix = |len| &name[name.len() - len..];
                self.suffixes.find(name, suffix, <[u8]>::first)
            })
            .or_else(|| self.prefixes.find(name, |len| &name[..len], <[u8]>::last))
            .copied()
    }

    /// All virtual hosts.
    pub fn hosts(&self) -> &[VirtualHost] {
        &self.hosts
    }
}

impl Wildcards {
    /// Adds a part; the virtual host that had it before.
    fn insert(&mut self, part: &[u8], edge: Option<&u8>, host: usize) -> Option<usize> {
        if let Some(edge) = edge.filter(|edge| !self.edges.contains(edge)) {
            self.edges.push(*edge);
        }
        let at = self.lengths.partition_point(|len| *len > part.len());
        if self.lengths.get(at) != Some(&part.len()) {
            self.lengths.insert(at, part.len());
        }
        self.parts.insert(part.to_vec(), host)
    }

    /// The virtual host of the longest part that `cut` finds in a name; a wildcard stands for at least
    /// one byte.
    fn find<'a>(
        &self,
        name: &[u8],
        cut: impl Fn(usize) -> &'a [u8],
        edge: impl Fn(&'a [u8]) -> Option<&'a u8>,
    ) -> Option<&usize> {
        let lengths = self.lengths.iter().filter(|len| **len < name.len());
        lengths
            .map(|len| cut(*len))
            .filter(|part| edge(part).is_some_and(|byte| self.edges.contains(byte)))
            .find_map(|part| self.parts.get(part))
    }
}

fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if authority[colon + 1..].iter().all(u8::is_ascii_digit) => &authority[..colon],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> VirtualHost {
        VirtualHost {
            name: name.into(),
            routes: Vec::new(),
        }
    }

    fn table(domains: &[(&str, &[&str])]) -> Result<RouteTable, DomainClash> {
        let owned = |list: &[&str]| list.iter().map(|d| (*d).to_owned()).collect();
        let hosts = domains
            .iter()
            .map(|(name, list)| (host(name), owned(list)))
            .collect();
        RouteTable::new("t".into(), hosts)
    }

    #[test]
    fn an_authority_finds_the_most_special_virtual_host() {
        let table = table(&[
            ("exact", &["www.example.com", "other.com:8080"]),
            ("suffix", &["*.example.com"]),
            ("longer", &["*.api.example.com"]),
            ("dash", &["*-api.example.org"]),
            ("prefix", &["www.*"]),
            ("any", &["*"]),
        ])
        .unwrap();
        for (authority, expected) in [
            ("www.example.com", "exact"),
            ("WWW.Example.com:80", "exact"),
            ("other.com:8080", "exact"),
            ("other.com:8081", "any"),
            ("a.example.com", "suffix"),
            ("a.api.example.com", "longer"),
            ("www.example.org", "prefix"),
            ("a-api.example.org", "dash"),
            ("-api.example.org", "any"),
            (".example.com", "any"),
            ("", "any"),
            ("[::1]:80", "any"),
        ] {
            let found = table.host(authority.as_bytes()).unwrap();
            assert_eq!(found.name, expected, "{authority}");
        }
    }

    #[test]
    fn a_domain_in_two_hosts_is_an_error() {
        let clash = table(&[("a", &["x.com"]), ("b", &["X.com"])]).err();
        assert_eq!(clash, Some(DomainClash("x.com".into())));
        assert!(table(&[("a", &["*"]), ("b", &["*"])]).is_err());
        assert!(table(&[("a", &["*.x"]), ("b", &["*.x"])]).is_err());
    }
}
