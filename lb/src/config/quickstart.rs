//! The command line's short form, `--listen … --to …`, as the configuration it stands for.

use super::UpstreamProtocol;
use prost::{Message, Name};
use prost_types::{Any, Duration};
use std::{fmt, net::SocketAddr};
use xds::api::envoy::{
    config::{
        bootstrap::v3::{Admin, Bootstrap, bootstrap::StaticResources},
        cluster::v3::{CircuitBreakers, Cluster, circuit_breakers::Thresholds, cluster},
        core::v3::{
            Address, Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions, Pipe,
            SocketAddress, address::Address as Where, socket_address::PortSpecifier,
        },
        endpoint::v3::{
            ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
            lb_endpoint::HostIdentifier,
        },
        listener::v3::{Filter, FilterChain, Listener, filter::ConfigType},
        route::v3::{
            RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
            route::Action, route_action::ClusterSpecifier, route_match::PathSpecifier,
        },
    },
    extensions::{
        filters::{
            http::router::v3::Router,
            network::{
                http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter,
                    http_connection_manager::{RouteSpecifier, UpgradeConfig},
                    http_filter::ConfigType as HttpConfigType,
                },
                tcp_proxy::v3::{TcpProxy, tcp_proxy},
            },
        },
        upstreams::http::v3::{
            HttpProtocolOptions as UpstreamOptions,
            http_protocol_options::{
                ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
            },
        },
    },
};

/// What `ringlb run --listen … --to …` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quickstart {
    /// Each address to listen on with the endpoints behind it.
    pub listeners: Vec<(String, Vec<String>)>,
    /// Where the admin interface listens.
    pub admin: Option<SocketAddr>,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickstartError(pub String);

impl fmt::Display for QuickstartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QuickstartError {}

impl Quickstart {
    /// The configuration that the short form stands for.
    ///
    /// # Errors
    /// An address that cannot be read, or a listener without endpoints.
    pub fn bootstrap(&self) -> Result<Bootstrap, QuickstartError> {
        let mut resources = StaticResources::default();
        for (index, (listen, to)) in self.listeners.iter().enumerate() {
            let (tcp, at) = match listen.split_once("://") {
                Some(("tcp", at)) => (true, at),
                Some(("http", at)) => (false, at),
                Some((scheme, _)) => {
                    let reason = format!("{listen}: `{scheme}` is unknown, only http and tcp");
                    return Err(QuickstartError(reason));
                }
                None => (false, listen.as_str()),
            };
            if to.is_empty() {
                return Err(QuickstartError(format!(
                    "{listen}: add at least one --to ADDRESS"
                )));
            }
            let kind = if tcp { "tcp" } else { "http" };
            let name = format!("{kind}-{index}");
            let chain = FilterChain {
                filters: vec![if tcp {
                    tcp_filter(&name)
                } else {
                    http_filter(&name)
                }],
                ..FilterChain::default()
            };
            resources.listeners.push(Listener {
                name: name.clone(),
                address: Some(address(at)?),
                filter_chains: vec![chain],
                ..Listener::default()
            });
            let (protocol, to) = endpoints(listen, tcp, to)?;
            resources.clusters.push(cluster(&name, &to, protocol)?);
        }
        let admin = self.admin.map(|at| Admin {
            address: Some(inet(at)),
        });
        Ok(Bootstrap {
            node: None,
            static_resources: Some(resources),
            admin,
        })
    }
}

fn address(text: &str) -> Result<Address, QuickstartError> {
    if let Some(path) = text.strip_prefix("unix:") {
        let pipe = Pipe {
            path: path.to_owned(),
        };
        return Ok(Address {
            address: Some(Where::Pipe(pipe)),
        });
    }
    let with_any = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.to_owned()
    };
    match with_any.parse() {
        Ok(at) => Ok(inet(at)),
        Err(_) => {
            let form = "ADDRESS:PORT, [ADDRESS]:PORT, :PORT or unix:PATH";
            Err(QuickstartError(format!(
                "`{text}` is not an address; expected {form}"
            )))
        }
    }
}

fn inet(at: SocketAddr) -> Address {
    let socket = SocketAddress {
        address: at.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(at.port().into())),
        ..SocketAddress::default()
    };
    Address {
        address: Some(Where::SocketAddress(socket)),
    }
}

/// What the endpoints of a listener speak, and their addresses.
fn endpoints<'a>(
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

fn cluster(
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

fn with_connect() -> Http2ProtocolOptions {
    Http2ProtocolOptions {
        allow_connect: true,
        ..Http2ProtocolOptions::default()
    }
}

fn tcp_filter(cluster: &str) -> Filter {
    let proxy = TcpProxy {
        stat_prefix: cluster.to_owned(),
        cluster_specifier: Some(tcp_proxy::ClusterSpecifier::Cluster(cluster.to_owned())),
        max_connect_attempts: Some(3),
        ..TcpProxy::default()
    };
    let config = ConfigType::TypedConfig(any(&proxy));
    Filter {
        name: "envoy.filters.network.tcp_proxy".into(),
        config_type: Some(config),
    }
}

fn http_filter(cluster: &str) -> Filter {
    let manager = HttpConnectionManager {
        stat_prefix: cluster.to_owned(),
        use_remote_address: Some(true),
        // At the edge a client gets ten seconds for a head.
        request_headers_timeout: Some(Duration {
            seconds: 10,
            nanos: 0,
        }),
        common_http_protocol_options: Some(HttpProtocolOptions::default()),
        // ApacheBench and other old clients speak nothing newer.
        http_protocol_options: Some(Http1ProtocolOptions {
            accept_http_10: true,
        }),
        http2_protocol_options: Some(with_connect()),
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".into(),
            enabled: None,
        }],
        http_filters: vec![HttpFilter {
            name: "envoy.filters.http.router".into(),
            config_type: Some(HttpConfigType::TypedConfig(any(&Router {
                suppress_envoy_headers: true,
                ..Router::default()
            }))),
            disabled: false,
        }],
        route_specifier: Some(RouteSpecifier::RouteConfig(route_config(cluster))),
        ..HttpConnectionManager::default()
    };
    let config = ConfigType::TypedConfig(any(&manager));
    Filter {
        name: "envoy.filters.network.http_connection_manager".into(),
        config_type: Some(config),
    }
}

fn route_config(cluster: &str) -> RouteConfiguration {
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        retry_policy: Some(RetryPolicy {
            retry_on: "connect-failure".into(),
            num_retries: Some(2),
            ..RetryPolicy::default()
        }),
        // A long body takes as long as it takes; silence is the stream's idle timeout.
        timeout: Some(Duration::default()),
        ..RouteAction::default()
    };
    let condition = RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".into())),
        ..RouteMatch::default()
    };
    let route = Route {
        r#match: Some(condition),
        action: Some(Action::Route(action)),
        ..Route::default()
    };
    let host = VirtualHost {
        name: "all".into(),
        domains: vec!["*".into()],
        routes: vec![route],
        ..VirtualHost::default()
    };
    RouteConfiguration {
        name: cluster.to_owned(),
        virtual_hosts: vec![host],
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{}", M::full_name()),
        value: message.encode_to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Terminal;

    fn quickstart(listen: &str, to: &[&str]) -> Quickstart {
        let to = to.iter().map(|to| (*to).to_owned()).collect();
        Quickstart {
            listeners: vec![(listen.to_owned(), to)],
            admin: None,
        }
    }

    #[test]
    fn the_short_form_compiles() {
        for listen in [
            "127.0.0.1:0",
            ":8080",
            "[::1]:80",
            "tcp://0.0.0.0:5432",
            "unix:/tmp/x",
        ] {
            let bootstrap = quickstart(listen, &["127.0.0.1:1", "unix:/tmp/y"])
                .bootstrap()
                .unwrap();
            let snapshot = crate::config::compile(&bootstrap).unwrap();
            assert_eq!(snapshot.clusters[0].endpoints.len(), 2);
        }
    }

    #[test]
    fn the_short_form_answers_http_1_0() {
        let bootstrap = quickstart(":80", &["127.0.0.1:1"]).bootstrap().unwrap();
        let snapshot = crate::config::compile(&bootstrap).unwrap();
        let terminal = &snapshot.listeners[0].chain.terminal;
        assert!(matches!(terminal, Terminal::Http(http) if http.limits.accept_http_10));
    }

    #[test]
    fn the_scheme_of_the_endpoints_says_what_they_speak() {
        for (to, expected) in [
            (["127.0.0.1:1", "unix:/tmp/y"], UpstreamProtocol::Http1),
            (
                ["http://127.0.0.1:1", "127.0.0.1:2"],
                UpstreamProtocol::Http1,
            ),
            (
                ["h2c://127.0.0.1:1", "h2c://unix:/tmp/y"],
                UpstreamProtocol::Http2,
            ),
            (["grpc://[::1]:1", "h2c://[::1]:2"], UpstreamProtocol::Http2),
        ] {
            let bootstrap = quickstart(":80", &to).bootstrap().unwrap();
            let snapshot = crate::config::compile(&bootstrap).unwrap();
            let cluster = &snapshot.clusters[0];
            assert_eq!(cluster.protocol, expected, "{to:?}");
            assert_eq!(cluster.endpoints.len(), 2);
            let connect = cluster.limits.http2.allow_connect;
            assert_eq!(connect, expected == UpstreamProtocol::Http2);
        }
    }

    #[test]
    fn the_short_form_lets_websockets_through_in_both_versions() {
        let bootstrap = quickstart(":80", &["127.0.0.1:1"]).bootstrap().unwrap();
        let snapshot = crate::config::compile(&bootstrap).unwrap();
        let Terminal::Http(http) = &snapshot.listeners[0].chain.terminal else {
            panic!("an HTTP listener")
        };
        assert_eq!(http.codec, crate::config::CodecType::Auto);
        assert!(http.limits.http2.allow_connect);
        let route = &http.routes.hosts()[0].routes[0];
        assert!(route.allows_upgrade(b"websocket") && !route.allows_upgrade(b"other"));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (listen, to, expected) in [
            ("8080", &["127.0.0.1:1"][..], "not an address"),
            ("ftp://1.2.3.4:1", &["127.0.0.1:1"], "only http and tcp"),
            (":80", &[], "--to"),
            (":80", &["localhost"], "not an address"),
            (":80", &["h3://1.2.3.4:1"], "only http, h2c and grpc"),
            (":80", &["h2c://:1"], "needs an address"),
            (":80", &["1.2.3.4:1", "h2c://1.2.3.4:2"], "speak the same"),
            ("tcp://:80", &["h2c://1.2.3.4:1"], "leave `://` out"),
        ] {
            let error = quickstart(listen, to).bootstrap().unwrap_err();
            assert!(error.0.contains(expected), "{error}");
        }
    }
}
