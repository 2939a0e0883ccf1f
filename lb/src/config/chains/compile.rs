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
        match tls.as_ref()? {
            Some(tls) => self.check_chain_alpn(path, &tls.alpn, &terminal),
            None => self.check_plain(path, from, &terminal),
        }
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

#[cfg(test)]
mod tests {
    use crate::config::{
        ChainFacts,
        sample::{CHAIN, Sample},
    };
    use std::time::Duration;

    const TCP: &str = "filters: [{typed_config: \
        {\"@type\": x/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}]";

    #[test]
    fn a_listener_has_any_number_of_chains() {
        let chains = format!(
            "{{name: sni, filter_chain_match: {{server_names: [\"*.A.test.\", b.test]}}, {TCP}}}"
        );
        let listener = format!(
            "default_filter_chain: {{name: other, {TCP}}}, listener_filters_timeout: 0s, \
             continue_on_listener_filters_timeout: true"
        );
        let sample = Sample {
            chain: "name: plain, filter_chain_match: {transport_protocol: raw_buffer}",
            chains: &chains,
            listener: &listener,
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let chains = &snapshot.listeners[0].chains;
        assert!(chains.needs_hello && chains.continue_on_timeout);
        assert_eq!(chains.inspect_timeout, None);
        let names: Vec<_> = chains.all().iter().map(|chain| &*chain.name).collect();
        assert_eq!(names, ["plain", "sni", "other"]);
        for (name, expected) in [
            (None, Some(0)),
            (Some("x.a.test"), Some(1)),
            (Some("b.test"), Some(1)),
            (Some("c.test"), Some(0)),
        ] {
            let facts = ChainFacts {
                server_name: name,
                ..ChainFacts::default()
            };
            assert_eq!(chains.choose(&facts), expected, "{name:?}");
        }
    }

    #[test]
    fn one_chain_without_a_condition_needs_no_look_at_the_client() {
        let inspector = "listener_filters: [{typed_config: \
             {\"@type\": x/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]";
        for listener in ["", inspector] {
            let sample = Sample {
                listener,
                ..Sample::default()
            };
            let snapshot = sample.loaded().snapshot;
            let chains = &snapshot.listeners[0].chains;
            assert!(!chains.needs_hello, "{listener}");
            assert_eq!(chains.inspect_timeout, Some(Duration::from_secs(15)));
        }
    }

    #[test]
    fn what_is_wrong_with_a_condition_is_told() {
        let condition = format!("{CHAIN}.filter_chain_match");
        for (fields, path) in [
            ("destination_port: 0", "destination_port"),
            ("source_ports: [1, 65536]", "source_ports[1]"),
            (
                "prefix_ranges: [{address_prefix: x}]",
                "prefix_ranges[0].address_prefix",
            ),
            (
                "source_prefix_ranges: [{address_prefix: 1.2.3.4, prefix_len: 33}]",
                "source_prefix_ranges[0].prefix_len",
            ),
            ("server_names: [\"a.*\"]", "server_names[0]"),
            ("server_names: [\"*\"]", "server_names[0]"),
            ("server_names: [a.test, \"\"]", "server_names[1]"),
            ("server_names: [.a.test]", "server_names[0]"),
            ("transport_protocol: quic", "transport_protocol"),
            ("application_protocols: [\"\"]", "application_protocols[0]"),
        ] {
            let chain = format!("filter_chain_match: {{{fields}}}");
            let sample = Sample {
                chain: &chain,
                ..Sample::default()
            };
            let problems = sample.problems();
            assert_eq!(problems.len(), 1, "{fields}: {problems:?}");
            assert!(
                problems[0].starts_with(&format!("{condition}.{path}: ")),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn chains_that_cannot_be_told_apart_are_refused() {
        let second = |fields: &str| format!("{{name: two, {fields} {TCP}}}");
        for (chain, chains, listener, path) in [
            (
                "",
                second(""),
                "",
                "filter_chains[1].filter_chain_match: `filter_chains[0]`",
            ),
            (
                "name: two",
                second("filter_chain_match: {destination_port: 1},"),
                "",
                "filter_chains[1].name",
            ),
            (
                "",
                String::new(),
                "default_filter_chain: {filter_chain_match: {}, filters: []}",
                "default_filter_chain.filter_chain_match",
            ),
            (
                "",
                String::new(),
                "listener_filters: [{typed_config: {\"@type\": x/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}]",
                "listener_filters[0].typed_config",
            ),
            (
                "",
                String::new(),
                "listener_filters: [{name: x}]",
                "listener_filters[0].typed_config: is missing",
            ),
        ] {
            let sample = Sample {
                chain,
                chains: &chains,
                listener,
                ..Sample::default()
            };
            let problems = sample.problems();
            let told = format!("static_resources.listeners[0].{path}");
            assert!(problems[0].starts_with(&told), "{problems:?}");
        }
    }

    #[test]
    fn what_is_surprising_is_told() {
        let chain =
            "transport_socket_connect_timeout: 1s, filter_chain_match: {server_names: [a.test]}";
        let sample = Sample {
            chain,
            ..Sample::default()
        };
        let warnings = sample.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.starts_with(CHAIN)));
    }
}
