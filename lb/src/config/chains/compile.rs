//! The filter chains of a listener: from messages to their index.

use super::{Cidr, Conditions, FilterChains, SourceType, Transport};
use crate::config::{
    FilterChain,
    compile::{Compiler, at},
};
use std::{collections::HashSet, net::IpAddr, sync::Arc, time::Duration};
use xds::api::envoy::config::{
    core::v3::CidrRange,
    listener::v3::{
        self as api, FilterChainMatch, Listener, filter_chain_match::ConnectionSourceType,
        listener_filter,
    },
};

const TLS_INSPECTOR: &str = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
const FIFTEEN: Option<Duration> = Some(Duration::from_secs(15));

impl Compiler {
    /// The filter chains of a listener.
    pub(in crate::config) fn chains(
        &mut self,
        path: &str,
        from: &Listener,
    ) -> Option<FilterChains> {
        let timeout_path = format!("{path}.listener_filters_timeout");
        let timeout = from.listener_filters_timeout.as_ref();
        let mut chains = FilterChains {
            inspect_timeout: self.timeout(&timeout_path, timeout, FIFTEEN),
            continue_on_timeout: from.continue_on_listener_filters_timeout,
            ..FilterChains::default()
        };
        let mut is_whole = self.check_chains(path, from);
        for (index, chain) in from.filter_chains.iter().enumerate() {
            let path = at(&format!("{path}.filter_chains"), index);
            is_whole &= self.add_chain(&mut chains, &path, chain).is_some();
        }
        if let Some(chain) = &from.default_filter_chain {
            let path = format!("{path}.default_filter_chain");
            if chain.filter_chain_match.is_some() {
                let path = format!("{path}.filter_chain_match");
                self.wrong(&path, "the default chain cannot have a condition");
            }
            let chain = self.chain(&path, chain);
            is_whole &= chain.is_some();
            chain
                .into_iter()
                .for_each(|chain| chains.set_default(chain));
        }
        let is_mixed = chains.all().iter().any(|chain| chain.tls.is_some())
            && chains.all().iter().any(|chain| chain.tls.is_none());
        let inspects = self.listener_filters(path, &from.listener_filters);
        chains.needs_hello |= inspects && is_mixed;
        is_whole.then_some(chains)
    }

    fn check_chains(&mut self, path: &str, from: &Listener) -> bool {
        let list = format!("{path}.filter_chains");
        let mut names = HashSet::new();
        for (index, chain) in from.filter_chains.iter().enumerate() {
            if !chain.name.is_empty() && !names.insert(&chain.name) {
                let reason = format!("`{}` is already used", chain.name);
                self.wrong(&format!("{}.name", at(&list, index)), reason);
            }
        }
        let is_there = !from.filter_chains.is_empty() || from.default_filter_chain.is_some();
        if !is_there {
            self.wrong(&list, "there has to be one");
        }
        is_there
    }

    /// Whether what clients offer is asked for.
    fn listener_filters(&mut self, path: &str, from: &[api::ListenerFilter]) -> bool {
        let mut inspects = false;
        for (index, filter) in from.iter().enumerate() {
            let path = format!("{path}.listener_filters[{index}].typed_config");
            let Some(listener_filter::ConfigType::TypedConfig(any)) = &filter.config_type else {
                self.wrong(&path, "is missing");
                continue;
            };
            match xds::type_name(&any.type_url) {
                TLS_INSPECTOR => inspects = true,
                other => self.wrong(&path, format!("`{other}` is not a listener filter")),
            }
        }
        inspects
    }

    fn add_chain(
        &mut self,
        chains: &mut FilterChains,
        path: &str,
        from: &api::FilterChain,
    ) -> Option<()> {
        let conditions = self.conditions(path, from.filter_chain_match.as_ref());
        let chain = self.chain(path, from)?;
        if let Err(other) = chains.add(&conditions, chain) {
            let reason = format!("`filter_chains[{other}]` is for the same connections");
            self.wrong(&format!("{path}.filter_chain_match"), reason);
        }
        Some(())
    }

    fn chain(&mut self, path: &str, from: &api::FilterChain) -> Option<Arc<FilterChain>> {
        let tls = self.downstream_tls(path, from).ok();
        let terminal = self.terminal(path, from)?;
        Some(Arc::new(FilterChain {
            name: from.name.clone(),
            tls: tls?,
            terminal,
        }))
    }

    fn conditions(&mut self, path: &str, from: Option<&FilterChainMatch>) -> Conditions {
        let Some(from) = from else {
            return Conditions::default();
        };
        let field = |name: &str| format!("{path}.filter_chain_match.{name}");
        let port = from
            .destination_port
            .map(|port| self.port(&field("destination_port"), port));
        let source_ports = from.source_ports.iter().enumerate();
        Conditions {
            port,
            destinations: self.ranges(&field("prefix_ranges"), &from.prefix_ranges),
            names: self.server_names(&field("server_names"), &from.server_names),
            transport: self.transport(&field("transport_protocol"), &from.transport_protocol),
            protocols: self.protocols(&field("application_protocols"), &from.application_protocols),
            peers: self.ranges(
                &field("direct_source_prefix_ranges"),
                &from.direct_source_prefix_ranges,
            ),
            source_type: match from.source_type() {
                ConnectionSourceType::Any => SourceType::Any,
                ConnectionSourceType::SameIpOrLoopback => SourceType::Local,
                ConnectionSourceType::External => SourceType::External,
            },
            sources: self.ranges(&field("source_prefix_ranges"), &from.source_prefix_ranges),
            source_ports: source_ports
                .map(|(i, port)| self.port(&at(&field("source_ports"), i), *port))
                .collect(),
        }
    }

    fn port(&mut self, path: &str, port: u32) -> u16 {
        let port = self.number(path, Some(port), 1, 1..=u32::from(u16::MAX));
        u16::try_from(port).unwrap_or(u16::MAX)
    }

    fn ranges(&mut self, path: &str, from: &[CidrRange]) -> Vec<Cidr> {
        let mut ranges = Vec::with_capacity(from.len());
        for (index, range) in from.iter().enumerate() {
            let path = at(path, index);
            let Ok(base) = range.address_prefix.parse::<IpAddr>() else {
                let reason = format!("`{}` is not an IP address", range.address_prefix);
                self.wrong(&format!("{path}.address_prefix"), reason);
                continue;
            };
            match Cidr::new(base, range.prefix_len.unwrap_or(0)) {
                Some(range) => ranges.push(range),
                None => self.wrong(&format!("{path}.prefix_len"), "the address has fewer bits"),
            }
        }
        ranges
    }

    fn server_names(&mut self, path: &str, from: &[String]) -> Vec<Box<str>> {
        let mut names = Vec::with_capacity(from.len());
        for (index, name) in from.iter().enumerate() {
            let lower = name.to_ascii_lowercase();
            let lower = lower.strip_suffix('.').unwrap_or(&lower);
            let part = lower.strip_prefix('*').unwrap_or(lower);
            let is_wildcard = part.len() < lower.len();
            let begins_well = part.starts_with('.') == is_wildcard;
            if part.is_empty() || part.contains('*') || !begins_well {
                let reason = format!("`{name}` is neither `www.example.com` nor `*.example.com`");
                self.wrong(&at(path, index), reason);
            }
            names.push(part.into());
        }
        names
    }

    fn transport(&mut self, path: &str, from: &str) -> Option<Transport> {
        match from {
            "" => None,
            "raw_buffer" => Some(Transport::RawBuffer),
            "tls" => Some(Transport::Tls),
            other => {
                self.wrong(
                    path,
                    format!("`{other}` is unknown, only tls and raw_buffer"),
                );
                None
            }
        }
    }

    /// ALPN's names of protocols, RFC 7301 §3.1.
    pub(in crate::config) fn protocols(&mut self, path: &str, from: &[String]) -> Vec<Box<[u8]>> {
        for (index, name) in from.iter().enumerate() {
            if !(1..=255).contains(&name.len()) {
                self.wrong(&at(path, index), "1 to 255 bytes are allowed");
            }
        }
        let bytes = |name: &String| name.as_bytes().into();
        from.iter().map(bytes).collect()
    }
}
