//! Routes: virtual hosts by authority, routes by path and headers. Pure.

mod matching;

pub use matching::{HeaderMatch, PathMatch, Percent, RouteMatch, StringKind, StringMatch};

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
    exact: HashMap<Vec<u8>, usize, foldhash::fast::FixedState>,
    /// `*.example.com`, kept as `.example.com`, longest first.
    suffixes: Vec<(Vec<u8>, usize)>,
    /// `example.*`, kept as `example.`, longest first.
    prefixes: Vec<(Vec<u8>, usize)>,
    any: Option<usize>,
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
#[derive(Clone, Debug)]
pub struct Forward {
    /// The cluster's index.
    pub cluster: usize,
    /// `timeout`: from the end of the request to the end of the answer; `None`: no limit.
    pub timeout: Option<Duration>,
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
        table
            .suffixes
            .sort_by_key(|(domain, _)| std::cmp::Reverse(domain.len()));
        table
            .prefixes
            .sort_by_key(|(domain, _)| std::cmp::Reverse(domain.len()));
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
        let (list, part) = if let Some(suffix) = domain.strip_prefix('*') {
            (&mut self.suffixes, suffix)
        } else if let Some(prefix) = domain.strip_suffix('*') {
            (&mut self.prefixes, prefix)
        } else {
            let before = self.exact.insert(domain.as_bytes().to_vec(), host);
            return if before.is_some() { clash() } else { Ok(()) };
        };
        if list.iter().any(|(other, _)| other == part.as_bytes()) {
            return clash();
        }
        list.push((part.as_bytes().to_vec(), host));
        Ok(())
    }

    /// The first route that matches a request; `dice` gives a number in `0..bound` for
    /// `runtime_fraction`.
    pub fn find(&self, head: &Head, dice: &mut dyn FnMut(u64) -> u64) -> Option<RouteId> {
        let host = self.host_index(head.authority())?;
        let routes = &self.hosts[host].routes;
        let route = routes
            .iter()
            .position(|route| route.condition.matches(head, dice))?;
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
        let lower;
        let authority = if authority.iter().any(u8::is_ascii_uppercase) {
            lower = authority.to_ascii_lowercase();
            &lower
        } else {
            authority
        };
        self.named(authority).or(self.any)
    }

    fn named(&self, authority: &[u8]) -> Option<usize> {
        if self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty() {
            return None;
        }
        let name = without_port(authority);
        let longer = |part: &[u8]| name.len() > part.len();
        let suffix = |(part, _): &&(Vec<u8>, usize)| longer(part) && name.ends_with(part);
        let prefix = |(part, _): &&(Vec<u8>, usize)| longer(part) && name.starts_with(part);
        let exact = self
            .exact
            .get(authority)
            .or_else(|| self.exact.get(name))
            .copied();
        exact
            .or_else(|| self.suffixes.iter().find(suffix).map(|(_, host)| *host))
            .or_else(|| self.prefixes.iter().find(prefix).map(|(_, host)| *host))
    }

    /// All virtual hosts.
    pub fn hosts(&self) -> &[VirtualHost] {
        &self.hosts
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
