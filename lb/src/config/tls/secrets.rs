//! The secrets that a context refers to, by name or inline.

use super::trust;
use crate::config::{
    compile::{Compiler, at},
    secrets::{Fault, Recipe, Value, Values},
};
use prost::Message;
use xds::api::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SdsSecretConfig, Secret,
    common_tls_context::ValidationContextType as Validation, secret::Type,
};

/// The places of a validation context's parts, and the path of each.
#[derive(Clone, Debug, Default)]
pub(super) struct TrustRef {
    parts: Vec<(usize, String)>,
}

/// A certificate's place and path.
pub(super) type CertificateRef = (usize, String);

impl Compiler {
    /// `static_resources.secrets`.
    pub(in crate::config) fn named_secrets(&mut self, secrets: &[Secret]) {
        for (index, secret) in secrets.iter().enumerate() {
            let path = at("static_resources.secrets", index);
            if secret.name.is_empty() {
                self.wrong(&format!("{path}.name"), "a name is missing");
                continue;
            }
            match self.secrets.add_named(secret) {
                Ok(true) => {}
                Ok(false) => {
                    let reason = format!("`{}` is already used", secret.name);
                    self.wrong(&format!("{path}.name"), reason);
                }
                Err(faults) => {
                    let kind = match &secret.r#type {
                        Some(Type::TlsCertificate(_)) => ".tls_certificate",
                        Some(Type::SessionTicketKeys(_)) => ".session_ticket_keys",
                        Some(Type::ValidationContext(_)) => ".validation_context",
                        None => "",
                    };
                    self.faults(&format!("{path}{kind}"), faults);
                }
            }
        }
    }

    fn faults(&mut self, path: &str, faults: Vec<Fault>) {
        for Fault { field, reason } in faults {
            match field.is_empty() {
                true => self.wrong(path, reason),
                false => self.wrong(&format!("{path}.{field}"), reason),
            }
        }
    }

    /// The certificates of a context; `None`: one is wrong.
    pub(super) fn certificates(
        &mut self,
        path: &str,
        from: &CommonTlsContext,
    ) -> Option<Vec<CertificateRef>> {
        let mut found = Vec::new();
        for (index, certificate) in from.tls_certificates.iter().enumerate() {
            let path = at(&format!("{path}.tls_certificates"), index);
            let added = self.secret(&path, Recipe::Certificate(certificate.clone()));
            found.push(added.map(|place| (place, path)));
        }
        for (index, named) in from.tls_certificate_sds_secret_configs.iter().enumerate() {
            let path = at(&format!("{path}.tls_certificate_sds_secret_configs"), index);
            let is_one = |value: &Value| matches!(value, Value::Certificate(_));
            let place = self.named_secret(&path, named, is_one);
            found.push(place.map(|place| (place, path)));
        }
        found.into_iter().collect()
    }

    /// Whom a context believes; `None`: it is wrong.
    pub(super) fn trust_of(&mut self, path: &str, from: &CommonTlsContext) -> Option<TrustRef> {
        let path = |field: &str| format!("{path}.{field}");
        match &from.validation_context_type {
            None => Some(TrustRef::default()),
            Some(Validation::ValidationContext(inline)) => {
                self.trust_parts(&path("validation_context"), Some(inline), None)
            }
            Some(Validation::ValidationContextSdsSecretConfig(named)) => {
                let field = path("validation_context_sds_secret_config");
                self.trust_parts("", None, Some((&field, named)))
            }
            Some(Validation::CombinedValidationContext(both)) => {
                let path = path("combined_validation_context");
                let inline = format!("{path}.default_validation_context");
                let field = format!("{path}.validation_context_sds_secret_config");
                let named = both.validation_context_sds_secret_config.as_ref();
                if named.is_none() {
                    self.wrong(&field, "is missing");
                }
                let default = both.default_validation_context.as_ref();
                self.trust_parts(&inline, default, Some((&field, named?)))
            }
        }
    }

    fn trust_parts(
        &mut self,
        path: &str,
        inline: Option<&CertificateValidationContext>,
        named: Option<(&String, &SdsSecretConfig)>,
    ) -> Option<TrustRef> {
        let mut parts = Vec::new();
        if let Some(inline) = inline {
            let place = self.secret(path, Recipe::Trust(inline.clone()));
            parts.push((place?, path.to_owned()));
        }
        if let Some((path, named)) = named {
            let is_one = |value: &Value| matches!(value, Value::Trust(_));
            parts.push((self.named_secret(path, named, is_one)?, path.clone()));
        }
        Some(TrustRef { parts })
    }

    /// Adds a secret that has no name.
    pub(super) fn secret(&mut self, path: &str, recipe: Recipe) -> Option<usize> {
        let added = self.secrets.add(path, recipe);
        added.map_err(|faults| self.faults(path, faults)).ok()
    }

    /// The place of a named secret of a kind. Of one that cannot be used nothing is told where it is named: what is
    /// wrong with it was.
    pub(super) fn named_secret(
        &mut self,
        path: &str,
        from: &SdsSecretConfig,
        is_kind: impl Fn(&Value) -> bool,
    ) -> Option<usize> {
        if self.secrets.is_broken(&from.name) {
            return None;
        }
        let found = self.secrets.named(&from.name);
        let reason = match found.map(|place| is_kind(self.secrets.values().get(place))) {
            Some(true) => return found,
            Some(false) => format!("`{}` is a secret of another kind", from.name),
            None => format!(
                "there is no secret `{}` in `static_resources.secrets`",
                from.name
            ),
        };
        self.wrong(&format!("{path}.name"), reason);
        None
    }
}

impl Compiler {
    /// Tells what is wrong with a setting at the field that it comes from. `path`: of the context.
    pub(super) fn wrong_setting(
        &mut self,
        path: &str,
        certificates: &[CertificateRef],
        trust: &TrustRef,
        error: &tls::SettingsError,
    ) {
        let common = format!("{path}.common_tls_context");
        let Fault { field, reason } = Fault::of_setting(error);
        let (part, index) = match error.field.split_once(['.', '[']) {
            Some((part, rest)) => (part, rest.split(']').next().and_then(|i| i.parse().ok())),
            None => (&*error.field, None),
        };
        match (part, certificates.get(index.unwrap_or(0))) {
            ("identity" | "identities", Some((_, path))) => self.wrong(path, reason),
            ("client_auth" | "server", _) => match trust.path() {
                // What is named has its fields elsewhere.
                Some(path) if path.ends_with("sds_secret_config") => {
                    self.wrong(path, format!("{field}: {reason}"));
                }
                Some(path) => self.wrong(&format!("{path}.{field}"), reason),
                None => self.wrong(&format!("{common}.validation_context.{field}"), reason),
            },
            ("suites" | "groups", _) => {
                self.wrong(&format!("{common}.tls_params.{field}"), reason);
            }
            _ => self.wrong(path, format!("{field}: {reason}")),
        }
    }
}

impl TrustRef {
    pub(super) fn is_none(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|(place, _)| *place)
    }

    /// The path of what was said first or last, for problems.
    pub(super) fn path(&self) -> Option<&str> {
        self.parts.last().map(|(_, path)| path.as_str())
    }

    /// All parts laid over each other.
    pub(super) fn merged(&self, values: &Values<'_>) -> CertificateValidationContext {
        let mut merged = CertificateValidationContext::default();
        for (place, _) in &self.parts {
            let Value::Trust(part) = values.get(*place) else {
                continue;
            };
            // What was encoded here can be decoded.
            let _ = merged.merge(&*part.encode_to_vec());
        }
        merged
    }

    /// What sessions verify by; see [`trust::trust`].
    pub(super) fn trust(&self, values: &Values<'_>, roots: bool) -> Result<tls::Trust, Fault> {
        trust::trust(&self.merged(values), roots)
    }
}
