//! Listeners, their filter chains, and the two things that may end one.

use super::{
    ClientCertForwarding, CodecType, HttpConfig, ListenerConfig, ServerHeader, TcpConfig, Terminal,
    compile::{Compiler, at},
    http2::Side,
    route,
};
use crate::{
    filter::{self, Factory, HttpChainConfig, HttpFilterConfig, HttpFilterEntry},
    limits,
    route::Action,
};
use prost::Message;
use prost_types::Any;
use std::{sync::Arc, time::Duration};
use xds::api::envoy::{
    config::listener::v3::{self as listener_v3, Listener},
    extensions::filters::{
        http::router::v3::Router,
        network::{
            http_connection_manager::v3::{
                HttpConnectionManager, HttpFilter, http_connection_manager as hcm, http_filter,
            },
            tcp_proxy::v3::{TcpProxy, tcp_proxy},
        },
    },
};

const HTTP: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
const ONE_HOUR: Duration = Duration::from_secs(3600);

/// `per_connection_buffer_limit_bytes` of a listener or a cluster, kept within 1 byte and
/// [`limits::UNSENT_HIGH_BYTES`].
pub(super) fn buffer_limit(bytes: Option<u32>) -> usize {
    bytes.map_or(limits::UNSENT_HIGH_BYTES, |bytes| {
        (bytes as usize).clamp(1, limits::UNSENT_HIGH_BYTES)
    })
}

impl Compiler {
    pub(super) fn listener(&mut self, path: &str, from: &Listener) -> Option<Arc<ListenerConfig>> {
        let wrong = Self::unique(path, &from.name, 0, &mut self.listener_names);
        self.problems.extend(wrong);
        let address = self.address(&format!("{path}.address"), from.address.as_ref());
        let access_logs = self.access_logs(&format!("{path}.access_log"), &from.access_log);
        let chains = self.chains(path, from);
        Some(Arc::new(ListenerConfig {
            name: from.name.clone(),
            address: address?,
            backlog: from.tcp_backlog_size.unwrap_or(u32::from(u16::MAX)),
            reuse_port: from.enable_reuse_port.unwrap_or(true),
            buffer_limit: buffer_limit(from.per_connection_buffer_limit_bytes),
            access_logs,
            chains: chains?,
        }))
    }

    pub(super) fn terminal(
        &mut self,
        path: &str,
        chain: &listener_v3::FilterChain,
    ) -> Option<Terminal> {
        let Some((last, before)) = chain.filters.split_last() else {
            self.wrong(&format!("{path}.filters"), "there has to be one");
            return None;
        };
        for index in 0..before.len() {
            let path = format!("{}.typed_config", at(&format!("{path}.filters"), index));
            self.wrong(&path, "this filter ends the chain and has to be the last");
        }
        let path = format!("{path}.filters[{}].typed_config", before.len());
        let Some(listener_v3::filter::ConfigType::TypedConfig(any)) = &last.config_type else {
            self.wrong(&path, "is missing");
            return None;
        };
        match xds::type_name(&any.type_url) {
            HTTP => self
                .decode::<HttpConnectionManager>(&path, any)
                .and_then(|config| {
                    self.http(&path, &config)
                        .map(|http| Terminal::Http(Arc::new(http)))
                }),
            TCP => self.decode::<TcpProxy>(&path, any).and_then(|config| {
                self.tcp(&path, &config)
                    .map(|tcp| Terminal::Tcp(Arc::new(tcp)))
            }),
            other => {
                self.wrong(&path, format!("`{other}` is not a network filter"));
                None
            }
        }
    }

    pub(super) fn decode<M: Message + Default>(&mut self, path: &str, any: &Any) -> Option<M> {
        M::decode(&*any.value)
            .map_err(|error| self.wrong(path, error.to_string()))
            .ok()
    }

    fn http(&mut self, path: &str, from: &HttpConnectionManager) -> Option<HttpConfig> {
        let in_path = |field: &str| format!("{path}.{field}");
        if from.stat_prefix.is_empty() {
            self.wrong(&in_path("stat_prefix"), "is missing");
        }
        let common = from.common_http_protocol_options.unwrap_or_default();
        let head_path = in_path("max_request_headers_kb");
        let head_kb = self.number(&head_path, from.max_request_headers_kb, 60, 1..=8192);
        let (filters, router) = self.http_filters(path, &from.http_filters)?;
        let Some(hcm::RouteSpecifier::RouteConfig(routes)) = &from.route_specifier else {
            self.wrong(&in_path("route_config"), "is missing");
            return None;
        };
        let idle_path = in_path("common_http_protocol_options.idle_timeout");
        let http2_path = in_path("http2_protocol_options");
        let http2 = from.http2_protocol_options.as_ref();
        let upgrades = self.listener_upgrades(&in_path("upgrade_configs"), &from.upgrade_configs);
        let to_routes = route::Listener {
            filters: &filters,
            upgrades: &upgrades,
        };
        let stream_idle = Some(Duration::from_secs(300));
        let mut http = HttpConfig {
            stat_prefix: from.stat_prefix.clone(),
            codec: codec_type(from.codec_type()),
            limits: codecs::Limits {
                head_bytes_max: head_kb * 1024,
                fields_max: common.max_headers_count.unwrap_or(100),
                accept_http_10: from.http_protocol_options.is_some_and(|o| o.accept_http_10),
                http2: self.http2_options(&http2_path, http2, Side::Downstream),
                ..codecs::Limits::default()
            },
            keepalive: self.keepalive(&http2_path, http2, Side::Downstream),
            idle_timeout: self.timeout(&idle_path, common.idle_timeout.as_ref(), Some(ONE_HOUR)),
            request_head_timeout: self.timeout(
                &in_path("request_headers_timeout"),
                from.request_headers_timeout.as_ref(),
                None,
            ),
            request_timeout: self.timeout(
                &in_path("request_timeout"),
                from.request_timeout.as_ref(),
                None,
            ),
            stream_idle_timeout: self.timeout(
                &in_path("stream_idle_timeout"),
                from.stream_idle_timeout.as_ref(),
                stream_idle,
            ),
            requests_max: common.max_requests_per_connection.unwrap_or(0),
            use_remote_address: from.use_remote_address.unwrap_or(false),
            trusted_hops: from.xff_num_trusted_hops,
            skip_xff_append: from.skip_xff_append,
            client_cert: ClientCertForwarding::new(from),
            generate_request_id: from.generate_request_id.unwrap_or(true),
            preserve_request_id: from.preserve_external_request_id,
            server_name: self.server_name(&in_path("server_name"), &from.server_name),
            server_header: server_header(from.server_header_transformation()),
            suppress_envoy_headers: router.suppress_envoy_headers,
            routes: self.routes(&in_path("route_config"), routes, to_routes)?,
            filters,
            route_upgrades: upgrades.clone(),
            upgrades,
            access_logs: self.access_logs(&in_path("access_log"), &from.access_log),
        };
        for route in http.routes.hosts().iter().flat_map(|host| &host.routes) {
            if let Action::Forward(forward) = &route.action {
                http.route_upgrades.add(&forward.upgrades);
            }
        }
        Some(http)
    }

    fn server_name(&mut self, path: &str, name: &str) -> String {
        if name.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            self.wrong(path, "only printable ASCII is allowed");
        }
        if name.is_empty() {
            "ringlb".to_owned()
        } else {
            name.to_owned()
        }
    }

    /// The filters before the router, and the router.
    fn http_filters(
        &mut self,
        path: &str,
        list: &[HttpFilter],
    ) -> Option<(HttpChainConfig, Router)> {
        let path = format!("{path}.http_filters");
        let mut chain = HttpChainConfig::default();
        for (index, from) in list.iter().enumerate() {
            let path = at(&path, index);
            let Some(http_filter::ConfigType::TypedConfig(any)) = &from.config_type else {
                self.wrong(&format!("{path}.typed_config"), "is missing");
                continue;
            };
            let is_router = xds::type_name(&any.type_url) == ROUTER;
            if is_router && index + 1 == list.len() {
                let router = self.decode(&path, any)?;
                return Some((chain, router));
            }
            if is_router {
                self.wrong(&path, "the router has to be the last filter");
            } else if let Some(config) = self.http_filter(&format!("{path}.typed_config"), any) {
                let (name, disabled) = (from.name.clone(), from.disabled);
                chain.entries.push(HttpFilterEntry {
                    name,
                    config,
                    disabled,
                });
            }
        }
        self.wrong(
            &path,
            format!("the last filter has to be the router, `{ROUTER}`"),
        );
        None
    }

    /// The configuration of an HTTP filter.
    pub(super) fn http_filter(
        &mut self,
        path: &str,
        any: &Any,
    ) -> Option<Arc<dyn HttpFilterConfig>> {
        let name = xds::type_name(&any.type_url);
        let Some(kind) = filter::find(name) else {
            self.wrong(path, format!("`{name}` is not an HTTP filter"));
            return None;
        };
        match kind.parse(&any.value) {
            Ok(Factory::Http(config)) => Some(config),
            Ok(Factory::Listener(_) | Factory::Network(_)) => {
                self.wrong(path, format!("`{name}` is not an HTTP filter"));
                None
            }
            Err(error) if error.field.is_empty() => {
                self.wrong(path, error.reason);
                None
            }
            Err(error) => {
                self.wrong(&format!("{path}.{}", error.field), error.reason);
                None
            }
        }
    }

    fn tcp(&mut self, path: &str, from: &TcpProxy) -> Option<TcpConfig> {
        if from.stat_prefix.is_empty() {
            self.wrong(&format!("{path}.stat_prefix"), "is missing");
        }
        let name = match &from.cluster_specifier {
            Some(tcp_proxy::ClusterSpecifier::Cluster(name)) => name.as_str(),
            None => "",
        };
        let idle = format!("{path}.idle_timeout");
        let attempts = format!("{path}.max_connect_attempts");
        Some(TcpConfig {
            stat_prefix: from.stat_prefix.clone(),
            cluster: self.cluster_index(&format!("{path}.cluster"), name)?,
            idle_timeout: self.timeout(&idle, from.idle_timeout.as_ref(), Some(ONE_HOUR)),
            connect_attempts: self.number(&attempts, from.max_connect_attempts, 1, 1..=u32::MAX),
            access_logs: self.access_logs(&format!("{path}.access_log"), &from.access_log),
        })
    }
}

fn codec_type(from: hcm::CodecType) -> CodecType {
    match from {
        hcm::CodecType::Auto => CodecType::Auto,
        hcm::CodecType::Http1 => CodecType::Http1,
        hcm::CodecType::Http2 => CodecType::Http2,
    }
}

fn server_header(from: hcm::ServerHeaderTransformation) -> ServerHeader {
    match from {
        hcm::ServerHeaderTransformation::AppendIfAbsent => ServerHeader::AppendIfAbsent,
        hcm::ServerHeaderTransformation::Overwrite => ServerHeader::Overwrite,
        hcm::ServerHeaderTransformation::PassThrough => ServerHeader::PassThrough,
    }
}
