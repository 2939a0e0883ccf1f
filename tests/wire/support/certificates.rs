//! Certificates that are made for the tests.

use super::scratch;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_RSA_SHA256};
use std::{fs, path::Path, sync::OnceLock};

/// ring makes no RSA keys, it only uses them.
const RSA: &str = include_str!("../../../tls/testdata/rsa.pkcs8.pem");

/// The authority `smca.pem` and its certificate `sm`: rcgen makes none with SM2.
const SM: [(&str, &str); 3] = [
    ("smca.pem", include_str!("../../../tls/testdata/sm2.ca.pem")),
    ("sm.pem", include_str!("../../../tls/testdata/sm2.cert.pem")),
    ("sm.key", include_str!("../../../tls/testdata/sm2.key.pem")),
];

/// A directory with the authority `ca.pem` and its certificates `www`, `api` and `rsa`, each `.pem` and `.key`,
/// and the same of SM2.
pub(crate) fn certificates() -> String {
    static MADE: OnceLock<String> = OnceLock::new();
    let make = || {
        let folder = scratch("certificates");
        fs::create_dir_all(&folder).unwrap();
        write(&folder);
        folder.display().to_string()
    };
    MADE.get_or_init(make).clone()
}

fn write(folder: &Path) {
    for (name, text) in SM {
        fs::write(folder.join(name), text).unwrap();
    }
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.join("ca.pem"), ca.as_ref().pem()).unwrap();
    let rsa = KeyPair::from_pem_and_sign_algo(RSA, &PKCS_RSA_SHA256).unwrap();
    for (name, key) in [
        ("www", KeyPair::generate().unwrap()),
        ("api", KeyPair::generate().unwrap()),
        ("rsa", rsa),
    ] {
        let params = CertificateParams::new(vec![format!("{name}.example.com")]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
