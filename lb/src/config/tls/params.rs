//! Versions, cipher suites, groups, protocols and key logs: what both directions share.

use super::{key_log::KeyLogFile, secrets::CertificateRef};
use crate::config::{
    compile::{Compiler, at},
    secrets::Value,
};
use std::sync::Arc;
use tls::{Group, KeyKind, KeyLog, Suite, Version};
use xds::api::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, TlsParameters, tls_parameters::TlsProtocol,
};

/// What both directions share.
#[derive(Clone)]
pub(super) struct Params {
    pub(super) versions: (Version, Version),
    pub(super) suites: Vec<Suite>,
    pub(super) groups: Vec<Group>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) key_log: Option<Arc<dyn KeyLog>>,
}

impl Compiler {
    /// `path`: of `common_tls_context`.
    pub(super) fn tls_params(&mut self, path: &str, from: &CommonTlsContext) -> Params {
        let params_path = format!("{path}.tls_params");
        let params = from.tls_params.clone().unwrap_or_default();
        let suites = self.suites(&format!("{params_path}.cipher_suites"), &params);
        if suites.iter().copied().any(Suite::is_sm) {
            self.warn_of_sm4(&format!("{params_path}.cipher_suites"));
        }
        let alpn = self.protocols(&format!("{path}.alpn_protocols"), &from.alpn_protocols);
        Params {
            versions: self.versions(&params_path, &params),
            suites,
            groups: self.groups(&format!("{params_path}.ecdh_curves"), &params),
            alpn: alpn.into_iter().map(Vec::from).collect(),
            key_log: self.key_log(path, from),
        }
    }

    /// Tells of certificates that lead to SM4 if it has to look up tables.
    pub(super) fn warn_of_sm2(&mut self, certificates: &[CertificateRef]) {
        for (place, path) in certificates {
            let is_sm2 = match self.secrets.values().get(*place) {
                Value::Certificate(identity) => identity.kind() == KeyKind::Sm2,
                Value::Tickets(_) | Value::Trust(_) => false,
            };
            if is_sm2 {
                self.warn_of_sm4(path);
            }
        }
    }

    /// Tells if SM4 is to be used and has to look up tables in memory.
    fn warn_of_sm4(&mut self, path: &str) {
        if !tls::has_vector_sm4() {
            let reason = "this CPU has not the instructions that SM4 is written for: it is slow, and its \
                          time tells of its keys to who shares the CPU";
            self.warn(path, reason);
        }
    }

    fn versions(&mut self, path: &str, from: &TlsParameters) -> (Version, Version) {
        let low = match from.tls_minimum_protocol_version() {
            TlsProtocol::TlsAuto | TlsProtocol::TlSv12 => Version::Tls12,
            TlsProtocol::TlSv13 => Version::Tls13,
        };
        let high = match from.tls_maximum_protocol_version() {
            TlsProtocol::TlsAuto | TlsProtocol::TlSv13 => Version::Tls13,
            TlsProtocol::TlSv12 => Version::Tls12,
        };
        if low > high {
            let path = format!("{path}.tls_minimum_protocol_version");
            self.wrong(&path, "is above `tls_maximum_protocol_version`");
        }
        (low, high)
    }

    fn suites(&mut self, path: &str, from: &TlsParameters) -> Vec<Suite> {
        let mut suites = Vec::new();
        for (index, text) in from.cipher_suites.iter().enumerate() {
            for name in names(text) {
                match Suite::parse(name) {
                    Some(suite) if suites.contains(&suite) => {}
                    Some(suite) => suites.push(suite),
                    None => self.unsupported(&at(path, index), name, Suite::supported()),
                }
            }
        }
        suites
    }

    fn groups(&mut self, path: &str, from: &TlsParameters) -> Vec<Group> {
        let mut groups = Vec::new();
        for (index, name) in from.ecdh_curves.iter().enumerate() {
            match Group::parse(name) {
                Some(group) => groups.push(group),
                None => self.unsupported(&at(path, index), name, Group::supported()),
            }
        }
        groups
    }

    fn unsupported<'a>(&mut self, path: &str, name: &str, known: impl Iterator<Item = &'a str>) {
        let known: Vec<_> = known.collect();
        let near = xds::did_you_mean(name, known.iter().map(|name| (*name).to_owned()));
        let known = known.join(", ");
        let reason = format!("`{name}` is unknown or not supported, only {known}{near}");
        self.wrong(path, reason);
    }

    fn key_log(&mut self, path: &str, from: &CommonTlsContext) -> Option<Arc<dyn KeyLog>> {
        let log = from.key_log.as_ref()?;
        let path = format!("{path}.key_log.path");
        if log.path.is_empty() {
            self.wrong(&path, "is missing");
            return None;
        }
        if let Err(reason) = KeyLogFile::check(&log.path) {
            self.wrong(&path, reason);
            return None;
        }
        let reason = "who reads this file can read the connections; it is for debugging only";
        self.warn(&path, reason);
        Some(Arc::new(KeyLogFile::new(&log.path)))
    }
}

/// The names in an element of `cipher_suites`: one, or `[A|B]`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(text).split('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_one_is_told_which() {
        for (name, near) in [
            ("ECDHE-RSA-AES128-GCM-SHA265", "ECDHE-RSA-AES128-GCM-SHA256"),
            ("tls_aes_128_gcm_sha256", "TLS_AES_128_GCM_SHA256"),
            ("TLS_SM4_GCM", "TLS_SM4_GCM_SM3"),
        ] {
            let mut compiler = Compiler::default();
            let params = TlsParameters {
                cipher_suites: vec![name.into()],
                ..TlsParameters::default()
            };
            compiler.suites("x", &params);
            let reason = &compiler.problems[0].reason;
            assert!(
                reason.ends_with(&format!("; did you mean `{near}`?")),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_group_of_suites_is_its_members() {
        let of = |text| names(text).collect::<Vec<_>>();
        assert_eq!(of("A"), ["A"]);
        assert_eq!(of("[A|B]"), ["A", "B"]);
        assert_eq!(of("[A]"), ["A"]);
        assert_eq!(of("[A|B"), ["[A", "B"]);
    }
}
