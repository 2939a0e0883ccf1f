//! TLS contexts: from messages to what sessions are made from, again whenever a secret changes.

mod downstream;
mod key_log;
mod live;
mod params;
mod secrets;
mod socket;
#[cfg(test)]
mod tests;
pub(super) mod trust;
mod upstream;

pub use live::Live;
pub(super) use socket::Sockets;

use super::secrets::Value;
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

/// `envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`.
pub struct DownstreamTls {
    /// What the sessions of a filter chain share; read once for each connection.
    pub context: Live<tls::ServerContext>,
    /// `FilterChain.transport_socket_connect_timeout`: for the handshake; `None`: no limit.
    pub handshake_timeout: Option<Duration>,
    /// `alpn_protocols`.
    pub(super) alpn: Vec<Vec<u8>>,
}

/// `envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`.
pub struct UpstreamTls {
    /// What the sessions of a cluster share; read once for each connection.
    context: Live<tls::ClientContext>,
    /// The same where HTTP/2 is to be spoken, if the client's connection decides about that.
    http2: Option<Live<tls::ClientContext>>,
    /// `sni`.
    pub sni: Option<Box<str>>,
    /// `auto_host_sni`.
    pub auto_host_sni: bool,
    /// The certificate has to be for [`EndpointTls::name`].
    pub check_name: bool,
}

/// How TLS is spoken with an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointTls {
    /// What it shares with others.
    pub tls: Arc<UpstreamTls>,
    /// The name for [`tls::Session::connect`]: sent if it is no address, and checked if `check_name` is set.
    pub name: Option<Box<str>>,
}

impl UpstreamTls {
    /// What a new session is made from. `http2`: what the client's connection speaks, where that decides
    /// ([`super::UpstreamProtocol::Downstream`]); it has no effect elsewhere.
    pub fn context(&self, http2: bool) -> Arc<tls::ClientContext> {
        let other = self.http2.as_ref().filter(|_| http2);
        other.unwrap_or(&self.context).get()
    }

    /// The name of an endpoint.
    pub(super) fn name(&self, hostname: Option<&str>, address: Option<IpAddr>) -> Option<Box<str>> {
        let hostname = hostname.map(Box::from);
        let sni = self.sni.clone();
        let named = match self.auto_host_sni {
            true => hostname.or(sni),
            false => sni.or(hostname),
        };
        named.or_else(|| Some(address?.to_string().into()))
    }
}

/// The certificates at these places.
fn identities(
    certificates: &[secrets::CertificateRef],
    values: &super::secrets::Values<'_>,
) -> Vec<tls::Identity> {
    let found = certificates.iter().map(|(place, _)| values.get(*place));
    let identity = |value: &Value| match value {
        Value::Certificate(identity) => Some(identity.clone()),
        Value::Tickets(_) | Value::Trust(_) => None,
    };
    found.filter_map(identity).collect()
}

impl fmt::Debug for DownstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownstreamTls")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("sni", &self.sni)
            .field("check_name", &self.check_name)
            .finish_non_exhaustive()
    }
}
