//! Versions, cipher suites, groups, protocols and key logs: what both directions share.

use super::key_log::KeyLogFile;
use crate::config::compile::{Compiler, at};
use std::sync::Arc;
use tls::{Group, KeyLog, Suite, Version};
use xds::api::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, TlsParameters, tls_parameters::TlsProtocol,
};

/// Suites of TLS 1.3 where none of them is named.
const SUITES_13: [&str; 3] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// Suites of TLS 1.2 where none of them is named.
const SUITES_12: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

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
        let alpn = self.protocols(&format!("{path}.alpn_protocols"), &from.alpn_protocols);
        Params {
            versions: self.versions(&params_path, &params),
            suites: self.suites(&format!("{params_path}.cipher_suites"), &params),
            groups: self.groups(&format!("{params_path}.ecdh_curves"), &params),
            alpn: alpn.into_iter().map(Vec::from).collect(),
            key_log: self.key_log(path, from),
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
        let (mut suites, mut has) = (Vec::new(), [false; 2]);
        for (index, text) in from.cipher_suites.iter().enumerate() {
            for name in names(text) {
                match Suite::parse(name) {
                    Some(suite) if suites.contains(&suite) => {}
                    Some(suite) => suites.push(suite),
                    None => {
                        let reason = format!("`{name}` is unknown or not supported");
                        self.wrong(&at(path, index), reason);
                    }
                }
                has[usize::from(is_of_13(name))] = true;
            }
        }
        // A version without any would not be spoken at all.
        let rest = match has {
            [true, false] => &SUITES_13[..],
            [false, true] => &SUITES_12,
            [false, false] | [true, true] => &[],
        };
        suites.extend(rest.iter().filter_map(|name| Suite::parse(name)));
        suites
    }

    fn groups(&mut self, path: &str, from: &TlsParameters) -> Vec<Group> {
        let mut groups = Vec::new();
        for (index, name) in from.ecdh_curves.iter().enumerate() {
            match Group::parse(name) {
                Some(group) => groups.push(group),
                None => {
                    let reason = format!("`{name}` is unknown or not supported");
                    self.wrong(&at(path, index), reason);
                }
            }
        }
        groups
    }

    fn key_log(&mut self, path: &str, from: &CommonTlsContext) -> Option<Arc<dyn KeyLog>> {
        let log = from.key_log.as_ref()?;
        let path = format!("{path}.key_log.path");
        if log.path.is_empty() {
            self.wrong(&path, "is missing");
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

fn is_of_13(name: &str) -> bool {
    name.starts_with("TLS_") && !name.contains("_WITH_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_suites_is_its_members() {
        let of = |text| names(text).collect::<Vec<_>>();
        assert_eq!(of("A"), ["A"]);
        assert_eq!(of("[A|B]"), ["A", "B"]);
        assert_eq!(of("[A]"), ["A"]);
        assert_eq!(of("[A|B"), ["[A", "B"]);
    }

    #[test]
    fn suites_of_tls_1_3_are_told_by_their_names() {
        assert!(SUITES_13.iter().all(|name| is_of_13(name)));
        assert!(!SUITES_12.iter().any(|name| is_of_13(name)));
        assert!(!is_of_13("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
        assert!(is_of_13("TLS_SM4_GCM_SM3"));
    }
}
