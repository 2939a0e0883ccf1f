//! What of a run is encrypted, and how the proxy is told so.

use super::certificates::{self, Issued};
use crate::scenario::TYPES;
use engines::Rng;

/// The listener for HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Plain,
    /// TLS with two certificates, chosen by name.
    Secure,
    /// TLS and plain HTTP on one port.
    Either,
    /// A filter chain for each of two names.
    Named,
}

/// What clients have to present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    None,
    Optional,
    Required,
}

/// Where TCP tunnels are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tunnel {
    Plain,
    /// Up to the proxy.
    Ended,
    /// From the proxy on.
    Begun,
    /// On both sides, one session each.
    Both,
    /// From end to end; the proxy looks at the name.
    Passed,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) front: Front,
    pub(crate) auth: Auth,
    /// The clusters that speak TLS.
    pub(crate) web: bool,
    pub(crate) mux: bool,
    /// They speak what ALPN agrees on, not what is configured.
    pub(crate) is_agreed: bool,
    /// Endpoints ask for the proxy's certificate.
    pub(crate) is_mutual: bool,
    /// The proxy is content with TLS 1.2 endpoints.
    pub(crate) is_old: bool,
    pub(crate) tunnel: Tunnel,
}

impl Plan {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        use Tunnel::{Begun, Both, Ended, Passed, Plain};
        let fronts = [Front::Secure, Front::Secure, Front::Either, Front::Named];
        Self {
            front: match rng.below(6) {
                0 => Front::Plain,
                _ => fronts[rng.index(4)],
            },
            auth: [Auth::None, Auth::None, Auth::Optional, Auth::Required][rng.index(4)],
            web: rng.chance(1, 2),
            mux: rng.chance(1, 2),
            is_agreed: rng.chance(1, 2),
            is_mutual: rng.chance(1, 3),
            is_old: rng.chance(1, 4),
            tunnel: [Plain, Ended, Begun, Both, Passed][rng.index(5)],
        }
    }

    /// The field of a listener that looks at what comes first, the beginning of its first filter chain, and its
    /// other chains, which have the same filters.
    pub(crate) fn front_yaml(&self) -> (&'static str, String, String) {
        let all = certificates::all();
        let both = self.server(&[&all.a, &all.b]);
        match self.front {
            Front::Plain => ("", String::new(), String::new()),
            Front::Secure => ("", both, String::new()),
            Front::Either => (
                INSPECTOR,
                format!("filter_chain_match: {{transport_protocol: tls}}\n      {both}"),
                "    - name: plain
      filter_chain_match: {transport_protocol: raw_buffer}
      filters: *filters\n"
                    .to_owned(),
            ),
            Front::Named => {
                let chain = |name, one| {
                    let socket = self.server(&[one]);
                    format!("filter_chain_match: {{server_names: [{name}]}}\n      {socket}")
                };
                let second = chain("b.test", &all.b);
                (
                    INSPECTOR,
                    chain("a.test", &all.a),
                    format!("    - name: second\n      {second}\n      filters: *filters\n"),
                )
            }
        }
    }

    /// The same of the tunnels' listener, which has one chain.
    pub(crate) fn tunnel_yaml(&self) -> (&'static str, String) {
        match self.tunnel {
            Tunnel::Plain | Tunnel::Begun => ("", String::new()),
            Tunnel::Ended | Tunnel::Both => ("", server(&[&certificates::all().a], "")),
            Tunnel::Passed => (
                INSPECTOR,
                "filter_chain_match: {server_names: [endpoint.test]}".to_owned(),
            ),
        }
    }

    fn server(&self, issued: &[&Issued]) -> String {
        let trust = certificates::all().trust_yaml();
        let clients = match self.auth {
            Auth::None => String::new(),
            Auth::Optional | Auth::Required => format!("validation_context: {trust}, "),
        };
        let http = format!("{clients}alpn_protocols: [h2, http/1.1], ");
        let is_required = self.auth == Auth::Required;
        server(issued, &http).replacen(
            "common_",
            &format!("require_client_certificate: {is_required}, common_"),
            1,
        )
    }

    fn is_secure(&self, cluster: &str) -> bool {
        match cluster {
            "web" => self.web,
            "mux" => self.mux,
            _ => matches!(self.tunnel, Tunnel::Begun | Tunnel::Both),
        }
    }

    /// The endpoints of a cluster speak what ALPN agrees on.
    pub(crate) fn is_agreed(&self, cluster: &str) -> bool {
        self.is_agreed && cluster != "raw" && self.is_secure(cluster)
    }

    /// A cluster's `transport_socket`, if it has one.
    pub(crate) fn cluster_yaml(&self, cluster: &str) -> Option<String> {
        let own = format!("tls_certificates: [{}], ", certificates::all().proxy.yaml());
        let socket = client(if self.is_mutual { &own } else { "" });
        self.is_secure(cluster).then_some(socket)
    }
}

/// The field of a listener that looks at what comes first.
pub(crate) const INSPECTOR: &str = "listener_filters: [{name: i, typed_config: {\"@type\": \
    type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]";

/// `transport_socket` of a filter chain; `common`: fields of its `common_tls_context`.
pub(crate) fn server(issued: &[&Issued], common: &str) -> String {
    let issued: Vec<_> = issued.iter().map(|one| one.yaml()).collect();
    let issued = issued.join(", ");
    format!(
        "transport_socket: {{name: t, typed_config: {{\"@type\": {TYPES}.transport_sockets.tls.v3.DownstreamTlsContext, \
        common_tls_context: {{{common}tls_certificates: [{issued}]}}}}}}"
    )
}

/// `transport_socket` of a cluster whose endpoints are `endpoint.test`.
pub(crate) fn client(common: &str) -> String {
    let trust = certificates::all().trust_yaml();
    format!(
        "transport_socket: {{name: t, typed_config: {{\"@type\": {TYPES}.transport_sockets.tls.v3.UpstreamTlsContext, \
        sni: endpoint.test, common_tls_context: {{{common}validation_context: {trust}}}}}}}"
    )
}
