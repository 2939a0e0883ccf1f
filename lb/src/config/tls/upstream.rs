//! TLS towards endpoints. Whom it speaks with is verified, unless that is turned off.

use super::{
    Live, UpstreamTls,
    params::Params,
    secrets::{CertificateRef, TrustRef},
    trust,
};
use crate::config::{
    UpstreamProtocol,
    compile::Compiler,
    secrets::{Fault, Use, Values},
};
use codecs::PROTOCOLS;
use prost_types::Any;
use std::sync::Arc;
use tls::{Client, ClientContext, ClientSettings, Provider, SettingsError};
use xds::api::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, UpstreamTlsContext,
};

/// Sessions that a context remembers for resumption.
const SESSIONS_MAX: u32 = 64;

/// The most that can be asked for: what is remembered takes memory from the start.
const SESSIONS_LIMIT: u32 = 65_536;

/// What a context is made from.
struct ClientParts {
    provider: Provider,
    certificates: Vec<CertificateRef>,
    trust: TrustRef,
    params: Params,
    /// `auto_sni_san_validation`.
    name_only: bool,
    sessions_max: usize,
    protocol: UpstreamProtocol,
}

type Contexts = (Arc<ClientContext>, Option<Arc<ClientContext>>);

/// A context that is used.
struct Used {
    parts: Arc<ClientParts>,
    at: Arc<UpstreamTls>,
}

impl Compiler {
    /// `UpstreamTlsContext`.
    pub(super) fn client(
        &mut self,
        path: &str,
        any: &Any,
        protocol: UpstreamProtocol,
    ) -> Option<Arc<UpstreamTls>> {
        let from: UpstreamTlsContext = self.decode(path, any)?;
        let problems = self.problems.len();
        let parts = self.client_parts(path, &from, protocol)?;
        if self.problems.len() > problems {
            return None;
        }
        self.check_alpn(path, &parts.params.alpn, protocol);
        let check_name = parts.checks_name(&parts.trust.merged(&self.secrets.values()));
        let made = parts.make(&self.secrets.values());
        let wrong = |error: SettingsError| {
            self.wrong_setting(path, &parts.certificates, &parts.trust, &error);
        };
        let (context, http2) = made.map_err(wrong).ok()?;
        let at = Arc::new(UpstreamTls {
            context: Live::new(context),
            http2: http2.map(Live::new),
            sni: Some(from.sni.as_str())
                .filter(|sni| !sni.is_empty())
                .map(Box::from),
            auto_host_sni: from.auto_host_sni,
            check_name,
        });
        self.secrets.add_use(Arc::new(Used {
            parts: Arc::new(parts),
            at: at.clone(),
        }));
        Some(at)
    }

    fn client_parts(
        &mut self,
        path: &str,
        from: &UpstreamTlsContext,
        protocol: UpstreamProtocol,
    ) -> Option<ClientParts> {
        let common_path = format!("{path}.common_tls_context");
        let common = from.common_tls_context.clone().unwrap_or_default();
        let params = self.tls_params(&common_path, &common);
        let certificates = self.certificates(&common_path, &common);
        let trust = self.trust_of(&common_path, &common);
        let (certificates, trust) = (certificates?, trust?);
        if certificates.len() > 1 {
            self.wrong(
                &certificates[1].1,
                "there can be only one towards endpoints",
            );
        }
        self.warn_of_sm2(&certificates);
        if !from.sni.is_empty() && !tls::is_name(&from.sni) {
            let reason = format!("`{}` is neither a host name nor an address", from.sni);
            self.wrong(&format!("{path}.sni"), reason);
        }
        if let Some(path) = trust.path().map(str::to_owned)
            && trust::accepts_any(&trust.merged(&self.secrets.values()))
        {
            let reason = "whoever answers is believed to be the endpoint";
            self.warn(&format!("{path}.trust_chain_verification"), reason);
        }
        let sessions_max = from.max_session_keys.unwrap_or(SESSIONS_MAX);
        if sessions_max > SESSIONS_LIMIT {
            let reason = format!("has to be between 0 and {SESSIONS_LIMIT}");
            self.wrong(&format!("{path}.max_session_keys"), reason);
        }
        Some(ClientParts {
            provider: self.provider(),
            certificates,
            trust,
            params,
            protocol,
            name_only: from.auto_sni_san_validation,
            sessions_max: usize::try_from(sessions_max).unwrap_or(usize::MAX),
        })
    }

    fn check_alpn(&mut self, path: &str, alpn: &[Vec<u8>], protocol: UpstreamProtocol) {
        let known: Vec<_> = PROTOCOLS.iter().flat_map(|one| one.alpn()).collect();
        for (index, name) in alpn.iter().enumerate() {
            // A cluster behind a TCP proxy may speak what is not known here.
            let name = name.escape_ascii().to_string();
            let known = known.iter().map(|known| known.escape_ascii().to_string());
            let is_known = known.clone().any(|known| known == name);
            let near = xds::did_you_mean(&name, known);
            if !is_known && !near.is_empty() {
                let path = format!("{path}.common_tls_context.alpn_protocols[{index}]");
                self.warn(&path, format!("offers `{name}`, which is not known{near}"));
            }
        }
        let offers_h2 = alpn.iter().any(|name| name == b"h2");
        let reason = match protocol {
            UpstreamProtocol::Http2 if !alpn.is_empty() && !offers_h2 => {
                "does not offer h2, which the cluster is said to speak"
            }
            UpstreamProtocol::Http1 if offers_h2 => {
                "offers h2, but the cluster is said to speak HTTP/1"
            }
            UpstreamProtocol::Auto
            | UpstreamProtocol::Downstream
            | UpstreamProtocol::Http1
            | UpstreamProtocol::Http2 => return,
        };
        let path = format!("{path}.common_tls_context.alpn_protocols");
        self.warn(&path, reason);
    }
}

/// What is offered by ALPN if nothing is configured, and what besides if the client's HTTP version decides.
fn offers(
    protocol: UpstreamProtocol,
) -> (&'static [&'static str], Option<&'static [&'static str]>) {
    match protocol {
        // A cluster behind a TCP proxy speaks anything.
        UpstreamProtocol::Http1 => (&[], None),
        UpstreamProtocol::Http2 => (&["h2"], None),
        UpstreamProtocol::Auto => (&["h2", "http/1.1"], None),
        UpstreamProtocol::Downstream => (&["http/1.1"], Some(&["h2"])),
    }
}

impl ClientParts {
    /// Makes the contexts with these secrets: the one, and that for HTTP/2 if the client's version decides.
    fn make(&self, values: &Values<'_>) -> Result<Contexts, SettingsError> {
        let (first, second) = offers(self.protocol);
        let http2 = second.map(|offer| self.context(values, offer));
        Ok((self.context(values, first)?, http2.transpose()?))
    }

    fn context(
        &self,
        values: &Values<'_>,
        offer: &[&str],
    ) -> Result<Arc<ClientContext>, SettingsError> {
        let alpn = match self.params.alpn.is_empty() {
            true => offer.iter().map(|name| name.as_bytes().to_vec()).collect(),
            false => self.params.alpn.clone(),
        };
        let settings = ClientSettings {
            server: self.server(values)?,
            identity: super::identities(&self.certificates, values).pop(),
            alpn,
            versions: self.params.versions,
            suites: self.params.suites.clone(),
            groups: self.params.groups.clone(),
            sessions_max: self.sessions_max,
            key_log: self.params.key_log.clone(),
        };
        ClientContext::new(&self.provider, settings)
    }

    fn server(&self, values: &Values<'_>) -> Result<Client, SettingsError> {
        if trust::accepts_any(&self.trust.merged(values)) {
            return Ok(Client::Unverified);
        }
        let wrong = |fault: Fault| SettingsError {
            field: format!("server.{}", fault.field),
            reason: fault.reason,
        };
        let mut trust = self.trust.trust(values, true).map_err(wrong)?;
        if self.name_only {
            trust.sans.clear();
        }
        Ok(Client::Verified(trust))
    }

    /// Whether a certificate has to be for the endpoint's name.
    fn checks_name(&self, merged: &CertificateValidationContext) -> bool {
        let is_known_otherwise = !merged.match_typed_subject_alt_names.is_empty()
            || (trust::is_pinned(merged) && merged.trusted_ca.is_none());
        !trust::accepts_any(merged) && (self.name_only || !is_known_otherwise)
    }
}

impl Use for Used {
    fn secrets(&self) -> Vec<usize> {
        let certificates = self.parts.certificates.iter().map(|(place, _)| *place);
        certificates.chain(self.parts.trust.secrets()).collect()
    }

    fn remake(&self, values: &Values<'_>, _changed: &[usize]) -> Result<Box<dyn FnOnce()>, String> {
        let told = |error: SettingsError| Fault::of_setting(&error).to_string();
        if self.parts.checks_name(&self.parts.trust.merged(values)) != self.at.check_name {
            return Err("whether the endpoints' names are checked cannot change".into());
        }
        let (context, http2) = self.parts.make(values).map_err(told)?;
        let at = self.at.clone();
        Ok(Box::new(move || {
            at.context.put(context);
            if let (Some(live), Some(http2)) = (&at.http2, http2) {
                live.put(http2);
            }
        }))
    }

    fn rotate_tickets(&self, _now: tls::Now) {}
}
