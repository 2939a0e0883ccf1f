//! Configurations, written as their users write them.

use std::{fmt::Write, net::SocketAddr};

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// A configuration in the making: one listener named `http` or `tcp`, one cluster named `c`, admin.
#[derive(Default)]
pub(crate) struct Setup {
    pub(super) listeners: String,
    clusters: String,
}

/// An HTTP listener; each part is a piece of YAML in flow style.
pub(crate) struct HttpListener<'a> {
    pub(crate) name: &'a str,
    /// An `Address`.
    pub(crate) address: &'a str,
    /// Further fields of the listener.
    pub(crate) listener: &'a str,
    /// Further fields of the connection manager.
    pub(crate) manager: &'a str,
    /// The virtual host's routes.
    pub(crate) routes: &'a str,
    /// HTTP filters before the router.
    pub(crate) filters: &'a str,
}

impl Default for HttpListener<'_> {
    fn default() -> Self {
        Self {
            name: "http",
            address: "{socket_address: {address: 127.0.0.1, port_value: 0}}",
            listener: "",
            manager: "",
            routes: "[{match: {prefix: /}, route: {cluster: c}}]",
            filters: "",
        }
    }
}

/// A TCP listener.
pub(crate) struct TcpListener<'a> {
    pub(crate) address: &'a str,
    /// Further fields of the proxy.
    pub(crate) proxy: &'a str,
}

impl Default for TcpListener<'_> {
    fn default() -> Self {
        Self {
            address: "{socket_address: {address: 127.0.0.1, port_value: 0}}",
            proxy: "",
        }
    }
}

/// A cluster.
pub(crate) struct Cluster<'a> {
    pub(crate) name: &'a str,
    /// Further fields.
    pub(crate) cluster: &'a str,
}

impl Default for Cluster<'_> {
    fn default() -> Self {
        Self {
            name: "c",
            cluster: "",
        }
    }
}

impl Setup {
    /// An HTTP listener over endpoints, everything else as it comes.
    pub(crate) fn http(endpoints: &[SocketAddr]) -> String {
        Self::default()
            .listen(&HttpListener::default())
            .cluster(&Cluster::default(), endpoints)
            .yaml()
    }

    /// A TCP listener over endpoints.
    pub(crate) fn tcp(endpoints: &[SocketAddr]) -> String {
        Self::default()
            .listen_tcp(&TcpListener::default())
            .cluster(&Cluster::default(), endpoints)
            .yaml()
    }

    pub(crate) fn listen(mut self, from: &HttpListener<'_>) -> Self {
        let HttpListener {
            name,
            address,
            listener,
            manager,
            routes,
            filters,
        } = from;
        let router = "{name: router, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}";
        let _ = write!(
            self.listeners,
            "  - name: {name}
    address: {address}
    {listener}
    filter_chains:
    - filters:
      - name: manager
        typed_config:
          \"@type\": type.googleapis.com/{MANAGER}
          stat_prefix: {name}
          {manager}
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: {routes}}}]}}
          http_filters: [{filters} {router}]
"
        );
        self
    }

    pub(crate) fn listen_tcp(mut self, from: &TcpListener<'_>) -> Self {
        let TcpListener { address, proxy } = from;
        let _ = write!(
            self.listeners,
            "  - name: tcp
    address: {address}
    filter_chains:
    - filters:
      - name: proxy
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: c
          {proxy}
"
        );
        self
    }

    pub(crate) fn cluster(self, from: &Cluster<'_>, endpoints: &[SocketAddr]) -> Self {
        let list: Vec<_> = endpoints
            .iter()
            .map(|at| {
                let (ip, port) = (at.ip(), at.port());
                format!("{{endpoint: {{address: {{socket_address: {{address: '{ip}', port_value: {port}}}}}}}}}")
            })
            .collect();
        self.cluster_of(from, &list.join(", "))
    }

    /// A cluster with endpoints as YAML.
    pub(crate) fn cluster_of(mut self, from: &Cluster<'_>, endpoints: &str) -> Self {
        let Cluster { name, cluster } = from;
        let _ = write!(
            self.clusters,
            "  - name: {name}
    type: STATIC
    {cluster}
    load_assignment:
      cluster_name: {name}
      endpoints: [{{lb_endpoints: [{endpoints}]}}]
"
        );
        self
    }

    pub(crate) fn yaml(&self) -> String {
        format!(
            "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
{}  clusters:
{}",
            self.listeners, self.clusters
        )
    }
}
