//! The command line's short form, `--listen … --to …`, as the configuration it stands for.

use prost::Message;
use prost_types::{Any, Duration};
use std::{fmt, net::SocketAddr};
use xds::api::envoy::{
    config::{
        bootstrap::v3::{Admin, Bootstrap, bootstrap::StaticResources},
        cluster::v3::{CircuitBreakers, Cluster, circuit_breakers::Thresholds, cluster},
        core::v3::{
            Address, Http1ProtocolOptions, HttpProtocolOptions, Pipe, SocketAddress,
            address::Address as Where, socket_address::PortSpecifier,
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
    extensions::filters::{
        http::router::v3::Router,
        network::{
            http_connection_manager::v3::{
                HttpConnectionManager, HttpFilter, http_connection_manager::RouteSpecifier,
                http_filter::ConfigType as HttpConfigType,
            },
            tcp_proxy::v3::{TcpProxy, tcp_proxy},
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
            resources.clusters.push(cluster(&name, to)?);
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

fn cluster(name: &str, to: &[String]) -> Result<Cluster, QuickstartError> {
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
    Ok(Cluster {
        name: name.to_owned(),
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

fn any<M: Message + prost::Name>(message: &M) -> Any {
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
    fn what_cannot_be_read_is_told() {
        for (listen, to, expected) in [
            ("8080", &["127.0.0.1:1"][..], "not an address"),
            ("ftp://1.2.3.4:1", &["127.0.0.1:1"], "only http and tcp"),
            (":80", &[], "--to"),
            (":80", &["localhost"], "not an address"),
        ] {
            let error = quickstart(listen, to).bootstrap().unwrap_err();
            assert!(error.0.contains(expected), "{error}");
        }
    }
}
