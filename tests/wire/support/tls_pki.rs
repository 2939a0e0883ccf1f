//! Who vouches for whom in the tests of TLS.

use super::scratch;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, PKCS_RSA_SHA256, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use std::{fs, path::PathBuf, sync::OnceLock};

/// ring makes no RSA keys, it only uses them.
const RSA: &str = include_str!("../../../tls/testdata/rsa.pkcs8.pem");

/// Names of the certificate `many`.
pub(crate) const MANY: usize = 600;

/// A certificate in the making.
pub(crate) struct Wanted<'a> {
    /// Of its files, `.pem` and `.key`; and its common name.
    pub(crate) name: &'a str,
    /// DNS names and addresses.
    pub(crate) sans: &'a [&'a str],
    pub(crate) uri: &'a str,
    pub(crate) rsa: bool,
    pub(crate) expired: bool,
    pub(crate) serial: u64,
}

/// One with nothing in particular.
const PLAIN: Wanted<'static> = Wanted {
    name: "",
    sans: &[],
    uri: "",
    rsa: false,
    expired: false,
    serial: 7,
};

/// An authority with its files in a folder.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// Its certificate is `NAME.pem`.
    pub(crate) fn new(folder: PathBuf, name: &str) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join(format!("{name}.pem")), issuer.as_ref().pem()).unwrap();
        let key = issuer.key().serialize_pem();
        fs::write(folder.join(format!("{name}.key")), key).unwrap();
        Self { issuer, folder }
    }

    /// Writes a certificate and its key.
    pub(crate) fn issue(&self, wanted: &Wanted<'_>) {
        let key = match wanted.rsa {
            true => KeyPair::from_pem_and_sign_algo(RSA, &PKCS_RSA_SHA256).unwrap(),
            false => KeyPair::generate().unwrap(),
        };
        let pem = params(wanted).signed_by(&key, &self.issuer).unwrap().pem();
        put(&self.folder, wanted.name, &pem, &key);
    }

    /// Writes a list of revoked certificates.
    pub(crate) fn revoke(&self, file: &str, serials: &[u64]) {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).unwrap().pem().unwrap();
        fs::write(self.folder.join(file), list).unwrap();
    }
}

fn params(wanted: &Wanted<'_>) -> CertificateParams {
    let sans: Vec<String> = wanted.sans.iter().map(|san| (*san).to_owned()).collect();
    let mut params = CertificateParams::new(sans).unwrap();
    if !wanted.uri.is_empty() {
        let uri = wanted.uri.try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
    }
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, wanted.name);
    params.serial_number = Some(SerialNumber::from(wanted.serial));
    if wanted.expired {
        params.not_after = date_time_ymd(2000, 1, 1);
    }
    params
}

fn put(folder: &std::path::Path, name: &str, pem: &str, key: &KeyPair) {
    fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// A folder that all tests share: authorities `ca` and `other`, `crl.pem`, certificates of servers, clients
/// and endpoints.
pub(crate) fn pki() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = scratch("pki");
        write(&folder);
        folder.display().to_string()
    })
}

/// The path of a file of it.
pub(crate) fn pki_path(name: &str) -> String {
    format!("{}/{name}", pki())
}

/// The text of a file of it.
pub(crate) fn pki_file(name: &str) -> String {
    fs::read_to_string(pki_path(name)).unwrap()
}

/// Of servers, clients and endpoints, in this order.
const OF_CA: &[Wanted<'static>] = &[
    Wanted {
        name: "any",
        sans: &["any.test", "localhost", "127.0.0.1"],
        ..PLAIN
    },
    Wanted {
        name: "www",
        sans: &["www.test"],
        uri: "spiffe://test/www",
        ..PLAIN
    },
    Wanted {
        name: "www-rsa",
        sans: &["www.test"],
        rsa: true,
        ..PLAIN
    },
    Wanted {
        name: "wild",
        sans: &["*.wild.test"],
        ..PLAIN
    },
    Wanted {
        name: "alice",
        sans: &["alice.staff.test"],
        uri: "spiffe://test/alice",
        ..PLAIN
    },
    Wanted {
        name: "bob",
        sans: &["bob.guest.test"],
        ..PLAIN
    },
    Wanted {
        name: "revoked",
        sans: &["revoked.staff.test", "origin.test"],
        serial: 66,
        ..PLAIN
    },
    Wanted {
        name: "expired",
        sans: &["expired.staff.test", "origin.test"],
        expired: true,
        ..PLAIN
    },
    Wanted {
        name: "origin",
        sans: &["origin.test"],
        ..PLAIN
    },
    Wanted {
        name: "elsewhere",
        sans: &["elsewhere.test"],
        ..PLAIN
    },
];

fn write(folder: &std::path::Path) {
    let ca = Authority::new(folder.to_owned(), "ca");
    let other = Authority::new(folder.to_owned(), "other");
    for wanted in OF_CA {
        ca.issue(wanted);
    }
    other.issue(&Wanted {
        name: "stranger",
        sans: &["stranger.staff.test", "origin.test"],
        ..PLAIN
    });
    let names: Vec<_> = (0..MANY)
        .map(|number| format!("{number}.name-of-some-length.test"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    ca.issue(&Wanted {
        name: "many",
        sans: &names,
        ..PLAIN
    });
    let own = Wanted {
        name: "self",
        sans: &["origin.test"],
        ..PLAIN
    };
    let key = KeyPair::generate().unwrap();
    let pem = params(&own).self_signed(&key).unwrap().pem();
    put(folder, own.name, &pem, &key);
    ca.revoke("crl.pem", &[66]);
    other.revoke("other-crl.pem", &[]);
}
