//! Bytes of any kind, and almost good ones, are refused or read, never panicked on.

use proptest::prelude::*;
use tls::{Certificate, Client, ClientContext, ClientSettings, Identity, Provider, SanKind};
use tls::{Trust, Version};

const NAMES: &str = include_str!("../testdata/names.pem");
const CHAIN: &str = include_str!("../testdata/ocsp.chain.pem");
const KEY: &str = include_str!("../testdata/ocsp.key.pem");
const STAPLE: &[u8] = include_bytes!("../testdata/ocsp.der");

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine;
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD
        .decode(base64)
        .expect("the PEM of a test")
}

fn read(certificate: &Certificate) -> usize {
    let kinds = [SanKind::Dns, SanKind::Email, SanKind::Ip, SanKind::Uri];
    let sans: usize = kinds.iter().map(|kind| certificate.sans(*kind).len()).sum();
    let names = certificate.subject().len() + certificate.issuer().len();
    let (from, to) = certificate.validity();
    let hashes = certificate.sha256().len() + usize::from(certificate.spki_sha256().is_some());
    sans + names + certificate.serial().len() + hashes + usize::from(from < to)
}

/// Almost `good`: some of its bytes are others, or its end is missing.
fn almost(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = good.len();
    let edits = prop::collection::vec((0..len, any::<u8>()), 0..4);
    (edits, 0..=len).prop_map(move |(edits, end)| {
        let mut bytes = good.clone();
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        // Half of them stay whole.
        if end % 2 == 1 {
            bytes.truncate(end);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_a_certificate_of_some_sort(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&Certificate::new(&bytes)) >= 32);
    }

    #[test]
    fn an_almost_good_certificate_is_read_or_is_empty(bytes in almost(der(NAMES))) {
        prop_assert!(read(&Certificate::new(&bytes)) >= 32);
    }

    #[test]
    fn an_almost_good_identity_is_read_or_told(
        chain in almost(CHAIN.into()),
        key in almost(KEY.into()),
        staple in almost(STAPLE.to_vec()),
    ) {
        for (chain, key) in [(&*chain, KEY.as_bytes()), (CHAIN.as_bytes(), &*key)] {
            if let Err(error) = Identity::from_pem(chain, key) {
                prop_assert!(["chain", "key"].contains(&&*error.field));
                prop_assert!(!error.reason.is_empty());
            }
        }
        let identity = Identity::from_pem(CHAIN.as_bytes(), KEY.as_bytes()).unwrap();
        if let Err(error) = identity.with_ocsp(&staple) {
            prop_assert_eq!(error.field, "ocsp_staple");
        }
    }

    #[test]
    fn almost_good_trust_is_read_or_told(
        ca in almost(CHAIN.into()),
        crl in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for crl in [None, Some(crl)] {
            let trust = Trust { ca: Some(ca.clone()), crl, ..Trust::default() };
            let settings = ClientSettings {
                server: Client::Verified(trust),
                identity: None,
                alpn: Vec::new(),
                versions: (Version::Tls12, Version::Tls13),
                suites: Vec::new(),
                groups: Vec::new(),
                sessions_max: 0,
                key_log: None,
            };
            if let Err(error) = ClientContext::new(&Provider::system(), settings) {
                prop_assert!(["server.ca", "server.crl"].contains(&&*error.field));
            }
        }
    }
}
