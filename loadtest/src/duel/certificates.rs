//! What proxies over TLS present: certificates made for one comparison, and whom its load believes.

use crate::{run::Tls, serve::SelfSigned};
use std::{fs, path::Path};
use tls::{Client, ClientSettings, Group, Suite, Version};

/// Not a secret: ring makes no keys for RSA, so that all comparisons have this one.
const RSA_KEY: &str = include_str!("templates/rsa-key.pem");

/// What everybody agrees on: TLS 1.3 with this suite and this group.
pub(super) const SUITE: &str = "TLS_AES_128_GCM_SHA256";
pub(super) const GROUP: &str = "X25519";

/// A certificate for ECDSA on P-256, and one for RSA with 2048 bits.
#[derive(Debug)]
pub(super) struct Certificates {
    ecdsa: SelfSigned,
    rsa: SelfSigned,
}

impl Certificates {
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            ecdsa: SelfSigned::localhost()?,
            rsa: SelfSigned::with_key(RSA_KEY)?,
        })
    }

    /// Writes `ec.pem`, `ec.key`, `rsa.pem` and `rsa.key`, and for those who want both in one file
    /// `ec-all.pem` and `rsa-all.pem`.
    pub(super) fn write(&self, dir: &Path) -> Result<(), String> {
        for (name, made) in [("ec", &self.ecdsa), ("rsa", &self.rsa)] {
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
pub(super) fn tls() -> Result<Tls, String> {
    let missing = |name: &str| format!("{name} is not in this build");
    let settings = ClientSettings {
        server: Client::Unverified,
        identity: None,
        alpn: Vec::new(),
        versions: (Version::Tls13, Version::Tls13),
        suites: vec![Suite::parse(SUITE).ok_or_else(|| missing(SUITE))?],
        groups: vec![Group::parse(GROUP).ok_or_else(|| missing(GROUP))?],
        sessions_max: 0,
        key_log: None,
    };
    Tls::new(settings, "localhost").map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_both_kinds_are_made_and_can_be_used() {
        let made = Certificates::new().unwrap();
        for certificate in [&made.ecdsa, &made.rsa] {
            let identity = certificate.identity().unwrap();
            assert!(identity.names().contains(&"localhost".into()));
        }
        assert!(made.ecdsa.key.contains("PRIVATE KEY"));
        assert!(tls().is_ok());
    }
}
