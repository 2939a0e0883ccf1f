//! TLS of the short form, on either side.

use super::{Listen, Pair, QuickstartError, any};
use prost::{Message, Name};
use xds::api::envoy::{
    config::core::v3::{
        DataSource, TransportSocket, data_source::Specifier, transport_socket::ConfigType,
    },
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, TlsCertificate,
        UpstreamTlsContext, certificate_validation_context::TrustChainVerification,
        common_tls_context::ValidationContextType,
    },
};

/// The socket towards clients.
pub(super) fn downstream(
    listen: &Listen,
    is_tls: bool,
    is_http: bool,
) -> Result<Option<TransportSocket>, QuickstartError> {
    let at = &listen.at;
    if !is_tls {
        let given = [
            ("--cert", !listen.certificates.is_empty()),
            ("--client-ca", listen.client_ca.is_some()),
        ];
        return none(given, &format!("{at}: {{}} is for https:// and tls://"));
    }
    if listen.certificates.is_empty() {
        return Err(QuickstartError(format!("{at}: add --cert FILE --key FILE")));
    }
    let alpn: &[&str] = match is_http {
        true => &["h2", "http/1.1"],
        false => &[],
    };
    let client_ca = listen.client_ca.as_ref();
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificates: listen.certificates.iter().map(certificate).collect(),
            alpn_protocols: alpn.iter().map(|name| (*name).to_owned()).collect(),
            validation_context_type: client_ca.map(|ca| trusted(ca)),
            ..CommonTlsContext::default()
        }),
        require_client_certificate: client_ca.map(|_| true),
        ..DownstreamTlsContext::default()
    };
    Ok(Some(socket(&context)))
}

/// The socket towards endpoints.
pub(super) fn upstream(
    listen: &Listen,
    is_tls: bool,
) -> Result<Option<TransportSocket>, QuickstartError> {
    let (at, upstream) = (&listen.at, &listen.upstream);
    if !is_tls {
        let given = [
            ("--ca", upstream.ca.is_some()),
            ("--insecure", upstream.insecure),
            ("--sni", upstream.sni.is_some()),
        ];
        return none(
            given,
            &format!("{at}: {{}} is for endpoints with https:// or tls://"),
        );
    }
    let validation = match (&upstream.ca, upstream.insecure) {
        (Some(_), true) => {
            let reason = format!("{at}: --ca and --insecure contradict each other");
            return Err(QuickstartError(reason));
        }
        (Some(ca), false) => Some(trusted(ca)),
        (None, true) => {
            let accept = TrustChainVerification::AcceptUntrusted;
            let context = CertificateValidationContext {
                trust_chain_verification: accept.into(),
                ..CertificateValidationContext::default()
            };
            Some(ValidationContextType::ValidationContext(context))
        }
        (None, false) => None,
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            validation_context_type: validation,
            ..CommonTlsContext::default()
        }),
        sni: upstream.sni.clone().unwrap_or_default(),
        ..UpstreamTlsContext::default()
    };
    Ok(Some(socket(&context)))
}

/// No socket, unless something was given that needs one.
fn none<const N: usize>(
    given: [(&str, bool); N],
    reason: &str,
) -> Result<Option<TransportSocket>, QuickstartError> {
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(QuickstartError(reason.replace("{}", name))),
        None => Ok(None),
    }
}

fn socket<M: Message + Name>(context: &M) -> TransportSocket {
    TransportSocket {
        name: "envoy.transport_sockets.tls".into(),
        config_type: Some(ConfigType::TypedConfig(any(context))),
    }
}

fn certificate(pair: &Pair) -> TlsCertificate {
    let (chain, key) = match pair {
        Pair::Files(chain, key) => [chain, key]
            .map(|name| Specifier::Filename(name.clone()))
            .into(),
        Pair::Inline(chain, key) => [chain, key]
            .map(|text| Specifier::InlineString(text.clone()))
            .into(),
    };
    TlsCertificate {
        certificate_chain: Some(source(chain)),
        private_key: Some(source(key)),
        ..TlsCertificate::default()
    }
}

fn trusted(ca: &str) -> ValidationContextType {
    let context = CertificateValidationContext {
        trusted_ca: Some(source(Specifier::Filename(ca.to_owned()))),
        ..CertificateValidationContext::default()
    };
    ValidationContextType::ValidationContext(context)
}

fn source(specifier: Specifier) -> DataSource {
    DataSource {
        specifier: Some(specifier),
        watched_directory: None,
    }
}
