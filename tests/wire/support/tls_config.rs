//! Pieces of configurations with TLS, in flow style.

use super::{config::Setup, tls_pki::pki};
use std::fmt::Write;

const CONTEXTS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const NETWORK: &str = "type.googleapis.com/envoy.extensions.filters.network";
const ROUTER: &str = "{name: router, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}";
const ADDRESS: &str = "{socket_address: {address: 127.0.0.1, port_value: 0}}";

/// `listener_filters` that looks at ClientHellos.
pub(crate) const INSPECT: &str = "listener_filters: [{name: i, typed_config: {\"@type\": \
    type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}],";

/// With `cert(a)` for a certificate and its key, and `file(x)` for a data source, of [`pki`].
pub(crate) fn filled(text: &str) -> String {
    filled_from(text, pki())
}

/// The same with another folder.
pub(crate) fn filled_from(text: &str, folder: &str) -> String {
    let mut text = text.to_owned();
    while let Some((before, rest)) = text.split_once("cert(") {
        let (name, after) = rest.split_once(')').unwrap();
        let both = format!("certificate_chain: file({name}.pem), private_key: file({name}.key)");
        text = format!("{before}{{{both}}}{after}");
    }
    while let Some((before, rest)) = text.split_once("file(") {
        let (name, after) = rest.split_once(')').unwrap();
        text = format!("{before}{{filename: {folder}/{name}}}{after}");
    }
    text
}

/// A chain's field: TLS towards clients.
pub(crate) fn downstream(fields: &str) -> String {
    let fields = filled(fields);
    format!(
        "transport_socket: {{name: t, typed_config: {{\"@type\": {CONTEXTS}.DownstreamTlsContext, {fields}}}}},"
    )
}

/// The same with certificates of the shared folder and nothing else.
pub(crate) fn serving(names: &[&str]) -> String {
    let list: Vec<_> = names.iter().map(|name| format!("cert({name})")).collect();
    let list = list.join(", ");
    downstream(&format!(
        "common_tls_context: {{alpn_protocols: [h2, http/1.1], tls_certificates: [{list}]}}"
    ))
}

/// A cluster's or a match's field: TLS towards endpoints.
pub(crate) fn upstream(fields: &str) -> String {
    let fields = filled(fields);
    format!(
        "transport_socket: {{name: t, typed_config: {{\"@type\": {CONTEXTS}.UpstreamTlsContext, {fields}}}}}"
    )
}

/// The same for whom `ca.pem` vouches.
pub(crate) fn trusting(name: &str) -> String {
    upstream(&format!(
        "sni: {name}, common_tls_context: {{validation_context: {{trusted_ca: file(ca.pem)}}}}"
    ))
}

/// A filter chain of HTTP. Its fields end with a comma, as the manager's do.
pub(crate) fn http_chain(fields: &str, manager: &str, routes: &str) -> String {
    filtered_chain(fields, manager, routes, "")
}

/// The same with filters before the router, each with a comma behind it.
pub(crate) fn filtered_chain(fields: &str, manager: &str, routes: &str, filters: &str) -> String {
    format!(
        "{{{fields} filters: [{{name: m, typed_config: {{\"@type\": {NETWORK}.http_connection_manager.v3.HttpConnectionManager, \
         stat_prefix: h, {manager} route_config: {{virtual_hosts: [{{name: v, domains: ['*'], routes: {routes}}}]}}, \
         http_filters: [{filters} {ROUTER}]}}}}]}}"
    )
}

/// A filter chain that leads everything to a cluster.
pub(crate) fn to(fields: &str, cluster: &str) -> String {
    let routes = format!("[{{match: {{prefix: /}}, route: {{cluster: {cluster}, timeout: 0s}}}}]");
    http_chain(fields, "use_remote_address: true,", &routes)
}

/// A filter chain of TCP.
pub(crate) fn tcp_chain(fields: &str, cluster: &str) -> String {
    format!(
        "{{{fields} filters: [{{name: p, typed_config: {{\"@type\": {NETWORK}.tcp_proxy.v3.TcpProxy, \
         stat_prefix: t, cluster: {cluster}}}}}]}}"
    )
}

/// An access log, as a field of a manager.
pub(crate) fn log_to(path: &std::path::Path, format: &str) -> String {
    format!(
        "access_log: [{{name: l, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, \
         path: {}, log_format: {{text_format: \"{format}\\n\"}}}}}}],",
        path.display()
    )
}

impl Setup {
    /// Adds a listener with these chains. Its fields end with a comma.
    pub(crate) fn listen_chains(mut self, name: &str, fields: &str, chains: &[String]) -> Self {
        let chains = chains.join(", ");
        let _ = writeln!(
            self.listeners,
            "  - {{name: {name}, address: {ADDRESS}, {fields} filter_chains: [{chains}]}}"
        );
        self
    }
}
