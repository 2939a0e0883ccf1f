//! Transport sockets: which kind, and for which endpoint.

use super::{DownstreamTls, EndpointTls, UpstreamTls};
use crate::config::{UpstreamProtocol, compile::Compiler};
use prost_types::{Any, Struct, Value, value::Kind};
use std::sync::Arc;
use xds::api::envoy::config::{
    cluster::v3::{Cluster, cluster::TransportSocketMatch},
    core::v3::{Metadata, TransportSocket, transport_socket},
    endpoint::v3::Endpoint,
    listener::v3::FilterChain,
};

const DOWNSTREAM: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const UPSTREAM: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const RAW_BUFFER: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/// Where endpoints say which socket is theirs.
const MATCH: &str = "envoy.transport_socket_match";

/// The transport sockets of a cluster.
pub(in crate::config) struct Sockets<'a> {
    matches: Vec<(&'a TransportSocketMatch, Option<Arc<UpstreamTls>>)>,
    default: Option<Arc<UpstreamTls>>,
}

impl Compiler {
    /// The TLS of a filter chain, if it has any; `Err`: what it has is wrong.
    pub(in crate::config) fn downstream_tls(
        &mut self,
        path: &str,
        from: &FilterChain,
    ) -> Result<Option<Arc<DownstreamTls>>, ()> {
        let Some(socket) = &from.transport_socket else {
            return Ok(None);
        };
        let path = format!("{path}.transport_socket.typed_config");
        match self.socket(&path, socket, DOWNSTREAM)? {
            Some(any) => self.server(&path, any, from).map(Some),
            None => Ok(None),
        }
    }

    /// The TLS of a cluster.
    pub(in crate::config) fn sockets<'a>(
        &mut self,
        path: &str,
        from: &'a Cluster,
        protocol: UpstreamProtocol,
    ) -> Sockets<'a> {
        let mut matches = Vec::new();
        for (index, matched) in from.transport_socket_matches.iter().enumerate() {
            let path = format!("{path}.transport_socket_matches[{index}]");
            if matched.name.is_empty() {
                self.wrong(&format!("{path}.name"), "a name is missing");
            }
            let socket = matched.transport_socket.as_ref();
            let tls = self.upstream_socket(&path, socket, protocol);
            matches.push((matched, tls));
        }
        let default = self.upstream_socket(path, from.transport_socket.as_ref(), protocol);
        Sockets { matches, default }
    }

    fn upstream_socket(
        &mut self,
        path: &str,
        from: Option<&TransportSocket>,
        protocol: UpstreamProtocol,
    ) -> Option<Arc<UpstreamTls>> {
        let path = format!("{path}.transport_socket.typed_config");
        let any = self.socket(&path, from?, UPSTREAM).ok()??;
        self.client(&path, any, protocol)
    }

    /// The TLS context of a socket, if it is one of that type; `Err`: it is of another.
    fn socket<'a>(
        &mut self,
        path: &str,
        from: &'a TransportSocket,
        context: &str,
    ) -> Result<Option<&'a Any>, ()> {
        let Some(transport_socket::ConfigType::TypedConfig(any)) = &from.config_type else {
            self.wrong(path, "is missing");
            return Err(());
        };
        match xds::type_name(&any.type_url) {
            RAW_BUFFER => Ok(None),
            name if name == context => Ok(Some(any)),
            other => {
                let reason = format!("`{other}` is not possible here, only `{context}`");
                self.wrong(path, reason);
                Err(())
            }
        }
    }

    /// How TLS is spoken with an endpoint.
    pub(in crate::config) fn endpoint_tls(
        &mut self,
        path: &str,
        endpoint: &Endpoint,
        address: &engines::SockAddr,
        tls: Option<Arc<UpstreamTls>>,
    ) -> Option<EndpointTls> {
        let tls = tls?;
        let hostname = Some(endpoint.hostname.as_str()).filter(|name| !name.is_empty());
        let name = tls.name(hostname, address.inet().map(|address| address.ip()));
        // What is no name of a server's was told of already where it is `sni`.
        if hostname == name.as_deref() && name.as_deref().is_some_and(|name| !tls::is_name(name)) {
            let reason = format!(
                "`{}` is neither a host name nor an address",
                endpoint.hostname
            );
            self.wrong(&format!("{path}.hostname"), reason);
        }
        if tls.check_name && name.is_none() {
            let reason =
                "is needed: its certificate has to be for some name, and there is no `sni`";
            self.wrong(&format!("{path}.hostname"), reason);
        }
        Some(EndpointTls { tls, name })
    }
}

impl Sockets<'_> {
    /// The TLS of an endpoint with this metadata.
    pub(in crate::config) fn of(&self, metadata: Option<&Metadata>) -> Option<Arc<UpstreamTls>> {
        let said = metadata.and_then(|metadata| metadata.filter_metadata.get(MATCH));
        let mut matches = self.matches.iter();
        let found = matches.find(|(wanted, _)| is_said(wanted.r#match.as_ref(), said));
        found.map_or(&self.default, |(_, tls)| tls).clone()
    }
}

/// Whether metadata says all that is wanted.
fn is_said(wanted: Option<&Struct>, said: Option<&Struct>) -> bool {
    let Some(wanted) = wanted else { return true };
    let said = |key: &str| said.and_then(|said| said.fields.get(key));
    let mut wanted = wanted.fields.iter();
    wanted.all(|(key, value)| said(key).is_some_and(|said| is_same(value, said)))
}

/// As in Envoy, one of a list will do.
fn is_same(wanted: &Value, said: &Value) -> bool {
    match &said.kind {
        Some(Kind::ListValue(list)) if wanted != said => list.values.contains(wanted),
        _ => wanted == said,
    }
}
