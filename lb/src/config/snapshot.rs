//! The compiled configuration: names resolved to indices, filter configs parsed, nothing left to look
//! up or to fail on the request path.

use super::{ClientCertForwarding, DownstreamTls, FilterChains, Secrets, Wrong};
use crate::{
    access_log::LogFormat,
    cluster::{Endpoint, LbPolicy, Thresholds},
    filter::HttpChainConfig,
    route::{RouteTable, Upgrades},
};
use engines::SockAddr;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// Everything the data path needs to know; shared by all workers and never changed.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Listeners by index.
    pub listeners: Vec<Arc<ListenerConfig>>,
    /// Clusters by index; routes name them by it.
    pub clusters: Vec<Arc<ClusterConfig>>,
    /// Where the admin interface listens, if anywhere.
    pub admin: Option<SocketAddr>,
    /// What TLS is made of, to be changed while it is used.
    pub secrets: Arc<Secrets>,
    /// What is allowed but surprising.
    pub warnings: Vec<Wrong>,
}

/// `envoy.config.listener.v3.Listener`.
#[derive(Debug)]
pub struct ListenerConfig {
    /// Its unique name.
    pub name: String,
    /// Where it listens.
    pub address: SockAddr,
    /// `tcp_backlog_size`.
    pub backlog: u32,
    /// `enable_reuse_port`: each worker has a listening socket of its own.
    pub reuse_port: bool,
    /// `per_connection_buffer_limit_bytes`: unsent bytes of a connection above which its source is no
    /// longer read.
    pub buffer_limit: usize,
    /// `access_log`: of its connections, whatever becomes of them.
    pub access_logs: Vec<Arc<AccessLogConfig>>,
    /// What is done with its connections.
    pub chains: FilterChains,
}

/// `envoy.config.listener.v3.FilterChain`.
#[derive(Debug)]
pub struct FilterChain {
    /// `name`, may be empty.
    pub name: String,
    /// `transport_socket`; `None`: no TLS.
    pub tls: Option<Arc<DownstreamTls>>,
    /// Exactly one, always last.
    pub terminal: Terminal,
}

/// What ends a chain of network filters.
#[derive(Debug)]
pub enum Terminal {
    /// `HttpConnectionManager`.
    Http(Arc<HttpConfig>),
    /// `TcpProxy`.
    Tcp(Arc<TcpConfig>),
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`.
#[derive(Debug)]
pub struct HttpConfig {
    /// `stat_prefix`.
    pub stat_prefix: String,
    /// `codec_type`.
    pub codec: CodecType,
    /// Limits of the downstream codec; `http2_protocol_options` among them.
    pub limits: codecs::Limits,
    /// `http2_protocol_options.connection_keepalive`, without `idle_interval`.
    pub keepalive: Option<Keepalive>,
    /// `upgrade_configs`; with those merged, each route has its own ([`crate::route::Forward::upgrades`]).
    pub upgrades: Upgrades,
    /// That, and what any of the routes lets through. A wish for another upgrade is ignored before a route is known.
    pub route_upgrades: Upgrades,
    /// `common_http_protocol_options.idle_timeout`: a connection without a request.
    pub idle_timeout: Option<Duration>,
    /// `request_headers_timeout`: from a request's first byte to the end of its head.
    pub request_head_timeout: Option<Duration>,
    /// `request_timeout`: from the head to the end of the request.
    pub request_timeout: Option<Duration>,
    /// `stream_idle_timeout`: no byte in either direction.
    pub stream_idle_timeout: Option<Duration>,
    /// `common_http_protocol_options.max_requests_per_connection`; 0: any number.
    pub requests_max: u32,
    /// `use_remote_address`: the peer is the client; its address is appended to `x-forwarded-for`.
    pub use_remote_address: bool,
    /// `xff_num_trusted_hops`: proxies in front of us; above 0 their `x-forwarded-proto` is believed.
    pub trusted_hops: u32,
    /// `skip_xff_append`.
    pub skip_xff_append: bool,
    /// `forward_client_cert_details`, `set_current_client_cert_details`.
    pub client_cert: ClientCertForwarding,
    /// `generate_request_id`.
    pub generate_request_id: bool,
    /// `preserve_external_request_id`.
    pub preserve_request_id: bool,
    /// `server_name`.
    pub server_name: String,
    /// `server_header_transformation`.
    pub server_header: ServerHeader,
    /// `Router.suppress_envoy_headers`.
    pub suppress_envoy_headers: bool,
    /// The HTTP filters, the router excluded.
    pub filters: HttpChainConfig,
    /// `route_config`.
    pub routes: Arc<RouteTable>,
    /// `access_log`.
    pub access_logs: Vec<Arc<AccessLogConfig>>,
}

/// `HttpConnectionManager.CodecType`: what clients of a listener speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodecType {
    /// What ALPN agreed on, else what the first bytes of a connection say.
    #[default]
    Auto,
    /// HTTP/1 only.
    Http1,
    /// HTTP/2 by prior knowledge only.
    Http2,
}

/// `envoy.config.core.v3.KeepaliveSettings`: PINGs that find out whether an HTTP/2 peer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// `interval`: between two PINGs, at least 1 ms; `None`: none in the course of time.
    pub interval: Option<Duration>,
    /// `timeout`: until the answer to a PING, at least 1 ms; then the connection is closed.
    pub timeout: Duration,
    /// `connection_idle_interval`: a connection on which nothing came by for so long is sent a PING before
    /// the next stream; at least 1 ms, upstream only.
    pub idle_interval: Option<Duration>,
}

/// `HttpConnectionManager.ServerHeaderTransformation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerHeader {
    /// Ours only if the answer has none.
    AppendIfAbsent,
    /// Always ours.
    #[default]
    Overwrite,
    /// As the upstream sent it, or none.
    PassThrough,
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`.
#[derive(Debug)]
pub struct TcpConfig {
    /// `stat_prefix`.
    pub stat_prefix: String,
    /// The cluster's index.
    pub cluster: usize,
    /// `idle_timeout`: no byte in either direction.
    pub idle_timeout: Option<Duration>,
    /// `max_connect_attempts`, at least 1.
    pub connect_attempts: u32,
    /// `access_log`.
    pub access_logs: Vec<Arc<AccessLogConfig>>,
}

/// `envoy.config.cluster.v3.Cluster`.
#[derive(Debug)]
pub struct ClusterConfig {
    /// Its unique name.
    pub name: String,
    /// `lb_policy`.
    pub policy: LbPolicy,
    /// `connect_timeout`.
    pub connect_timeout: Duration,
    /// Idle time after which a pooled connection is closed
    /// (`HttpProtocolOptions.common_http_protocol_options.idle_timeout`).
    pub idle_timeout: Option<Duration>,
    /// Requests after which a pooled connection is closed; 0: any number.
    pub requests_max: u32,
    /// `per_connection_buffer_limit_bytes`.
    pub buffer_limit: usize,
    /// `circuit_breakers`, default priority.
    pub thresholds: Thresholds,
    /// `load_assignment`, in order; each with its TLS.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// What is spoken with the endpoints.
    pub protocol: UpstreamProtocol,
    /// Limits of the upstream codec; `http2_protocol_options` among them.
    pub limits: codecs::Limits,
    /// `http2_protocol_options.connection_keepalive`.
    pub keepalive: Option<Keepalive>,
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions.upstream_protocol_options`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.
    #[default]
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// What the client's connection speaks.
    Downstream,
    /// What ALPN agrees on; HTTP/1 without TLS.
    Auto,
}

/// Where an access log is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// A file, opened to append.
    File(PathBuf),
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

/// `envoy.config.accesslog.v3.AccessLog`.
#[derive(Debug)]
pub struct AccessLogConfig {
    /// Where lines go.
    pub target: LogTarget,
    /// What a line says.
    pub format: LogFormat,
}
