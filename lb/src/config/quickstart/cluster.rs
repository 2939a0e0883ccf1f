//! The cluster behind a listener of the short form.

use super::{Listen, QuickstartError, address, any, tls, with_connect};
use prost::Name;
use xds::api::envoy::{
    config::{
        cluster::v3::{CircuitBreakers, Cluster, circuit_breakers::Thresholds, cluster},
        endpoint::v3::{
            ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
            lb_endpoint::HostIdentifier,
        },
    },
    extensions::upstreams::http::v3::{
        HttpProtocolOptions as UpstreamOptions,
        http_protocol_options::{
            AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions,
            explicit_http_config::ProtocolConfig,
        },
    },
};

/// What the endpoints of a listener speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    /// Bytes.
    Tcp { tls: bool },
    /// HTTP/1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// HTTP over TLS, of the version that ALPN agrees on.
    Https,
}

/// What the endpoints of a listener speak, and their addresses.
fn endpoints(listen: &Listen, is_http: bool) -> Result<(Speech, Vec<&str>), QuickstartError> {
    let (mut found, mut addresses) = (Vec::new(), Vec::new());
    for to in &listen.to {
        let (scheme, address) = match to.split_once("://") {
            Some((scheme, address)) if !to.starts_with("unix:") => (Some(scheme), address),
            Some(_) | None => (None, to.as_str()),
        };
        found.push(match (scheme, is_http) {
            (None, false) => Speech::Tcp { tls: false },
            (Some("tls"), false) => Speech::Tcp { tls: true },
            (Some(scheme), false) => {
                let reason = format!(
                    "--to {to}: `{scheme}` is not for a TCP listener, which passes bytes on; only tls is"
                );
                return Err(QuickstartError(reason));
            }
            (Some("h2c" | "grpc"), true) => Speech::Http2,
            (Some("http") | None, true) => Speech::Http1,
            (Some("https"), true) => Speech::Https,
            (Some(scheme), true) => {
                let reason =
                    format!("--to {to}: `{scheme}` is unknown, only http, https, h2c and grpc");
                return Err(QuickstartError(reason));
            }
        });
        addresses.push(address);
    }
    let first = found.first().copied().unwrap_or(Speech::Http1);
    if found.iter().any(|speech| *speech != first) {
        let at = &listen.at;
        let reason = format!("{at}: its endpoints have to speak the same: all https, h2c, http …");
        return Err(QuickstartError(reason));
    }
    Ok((first, addresses))
}

/// The cluster of a listener.
pub(super) fn cluster(
    name: &str,
    listen: &Listen,
    is_http: bool,
) -> Result<Cluster, QuickstartError> {
    let (speech, to) = endpoints(listen, is_http)?;
    let mut endpoints = Vec::new();
    for to in to {
        if to.starts_with(':') {
            return Err(QuickstartError(format!(
                "--to {to}: an endpoint needs an address"
            )));
        }
        let endpoint = Endpoint {
            address: Some(address(to)?),
            hostname: String::new(),
        };
        let host_identifier = Some(HostIdentifier::Endpoint(endpoint));
        endpoints.push(LbEndpoint {
            host_identifier,
            ..LbEndpoint::default()
        });
    }
    // A dead endpoint makes many requests try another at once; the default limit is for failing answers.
    let thresholds = Thresholds {
        max_retries: Some(u32::MAX),
        ..Thresholds::default()
    };
    let options = match speech {
        Speech::Http2 => Some(prior_knowledge()),
        Speech::Https => Some(by_alpn()),
        Speech::Http1 | Speech::Tcp { .. } => None,
    };
    let options = options.map(|options| (UpstreamOptions::full_name(), any(&options)));
    let is_tls = matches!(speech, Speech::Https | Speech::Tcp { tls: true });
    Ok(Cluster {
        name: name.to_owned(),
        typed_extension_protocol_options: options.into_iter().collect(),
        transport_socket: tls::upstream(listen, is_tls)?,
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![thresholds],
        }),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Static.into(),
        )),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: endpoints,
            }],
        }),
        ..Cluster::default()
    })
}

/// HTTP/2 towards endpoints, upgrades included.
fn prior_knowledge() -> UpstreamOptions {
    let protocol_config = ProtocolConfig::Http2ProtocolOptions(with_connect());
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(protocol_config),
    };
    UpstreamOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..UpstreamOptions::default()
    }
}

/// The version that ALPN agrees on, upgrades included.
fn by_alpn() -> UpstreamOptions {
    let auto = AutoHttpConfig {
        http2_protocol_options: Some(with_connect()),
        ..AutoHttpConfig::default()
    };
    UpstreamOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::AutoConfig(auto)),
        ..UpstreamOptions::default()
    }
}
