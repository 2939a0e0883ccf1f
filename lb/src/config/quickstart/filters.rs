//! The filter that ends a chain of the short form, and its routes.

use super::{any, with_connect};
use prost_types::Duration;
use xds::api::envoy::{
    config::{
        core::v3::{Http1ProtocolOptions, HttpProtocolOptions},
        listener::v3::{Filter, filter::ConfigType},
        route::v3::{
            RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
            route::Action, route_action::ClusterSpecifier, route_match::PathSpecifier,
        },
    },
    extensions::filters::{
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
};

/// Passes bytes on.
pub(super) fn tcp(cluster: &str) -> Filter {
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

/// Speaks HTTP.
pub(super) fn http(cluster: &str) -> Filter {
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
