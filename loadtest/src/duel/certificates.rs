//! What proxies over TLS present: certificates made for one comparison, and whom its load believes.

use crate::{run::Tls, serve::SelfSigned};
use std::{fs, path::Path};
use tls::{Client, ClientSettings, Group, Suite, Version};

/// Not a secret: ring makes no keys for RSA, so that all comparisons have this one.
const RSA_KEY: &str = include_str!("templates/rsa-key.pem");

/// The same for SM2, with its certificate, as rcgen makes none either.
const SM_KEY: &str = include_str!("templates/sm-key.pem");
const SM_CERTIFICATE: &str = include_str!("templates/sm-cert.pem");

/// What everybody agrees on: TLS 1.3 with this suite and this group.
pub(super) const SUITE: &str = "TLS_AES_128_GCM_SHA256";
pub(super) const GROUP: &str = "X25519";

/// The same where RFC 8998 is spoken.
pub(super) const SM_SUITE: &str = "TLS_SM4_GCM_SM3";
pub(super) const SM_GROUP: &str = "curveSM2";

/// Certificates for ECDSA on P-256, RSA with 2048 bits, and SM2.
#[derive(Debug)]
pub(super) struct Certificates {
    ecdsa: SelfSigned,
    rsa: SelfSigned,
    sm: SelfSigned,
}

impl Certificates {
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            ecdsa: SelfSigned::localhost()?,
            rsa: SelfSigned::with_key(RSA_KEY)?,
            sm: SelfSigned {
                chain: SM_CERTIFICATE.to_owned(),
                key: SM_KEY.to_owned(),
            },
        })
    }

    /// Writes `ec.pem`, `ec.key`, and for those who want both in one file `ec-all.pem`; and the same of `rsa`
    /// and `sm`.
    pub(super) fn write(&self, dir: &Path) -> Result<(), String> {
        let all = [("ec", &self.ecdsa), ("rsa", &self.rsa), ("sm", &self.sm)];
        for (name, made) in all {
            for (end, text) in [
                (".pem", made.chain.clone()),
                (".key", made.key.clone()),
                ("-all.pem", made.chain.clone() + &made.key),
            ] {
                let path = dir.join(format!("{name}{end}"));
                let written = fs::write(&path, text);
                written.map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// The load's side: it offers no more than what everybody agrees on, and saves itself the verification.
pub(super) fn tls(suite: &str, group: &str) -> Result<Tls, String> {
    let missing = |name: &str| format!("{name} is not in this build");
    let settings = ClientSettings {
        server: Client::Unverified,
        identity: None,
        alpn: Vec::new(),
        versions: (Version::Tls13, Version::Tls13),
        suites: vec![Suite::parse(suite).ok_or_else(|| missing(suite))?],
        groups: vec![Group::parse(group).ok_or_else(|| missing(group))?],
        sessions_max: 0,
        key_log: None,
    };
    Tls::new(settings, "localhost").map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_all_kinds_are_made_and_can_be_used() {
        let made = Certificates::new().unwrap();
        for certificate in [&made.ecdsa, &made.rsa, &made.sm] {
            let identity = certificate.identity().unwrap();
            assert!(identity.names().contains(&"localhost".into()));
        }
        assert!(made.ecdsa.key.contains("PRIVATE KEY"));
        assert!(tls(SUITE, GROUP).is_ok());
        assert!(tls(SM_SUITE, SM_GROUP).is_ok());
    }
}
