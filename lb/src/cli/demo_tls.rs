//! The certificate of `ringlb demo --tls`: made for it, known to nobody else.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tls::{Client, ClientContext, ClientSettings, Identity, Provider, Trust, Version};

/// How long it is valid.
const VALID: Duration = Duration::from_secs(30 * 24 * 3600);

/// A certificate for this machine, and the file that holds it for clients.
pub(super) struct Certificate {
    chain: String,
    key: String,
    file: PathBuf,
    fingerprint: String,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub(super) fn new() -> Result<Self, String> {
        let told = |error: rcgen::Error| error.to_string();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).map_err(told)?;
        let now = date_time_ymd(1970, 1, 1) + engines::UnixTime::now().0;
        // Clocks differ.
        params.not_before = now - Duration::from_secs(3600);
        params.not_after = now + VALID;
        let key = KeyPair::generate().map_err(told)?;
        let chain = params.self_signed(&key).map_err(told)?.pem();
        let key = key.serialize_pem();
        let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes());
        let hash = identity
            .map_err(|error| error.to_string())?
            .certificate()
            .sha256();
        let bytes: Vec<_> = hash.iter().map(|byte| format!("{byte:02X}")).collect();
        let name = format!("ringlb-demo-{}.pem", bytes[..8].concat());
        let file = std::env::temp_dir().join(name);
        let mut open = OpenOptions::new();
        let written = open.write(true).create_new(true).open(&file);
        let written = written.and_then(|mut file| file.write_all(chain.as_bytes()));
        written.map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self {
            chain,
            key,
            file,
            fingerprint: bytes.join(":"),
        })
    }

    /// The certificate and its key, PEM.
    pub(super) fn pair(&self) -> (String, String) {
        (self.chain.clone(), self.key.clone())
    }

    /// The file that holds the certificate.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// SHA-256 as browsers show it.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What a client that believes nobody else speaks with.
    ///
    /// # Errors
    /// The provider refuses the settings.
    pub(super) fn client(&self) -> Result<Arc<ClientContext>, String> {
        let settings = ClientSettings {
            server: Client::Verified(Trust {
                ca: Some(self.chain.clone().into_bytes()),
                ..Trust::default()
            }),
            identity: None,
            alpn: vec![b"http/1.1".to_vec()],
            versions: (Version::Tls12, Version::Tls13),
            suites: Vec::new(),
            groups: Vec::new(),
            sessions_max: 0,
            key_log: None,
        };
        ClientContext::new(&Provider::system(), settings).map_err(|error| error.to_string())
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_certificate_only_and_goes_with_it() {
        let certificate = Certificate::new().unwrap();
        let file = certificate.file().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("CERTIFICATE") && !text.contains("PRIVATE"));
        assert_eq!(certificate.fingerprint().len(), 95);
        assert!(certificate.client().is_ok());
        drop(certificate);
        assert!(!file.exists());
    }
}
