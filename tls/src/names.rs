//! Names of cipher suites and of key exchange groups.

use crate::{Group, Suite};

/// Code, OpenSSL's name, IANA's name; in the order of preference of machines that have instructions for AES.
const SUITES: &[(u16, &str, &str)] = &[
    (0x1301, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    (
        0x1303,
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (
        0xC02B,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        0xC02F,
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        0xC02C,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        0xC030,
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        0xCCA9,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        0xCCA8,
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    #[cfg(feature = "sm")]
    (0x00C6, "TLS_SM4_GCM_SM3", "TLS_SM4_GCM_SM3"),
    #[cfg(feature = "sm")]
    (0x00C7, "TLS_SM4_CCM_SM3", "TLS_SM4_CCM_SM3"),
];

/// Code, BoringSSL's name, other names; in the order of preference.
const GROUPS: &[(u16, &str, &[&str])] = &[
    #[cfg(feature = "aws-lc")]
    (0x11EC, "X25519MLKEM768", &[]),
    (29, "X25519", &["x25519"]),
    (23, "P-256", &["secp256r1", "prime256v1"]),
    (24, "P-384", &["secp384r1"]),
    #[cfg(feature = "sm")]
    (41, "curveSM2", &["SM2"]),
];

impl Suite {
    pub(crate) const SM4_GCM_SM3: Self = Self(0x00C6);
    pub(crate) const SM4_CCM_SM3: Self = Self(0x00C7);

    /// By its IANA name (`TLS_AES_128_GCM_SHA256`, `TLS_SM4_GCM_SM3`) or OpenSSL's
    /// (`ECDHE-ECDSA-AES128-GCM-SHA256`); `None`: unknown, or not supported by this build.
    pub fn parse(name: &str) -> Option<Self> {
        let is_named = |row: &&(u16, &str, &str)| row.1 == name || row.2 == name;
        SUITES.iter().find(is_named).map(|row| Self(row.0))
    }

    /// Its name as OpenSSL writes it; `unknown` if this build does not support it.
    pub fn name(self) -> &'static str {
        let row = SUITES.iter().find(|row| row.0 == self.0);
        row.map_or("unknown", |row| row.1)
    }

    /// The names that [`Self::parse`] takes, as OpenSSL writes them, in the order of preference.
    pub fn supported() -> impl Iterator<Item = &'static str> {
        SUITES.iter().map(|row| row.1)
    }

    /// Where it stands in the default order.
    pub(crate) fn rank(self) -> usize {
        let rank = SUITES.iter().position(|row| row.0 == self.0);
        rank.unwrap_or(SUITES.len())
    }

    pub(crate) fn is_tls13(self) -> bool {
        self.0 >> 8 == 0x13 || self.is_sm()
    }

    /// One of RFC 8998.
    pub fn is_sm(self) -> bool {
        matches!(self.0, 0x00C6 | 0x00C7)
    }

    pub(crate) fn is_chacha(self) -> bool {
        matches!(self.0, 0x1303 | 0xCCA8 | 0xCCA9)
    }
}

impl Group {
    /// By the names that BoringSSL knows (`X25519`, `P-256`, `P-384`, `X25519MLKEM768`) and `curveSM2`;
    /// `None`: unknown, or not supported by this build.
    pub fn parse(name: &str) -> Option<Self> {
        let is_named = |row: &&(u16, &str, &[&str])| row.1 == name || row.2.contains(&name);
        GROUPS.iter().find(is_named).map(|row| Self(row.0))
    }

    /// The names that [`Self::parse`] takes, in the order of preference.
    pub fn supported() -> impl Iterator<Item = &'static str> {
        GROUPS.iter().map(|row| row.1)
    }

    /// Where it stands in the default order; `None`: not supported.
    pub(crate) fn rank(self) -> Option<usize> {
        GROUPS.iter().position(|row| row.0 == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_and_groups_are_known_by_all_their_names() {
        for (name, code) in [
            ("TLS_AES_128_GCM_SHA256", Some(0x1301)),
            ("ECDHE-RSA-CHACHA20-POLY1305", Some(0xCCA8)),
            ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Some(0xC02C)),
            ("ECDHE-RSA-AES128-SHA", None),
            ("tls_aes_128_gcm_sha256", None),
        ] {
            assert_eq!(Suite::parse(name), code.map(Suite), "{name}");
        }
        for (name, code) in [
            ("X25519", Some(29)),
            ("P-256", Some(23)),
            ("secp384r1", Some(24)),
            ("P-521", None),
        ] {
            assert_eq!(Group::parse(name), code.map(Group), "{name}");
        }
    }

    #[test]
    fn every_supported_name_parses_and_is_written_again() {
        for name in Suite::supported() {
            assert_eq!(Suite::parse(name).unwrap().name(), name);
        }
        assert!(Group::supported().all(|name| Group::parse(name).is_some()));
        assert_eq!(Suite(0).name(), "unknown");
    }
}
