//! The certificates of all runs, made once: Ed25519 from fixed keys, so that they are the same in every
//! process.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    SerialNumber, date_time_ymd,
};
use std::sync::LazyLock;
use tls::{Identity, Trust};

/// RFC 8410 §7: what a private key of 32 bytes comes behind.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// A certificate with its key, PEM.
pub(crate) struct Issued {
    pub(crate) pem: String,
    pub(crate) key: String,
}

/// All of them. The calendar of a run begins with 2026.
pub(crate) struct Certificates {
    pub(crate) ca: String,
    pub(crate) a: Issued,
    pub(crate) b: Issued,
    pub(crate) endpoint: Issued,
    /// An endpoint's that was valid until 2025.
    pub(crate) expired: Issued,
    /// The proxy's towards endpoints.
    pub(crate) proxy: Issued,
    pub(crate) client: Issued,
    /// Another authority's.
    pub(crate) stranger: Issued,
}

static ALL: LazyLock<Certificates> = LazyLock::new(|| {
    let (ca, other) = (authority("ca", 1), authority("other", 2));
    let issue = |name, number| issue(&ca, name, number, 2040);
    Certificates {
        a: issue("a.test", 3),
        b: issue("b.test", 4),
        endpoint: issue("endpoint.test", 5),
        expired: self::issue(&ca, "endpoint.test", 6, 2025),
        proxy: issue("proxy.test", 7),
        client: issue("client.test", 8),
        stranger: self::issue(&other, "client.test", 9, 2040),
        ca: ca.pem(),
    }
});

pub(crate) fn all() -> &'static Certificates {
    &ALL
}

impl Issued {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(self.pem.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A `TlsCertificate`.
    pub(crate) fn yaml(&self) -> String {
        let (pem, key) = (inline(&self.pem), inline(&self.key));
        format!("{{certificate_chain: {pem}, private_key: {key}}}")
    }
}

impl Certificates {
    /// Whoever the authority vouches for.
    pub(crate) fn trust(&self) -> Trust {
        Trust {
            ca: Some(self.ca.clone().into_bytes()),
            ..Trust::default()
        }
    }

    /// The same as a `CertificateValidationContext`.
    pub(crate) fn trust_yaml(&self) -> String {
        format!("{{trusted_ca: {}}}", inline(&self.ca))
    }
}

fn inline(text: &str) -> String {
    format!("{{inline_string: {text:?}}}")
}

fn key(number: u8) -> KeyPair {
    let der = [&PKCS8[..], &[number; 32]].concat();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(der)
    );
    KeyPair::from_pem(&pem).unwrap()
}

fn params(name: &str, number: u8, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(u64::from(number)));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn authority(name: &str, number: u8) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params(name, number, 2040);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, key(number)).unwrap()
}

fn issue(ca: &CertifiedIssuer<'static, KeyPair>, name: &str, number: u8, until: i32) -> Issued {
    let key = key(number);
    Issued {
        pem: params(name, number, until)
            .signed_by(&key, ca)
            .unwrap()
            .pem(),
        key: key.serialize_pem(),
    }
}
