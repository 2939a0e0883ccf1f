//! A certificate, as far as it is asked about.

use super::name;
use crate::{Now, SanKind, pem};
use der::{Decode, Encode, asn1::AnyRef, asn1::ObjectIdentifier};
use ring::digest;
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};
use x509_cert::{TbsCertificate, ext::Extension, time::Time};

/// A certificate, in DER; what is asked of it is parsed when it is asked for the first time. What does not parse has
/// no names, no serial number and an empty validity.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Arc<[u8]>,
    told: OnceLock<Arc<Told>>,
}

/// What was asked before, as each request may ask the same.
#[derive(Debug, Default)]
struct Told {
    sha256: OnceLock<[u8; 32]>,
    subject: OnceLock<Box<str>>,
    issuer: OnceLock<Box<str>>,
    serial: OnceLock<Box<str>>,
    /// By [`SanKind`].
    sans: [OnceLock<Box<[String]>>; 4],
}

const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
/// `status_request`, RFC 6066 §8.
const STATUS_REQUEST: u16 = 5;

impl Certificate {
    /// Takes any bytes.
    pub fn new(der: &[u8]) -> Self {
        Self {
            der: der.into(),
            told: OnceLock::new(),
        }
    }

    /// Its DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its PEM encoding, RFC 7468, with a final newline.
    pub fn pem(&self) -> String {
        pem::write("CERTIFICATE", &self.der)
    }

    fn told(&self) -> &Told {
        self.told.get_or_init(Arc::default)
    }

    /// SHA-256 of the DER encoding.
    pub fn sha256(&self) -> [u8; 32] {
        *self.told().sha256.get_or_init(|| sha256(&self.der))
    }

    /// SHA-256 of its SubjectPublicKeyInfo; `None`: it has none.
    pub fn spki_sha256(&self) -> Option<[u8; 32]> {
        self.spki().map(|spki| sha256(&spki))
    }

    /// The subject as RFC 2253 writes it, e.g. `CN=client,O=Example`.
    pub fn subject(&self) -> String {
        let write = |tbs: &TbsCertificate| name::write(tbs.subject());
        self.text(&self.told().subject, write)
    }

    /// The issuer as RFC 2253 writes it.
    pub fn issuer(&self) -> String {
        let write = |tbs: &TbsCertificate| name::write(tbs.issuer());
        self.text(&self.told().issuer, write)
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial(&self) -> String {
        let write = |tbs: &TbsCertificate| hex(unsigned(tbs.serial_number().as_bytes()));
        self.text(&self.told().serial, write)
    }

    fn text(&self, told: &OnceLock<Box<str>>, write: fn(&TbsCertificate) -> String) -> String {
        let parse = || {
            let parsed = self.parse();
            let text = parsed.map(|parsed| write(parsed.tbs_certificate()));
            text.unwrap_or_default().into()
        };
        told.get_or_init(parse).to_string()
    }

    /// Beginning and end of its validity.
    pub fn validity(&self) -> (Now, Now) {
        let Some(parsed) = self.parse() else {
            return (Now::ZERO, Now::ZERO);
        };
        let validity = parsed.tbs_certificate().validity();
        let since_epoch = |time: Time| time.to_unix_duration();
        (
            since_epoch(validity.not_before),
            since_epoch(validity.not_after),
        )
    }

    /// Subject alternative names of a kind, in the certificate's order; those that are not text are left out.
    pub fn sans(&self, kind: SanKind) -> Vec<String> {
        let told = &self.told().sans[kind as usize];
        told.get_or_init(|| self.read_sans(kind).into()).to_vec()
    }

    fn read_sans(&self, kind: SanKind) -> Vec<String> {
        let Some(parsed) = self.parse() else {
            return Vec::new();
        };
        let Some(extension) = extension(parsed.tbs_certificate(), SUBJECT_ALT_NAME) else {
            return Vec::new();
        };
        let names: Vec<AnyRef<'_>> =
            Decode::from_der(extension.extn_value.as_bytes()).unwrap_or_default();
        names.iter().filter_map(|name| san(kind, name)).collect()
    }

    /// The last common name of the subject.
    pub(crate) fn common_name(&self) -> Option<String> {
        name::common_name(self.parse()?.tbs_certificate().subject())
    }

    pub(crate) fn spki(&self) -> Option<Vec<u8>> {
        let parsed = self.parse()?;
        parsed
            .tbs_certificate()
            .subject_public_key_info()
            .to_der()
            .ok()
    }

    /// It wants to be presented with a stapled OCSP response (RFC 7633).
    pub(crate) fn is_must_staple(&self) -> bool {
        let Some(parsed) = self.parse() else {
            return false;
        };
        let Some(extension) = extension(parsed.tbs_certificate(), TLS_FEATURE) else {
            return false;
        };
        let features: Vec<u16> =
            Decode::from_der(extension.extn_value.as_bytes()).unwrap_or_default();
        features.contains(&STATUS_REQUEST)
    }

    /// `None`: it is no certificate as RFC 5280 has it.
    pub(crate) fn parse(&self) -> Option<x509_cert::Certificate> {
        x509_cert::Certificate::from_der(&self.der).ok()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

fn extension(tbs: &TbsCertificate, id: ObjectIdentifier) -> Option<&Extension> {
    tbs.extensions()?
        .iter()
        .find(|extension| extension.extn_id == id)
}

/// Reads a GeneralName (RFC 5280 §4.2.1.6) if it is of this kind.
fn san(kind: SanKind, name: &AnyRef<'_>) -> Option<String> {
    use der::Tagged;
    let wanted = match kind {
        SanKind::Email => 1,
        SanKind::Dns => 2,
        SanKind::Uri => 6,
        SanKind::Ip => 7,
    };
    let tag = name.tag();
    if !tag.is_context_specific() || tag.number().value() != wanted {
        return None;
    }
    match kind {
        SanKind::Ip => ip(name.value()),
        SanKind::Dns | SanKind::Email | SanKind::Uri => {
            let text = std::str::from_utf8(name.value()).ok();
            text.filter(|text| text.is_ascii()).map(str::to_owned)
        }
    }
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4().or_else(|_| v6()).ok().map(|ip| ip.to_string())
}

/// The bytes of an INTEGER without those that only give its sign.
pub(crate) fn unsigned(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros.min(bytes.len().saturating_sub(1))..]
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by OpenSSL, and what it says of it.
    fn certificate() -> Certificate {
        let text = include_bytes!("../../testdata/names.pem");
        Certificate::new(&pem::sections(text).unwrap()[0].der)
    }

    #[test]
    fn names_are_written_as_openssl_writes_them() {
        let subject = concat!(
            "description=d,businessCategory=b,postalCode=1,GN=Given,SN=Sur,title=Dr,street=Main 1,",
            "serialNumber=42,2.3.4.5=#0C07737472616E6765,DC=test,UID=u1,emailAddress=a@b.test,",
            r"CN=na\C3\AFve=x\\y,OU=two,OU=\#one,O=A\, B \+ C \<d\>\; e,L=\  x\ ,",
            r"ST=Baden-W\C3\BCrttemberg,C=DE",
        );
        assert_eq!(certificate().subject(), subject);
        assert_eq!(certificate().issuer(), subject);
        assert_eq!(
            certificate().common_name().as_deref(),
            Some("na\u{ef}ve=x\\y")
        );
    }

    #[test]
    fn numbers_times_and_hashes_are_those_of_openssl() {
        let certificate = certificate();
        assert_eq!(certificate.serial(), "f00d2badcafe");
        let (from, to) = certificate.validity();
        assert_eq!(from.as_secs(), 1_795_667_122);
        assert_eq!((to - from).as_secs(), 3_650 * 86_400);
        assert_eq!(
            hex(&certificate.sha256()),
            "a3efdde89db37cd25c72b3ff073d81d1889de31b9a4df8b05ed9b2309e7ce034"
        );
        assert_eq!(
            hex(&certificate.spki_sha256().unwrap()),
            "afdb9d79c46214760645228aa59fc794b5fbb9cfeea4f737863c2944c69997e4"
        );
        assert!(certificate.is_must_staple());
    }

    #[test]
    fn alternative_names_are_told_by_kind() {
        for (kind, names) in [
            (SanKind::Dns, &["a.test", "*.B.test"][..]),
            (SanKind::Uri, &["spiffe://x/y"]),
            (SanKind::Email, &["m@a.test"]),
            (SanKind::Ip, &["10.1.2.3", "2001:db8::1"]),
        ] {
            assert_eq!(certificate().sans(kind), names);
        }
    }

    #[test]
    fn what_was_told_is_told_again_and_is_no_part_of_the_certificate() {
        let (fresh, asked) = (certificate(), certificate());
        let all = |one: &Certificate| {
            let kinds = [SanKind::Dns, SanKind::Email, SanKind::Ip, SanKind::Uri];
            let sans = kinds.map(|kind| one.sans(kind));
            (
                one.subject(),
                one.issuer(),
                one.serial(),
                one.sha256(),
                sans,
            )
        };
        assert!(asked.told.get().is_none());
        assert_eq!(all(&asked), all(&asked));
        assert_eq!(all(&asked), all(&fresh));
        assert_eq!(asked, certificate());
    }

    #[test]
    fn pem_is_what_it_was_read_from() {
        let text = include_str!("../../testdata/names.pem");
        assert_eq!(certificate().pem(), text);
    }

    #[test]
    fn what_is_no_certificate_has_nothing() {
        let none = Certificate::new(b"hello");
        assert_eq!(
            (none.subject(), none.issuer(), none.serial()),
            Default::default()
        );
        assert_eq!((none.validity(), none.spki_sha256()), Default::default());
        assert!(none.sans(SanKind::Dns).is_empty() && !none.is_must_staple());
    }
}
