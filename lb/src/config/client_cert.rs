//! What endpoints are told of a client's certificate.

use xds::api::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager as hcm,
};

/// What becomes of `x-forwarded-client-cert`, and what is told in it besides the certificate's hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCertForwarding {
    /// `forward_client_cert_details`.
    pub mode: ForwardMode,
    /// `set_current_client_cert_details.subject`.
    pub subject: bool,
    /// `set_current_client_cert_details.cert`: the certificate, PEM.
    pub cert: bool,
    /// `set_current_client_cert_details.chain`: all that the client sent, PEM.
    pub chain: bool,
    /// `set_current_client_cert_details.dns`.
    pub dns: bool,
    /// `set_current_client_cert_details.uri`.
    pub uri: bool,
}

/// `HttpConnectionManager.ForwardClientCertDetails`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardMode {
    /// The field is removed.
    #[default]
    Sanitize,
    /// It passes if the client presented a certificate, else it is removed.
    ForwardOnly,
    /// The client's certificate is appended to it, or it is removed.
    AppendForward,
    /// The client's certificate replaces it, or it is removed.
    SanitizeSet,
    /// It passes.
    AlwaysForwardOnly,
}

impl ClientCertForwarding {
    pub(super) fn new(from: &HttpConnectionManager) -> Self {
        let details = from.set_current_client_cert_details.unwrap_or_default();
        Self {
            mode: mode(from.forward_client_cert_details()),
            subject: details.subject.unwrap_or(false),
            cert: details.cert,
            chain: details.chain,
            dns: details.dns,
            uri: details.uri,
        }
    }
}

fn mode(from: hcm::ForwardClientCertDetails) -> ForwardMode {
    match from {
        hcm::ForwardClientCertDetails::Sanitize => ForwardMode::Sanitize,
        hcm::ForwardClientCertDetails::ForwardOnly => ForwardMode::ForwardOnly,
        hcm::ForwardClientCertDetails::AppendForward => ForwardMode::AppendForward,
        hcm::ForwardClientCertDetails::SanitizeSet => ForwardMode::SanitizeSet,
        hcm::ForwardClientCertDetails::AlwaysForwardOnly => ForwardMode::AlwaysForwardOnly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Terminal, sample::Sample};

    #[test]
    fn what_endpoints_are_told_is_read() {
        let all = ClientCertForwarding {
            mode: ForwardMode::SanitizeSet,
            subject: true,
            cert: true,
            chain: true,
            dns: true,
            uri: true,
        };
        for (manager, expected) in [
            ("", ClientCertForwarding::default()),
            (
                "forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: \
                 {subject: true, cert: true, chain: true, dns: true, uri: true}",
                all,
            ),
        ] {
            let sample = Sample {
                manager,
                ..Sample::default()
            };
            let snapshot = sample.loaded().snapshot;
            let Terminal::Http(http) = &snapshot.listeners[0].chains.first_chain().terminal else {
                panic!("an HTTP listener")
            };
            assert_eq!(http.client_cert, expected, "{manager}");
        }
    }
}
