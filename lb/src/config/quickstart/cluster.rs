//! The cluster behind a listener of the short form.

use super::{QuickstartError, address, any, with_connect};
use crate::config::UpstreamProtocol;
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
            ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
        },
    },
};

/// What the endpoints of a listener speak, and their addresses.
pub(super) fn endpoints<'a>(
    listen: &str,
    tcp: bool,
    to: &'a [String],
) -> Result<(UpstreamProtocol, Vec<&'a str>), QuickstartError> {
    let (mut protocols, mut addresses) = (Vec::new(), Vec::new());
    for to in to {
        let (scheme, address) = match to.split_once("://") {
            Some((scheme, address)) if !to.starts_with("unix:") => (Some(scheme), address),
            Some(_) | None => (None, to.as_str()),
        };
        protocols.push(match scheme {
            Some(_) if tcp => {
                let reason = format!("--to {to}: a TCP listener passes bytes on, leave `://` out");
                return Err(QuickstartError(reason));
            }
            Some("h2c" | "grpc") => UpstreamProtocol::Http2,
            Some("http") | None => UpstreamProtocol::Http1,
            Some(scheme) => {
                let reason = format!("--to {to}: `{scheme}` is unknown, only http, h2c and grpc");
                return Err(QuickstartError(reason));
            }
        });
        addresses.push(address);
    }
    let first = protocols.first().copied().unwrap_or_default();
    if protocols.iter().any(|protocol| *protocol != first) {
        let reason = format!("{listen}: its endpoints have to speak the same, all h2c or all http");
        return Err(QuickstartError(reason));
    }
    Ok((first, addresses))
}

/// A cluster of these endpoints.
pub(super) fn cluster(
    name: &str,
    to: &[&str],
    protocol: UpstreamProtocol,
) -> Result<Cluster, QuickstartError> {
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
    let http2 = protocol == UpstreamProtocol::Http2;
    let http2 = http2.then(|| (UpstreamOptions::full_name(), any(&prior_knowledge())));
    Ok(Cluster {
        name: name.to_owned(),
        typed_extension_protocol_options: http2.into_iter().collect(),
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
