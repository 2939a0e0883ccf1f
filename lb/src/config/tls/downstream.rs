//! TLS towards clients.

use super::{
    DownstreamTls, Live,
    params::Params,
    secrets::{CertificateRef, TrustRef},
    trust,
};
use crate::config::{
    compile::Compiler,
    secrets::{Fault, Recipe, Use, Value, Values},
};
use prost_types::Any;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tls::{ClientAuth, Provider, ServerContext, ServerSettings, SettingsError, Tickets};
use xds::api::envoy::{
    config::listener::v3::FilterChain,
    extensions::transport_sockets::tls::v3::{
        DownstreamTlsContext, downstream_tls_context::OcspStaplePolicy,
        downstream_tls_context::SessionTicketKeysType as TicketKeys,
    },
};

const HANDSHAKE_TIME: Option<Duration> = Some(Duration::from_secs(10));
const SESSION_TIME: Duration = Duration::from_secs(2 * 3600);

/// Seconds that a session can be resumed at most (RFC 8446 §4.6.1).
const SESSION_SECONDS_MAX: u64 = 604_800;

/// Sessions that a context remembers for clients that take no tickets.
const SESSIONS_MAX: usize = 4096;

/// What a context is made from.
struct Server {
    provider: Provider,
    certificates: Vec<CertificateRef>,
    trust: TrustRef,
    /// A client certificate has to be presented, whatever `trust` says.
    required: bool,
    params: Params,
    tickets: TicketSource,
    sessions_max: usize,
    session_time: Duration,
    scan_all: bool,
    require_sni: bool,
    must_staple: bool,
}

/// Where the keys of session tickets come from.
enum TicketSource {
    None,
    /// New ones whenever other clients are believed: a session is not to outlive that.
    Random(Mutex<Arc<Tickets>>),
    Secret(usize, Arc<Tickets>),
}

/// A context that is used.
struct Used {
    server: Arc<Server>,
    at: Arc<DownstreamTls>,
}

impl Compiler {
    /// `DownstreamTlsContext`.
    pub(super) fn server(
        &mut self,
        path: &str,
        any: &Any,
        chain: &FilterChain,
    ) -> Result<Arc<DownstreamTls>, ()> {
        let from: DownstreamTlsContext = self.decode(path, any).ok_or(())?;
        let problems = self.problems.len();
        let server = self.server_parts(path, &from).ok_or(())?;
        if self.problems.len() > problems {
            return Err(());
        }
        let made = server.make(&self.secrets.values(), server.tickets.current());
        let context = made.map_err(|error| {
            self.wrong_setting(path, &server.certificates, &server.trust, &error);
        })?;
        let timeout = chain.transport_socket_connect_timeout.as_ref();
        let at = Arc::new(DownstreamTls {
            context: Live::new(context),
            alpn: server.params.alpn.clone(),
            handshake_timeout: self.timeout(
                &path.replace(
                    "transport_socket.typed_config",
                    "transport_socket_connect_timeout",
                ),
                timeout,
                HANDSHAKE_TIME,
            ),
        });
        self.secrets.add_use(Arc::new(Used {
            server: Arc::new(server),
            at: at.clone(),
        }));
        Ok(at)
    }

    fn server_parts(&mut self, path: &str, from: &DownstreamTlsContext) -> Option<Server> {
        let common_path = format!("{path}.common_tls_context");
        let common = from.common_tls_context.clone().unwrap_or_default();
        let params = self.tls_params(&common_path, &common);
        let certificates = self.certificates(&common_path, &common);
        let trust = self.trust_of(&common_path, &common);
        let required = from.require_client_certificate.unwrap_or(false);
        let time_path = format!("{path}.session_timeout");
        let session_time = self.duration(&time_path, from.session_timeout.as_ref(), SESSION_TIME);
        if session_time > Duration::from_secs(SESSION_SECONDS_MAX) {
            let reason = format!("is longer than the {SESSION_SECONDS_MAX} s that TLS allows");
            self.wrong(&time_path, reason);
        }
        let tickets = match session_time.is_zero() {
            true => Some(TicketSource::None),
            false => self.tickets(path, from),
        };
        let (certificates, trust) = (certificates?, trust?);
        if certificates.is_empty() {
            self.wrong(
                &format!("{common_path}.tls_certificates"),
                "there has to be one",
            );
            return None;
        }
        self.check_client_trust(&common_path, &trust, required);
        self.check_promises(&certificates);
        self.warn_of_sm2(&certificates);
        let remembers = !from.disable_stateful_session_resumption && !session_time.is_zero();
        Some(Server {
            provider: self.provider(),
            certificates,
            trust,
            required,
            params,
            tickets: tickets?,
            sessions_max: if remembers { SESSIONS_MAX } else { 0 },
            session_time,
            scan_all: from.full_scan_certs_on_sni_mismatch.unwrap_or(false),
            require_sni: from.require_sni.unwrap_or(false),
            must_staple: from.ocsp_staple_policy() == OcspStaplePolicy::MustStaple,
        })
    }

    /// Nobody can present a certificate that nothing is known of.
    fn check_client_trust(&mut self, path: &str, found: &TrustRef, required: bool) {
        let merged = found.merged(&self.secrets.values());
        let is_enough = merged.trusted_ca.is_some()
            || merged.system_root_certs.is_some()
            || trust::is_pinned(&merged)
            || trust::accepts_any(&merged);
        if found.is_none() && required {
            let reason = "is needed to tell which client certificates are believed";
            self.wrong(&format!("{path}.validation_context"), reason);
        } else if let Some(path) = found.path().filter(|_| !is_enough) {
            let reason = "is needed to tell which client certificates are believed";
            self.wrong(&format!("{path}.trusted_ca"), reason);
        }
    }

    /// Tells of certificates that clients may refuse.
    fn check_promises(&mut self, certificates: &[CertificateRef]) {
        for (place, path) in certificates {
            let is_broken = match self.secrets.values().get(*place) {
                Value::Certificate(identity) => identity.is_must_staple() && !identity.has_staple(),
                Value::Tickets(_) | Value::Trust(_) => false,
            };
            if is_broken {
                let reason =
                    "promises clients an OCSP response (RFC 7633), and has no `ocsp_staple`";
                self.warn(path, reason);
            }
        }
    }

    fn tickets(&mut self, path: &str, from: &DownstreamTlsContext) -> Option<TicketSource> {
        let place = match &from.session_ticket_keys_type {
            None | Some(TicketKeys::DisableStatelessSessionResumption(false)) => {
                return Some(TicketSource::Random(Mutex::new(Tickets::random(
                    &self.provider(),
                ))));
            }
            Some(TicketKeys::DisableStatelessSessionResumption(true)) => {
                return Some(TicketSource::None);
            }
            Some(TicketKeys::SessionTicketKeys(keys)) => {
                let path = format!("{path}.session_ticket_keys");
                self.secret(&path, Recipe::Tickets(keys.clone()))?
            }
            Some(TicketKeys::SessionTicketKeysSdsSecretConfig(named)) => {
                let path = format!("{path}.session_ticket_keys_sds_secret_config");
                let is_one = |value: &Value| matches!(value, Value::Tickets(_));
                self.named_secret(&path, named, is_one)?
            }
        };
        let keys = match self.secrets.values().get(place) {
            Value::Tickets(keys) => Tickets::from_keys(keys),
            Value::Certificate(_) | Value::Trust(_) => return None,
        };
        let wrong = |error: SettingsError| self.wrong(path, error.to_string());
        let tickets = keys.map_err(wrong).ok()?;
        Some(TicketSource::Secret(place, tickets))
    }
}

impl Server {
    /// Makes the context with these secrets.
    fn make(
        &self,
        values: &Values<'_>,
        tickets: Option<Arc<Tickets>>,
    ) -> Result<Arc<ServerContext>, SettingsError> {
        let settings = ServerSettings {
            identities: super::identities(&self.certificates, values),
            alpn: codecs::with_older_alpn(self.params.alpn.clone()),
            versions: self.params.versions,
            suites: self.params.suites.clone(),
            groups: self.params.groups.clone(),
            client_auth: self.client_auth(values)?,
            tickets,
            sessions_max: self.sessions_max,
            session_time: self.session_time,
            scan_all: self.scan_all,
            require_sni: self.require_sni,
            must_staple: self.must_staple,
            key_log: self.params.key_log.clone(),
        };
        ServerContext::new(&self.provider, settings)
    }

    fn client_auth(&self, values: &Values<'_>) -> Result<ClientAuth, SettingsError> {
        if self.trust.is_none() {
            return Ok(ClientAuth::None);
        }
        let merged = self.trust.merged(values);
        // As in Envoy: who says what a certificate has to be asks for one.
        let required = self.required
            || trust::is_pinned(&merged)
            || !merged.match_typed_subject_alt_names.is_empty();
        let wrong = |fault: Fault| SettingsError {
            field: format!("client_auth.{}", fault.field),
            reason: fault.reason,
        };
        let trust = self.trust.trust(values, false).map_err(wrong)?;
        Ok(match required {
            true => ClientAuth::Required(trust),
            false => ClientAuth::Optional(trust),
        })
    }
}

impl TicketSource {
    fn current(&self) -> Option<Arc<Tickets>> {
        match self {
            Self::None => None,
            Self::Random(tickets) => {
                let tickets = tickets.lock().unwrap_or_else(PoisonError::into_inner);
                Some(tickets.clone())
            }
            Self::Secret(_, tickets) => Some(tickets.clone()),
        }
    }

    /// Puts other keys in the place of those that were given, if they are among what changed.
    fn replacement(&self, values: &Values<'_>, changed: &[usize]) -> Option<Box<dyn FnOnce()>> {
        let Self::Secret(place, tickets) = self else {
            return None;
        };
        match values.get(*place) {
            Value::Tickets(keys) if changed.contains(place) => {
                let (tickets, keys) = (tickets.clone(), keys.clone());
                // They were checked when they were read.
                Some(Box::new(move || drop(tickets.replace(&keys))))
            }
            Value::Tickets(_) | Value::Certificate(_) | Value::Trust(_) => None,
        }
    }

    fn put(&self, new: Option<Arc<Tickets>>) {
        if let (Self::Random(tickets), Some(new)) = (self, new) {
            *tickets.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }
}

impl Use for Used {
    fn secrets(&self) -> Vec<usize> {
        let certificates = self.server.certificates.iter().map(|(place, _)| *place);
        let tickets = match &self.server.tickets {
            TicketSource::Secret(place, _) => Some(*place),
            TicketSource::None | TicketSource::Random(_) => None,
        };
        let trust = self.server.trust.secrets();
        certificates.chain(trust).chain(tickets).collect()
    }

    fn remake(&self, values: &Values<'_>, changed: &[usize]) -> Result<Box<dyn FnOnce()>, String> {
        let server = self.server.clone();
        let replace_keys = server.tickets.replacement(values, changed);
        let replace_keys = match (replace_keys, changed) {
            (Some(replace), [_]) => return Ok(replace),
            (replace, _) => replace,
        };
        let other_trust = server.trust.secrets().any(|place| changed.contains(&place));
        let tickets = match &server.tickets {
            TicketSource::Random(_) if other_trust => Some(Tickets::random(&server.provider)),
            TicketSource::None | TicketSource::Random(_) | TicketSource::Secret(..) => {
                server.tickets.current()
            }
        };
        let made = server.make(values, tickets.clone());
        let told = |error: SettingsError| Fault::of_setting(&error).to_string();
        let (context, at) = (made.map_err(told)?, self.at.clone());
        Ok(Box::new(move || {
            at.context.put(context);
            server.tickets.put(tickets);
            if let Some(replace) = replace_keys {
                replace();
            }
        }))
    }

    fn rotate_tickets(&self, now: tls::Now) {
        if let TicketSource::Random(tickets) = &self.server.tickets {
            let tickets = tickets.lock().unwrap_or_else(PoisonError::into_inner);
            tickets.rotate(now);
        }
    }
}
