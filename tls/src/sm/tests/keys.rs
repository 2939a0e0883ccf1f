//! Key exchange and private keys by themselves.

use super::*;

#[test]
fn key_exchange_is_drawn_from_the_source_that_was_given() {
    static FIRST: Numbers = Numbers(AtomicU64::new(7));
    static SECOND: Numbers = Numbers(AtomicU64::new(7));
    let (one, other) = (
        kx::CurveSm2 { random: &FIRST },
        kx::CurveSm2 { random: &SECOND },
    );
    let (one, other) = (one.start().unwrap(), other.start().unwrap());
    assert_eq!(one.pub_key(), other.pub_key());
    let third = kx::CurveSm2 { random: &SECOND }.start().unwrap();
    assert_ne!(third.pub_key(), other.pub_key());
    let (public, third_public) = (one.pub_key().to_vec(), third.pub_key().to_vec());
    let (ours, theirs) = (
        one.complete(&third_public).unwrap(),
        third.complete(&public).unwrap(),
    );
    assert_eq!(ours.secret_bytes(), theirs.secret_bytes());
}

#[test]
fn a_source_that_gives_no_scalar_is_an_error() {
    #[derive(Debug)]
    struct Filled(u8);
    impl SecureRandom for Filled {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
            bytes.fill(self.0);
            Ok(())
        }
    }
    static ZEROS: Filled = Filled(0);
    static ONES: Filled = Filled(0xff);
    for random in [&ZEROS, &ONES] {
        let failed = kx::CurveSm2 { random }.start();
        assert_eq!(failed.map(drop), Err(Error::FailedToGetRandomBytes));
    }
}

#[test]
fn what_is_no_point_of_the_curve_is_refused() {
    let group = kx::CurveSm2 { random: &RANDOM };
    let right = group.start().unwrap().pub_key().to_vec();
    let changed = |at: usize, to: u8| {
        let mut point = right.clone();
        point[at] = to;
        point
    };
    let compressed = [&[2 + (right[64] & 1)], &right[1..33]].concat();
    let coordinates_too_large = [&[4][..], &[0xff; 64]].concat();
    let wrong = [
        vec![],
        vec![0],
        vec![4],
        [&[4][..], &[0; 64]].concat(),
        compressed,
        coordinates_too_large,
        changed(0, 6),
        changed(64, !right[64]),
        right[..64].to_vec(),
        [&right[..], &[0]].concat(),
    ];
    for point in wrong {
        let refused = group.start().unwrap().complete(&point).map(drop);
        assert_eq!(
            refused,
            Err(PeerMisbehaved::InvalidKeyShare.into()),
            "{point:02x?}"
        );
    }
    assert!(group.start().unwrap().complete(&right).is_ok());
}

#[test]
fn keys_are_loaded_from_both_forms_and_know_their_public_half() {
    for name in ["leaf.key.pem", "leaf.sec1.pem"] {
        let key = load_key(private_key(name)).unwrap();
        let certified = CertifiedKey::new(vec![certificate("leaf.pem")], Arc::clone(&key));
        assert_eq!(certified.keys_match(), Ok(()), "{name}");
        let other = CertifiedKey::new(vec![certificate("ca.pem")], key);
        assert!(other.keys_match().is_err(), "{name}");
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let cases = [
        private_key("p256.key.pem"),
        private_key("p256.sec1.pem"),
        PrivateKeyDer::Pkcs8(vec![0x30, 0].into()),
        PrivateKeyDer::Pkcs1(vec![0x30, 0].into()),
    ];
    for der in cases {
        let refused = load_key(der).map(drop).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("not an SM2 private key"), "{text}");
    }
}

#[test]
fn a_key_signs_the_same_way_twice_and_is_not_printed() {
    let der = private_key("leaf.key.pem");
    let secret = sm2::SecretKey::from_pkcs8_der(der.secret_der()).unwrap();
    let key = load_key(der).unwrap();
    assert!(key.choose_scheme(&[SignatureScheme::ED25519]).is_none());
    let signer = key.choose_scheme(&[verify::SM2SIG_SM3]).unwrap();
    assert_eq!(
        signer.sign(b"message").unwrap(),
        signer.sign(b"message").unwrap()
    );
    let printed = format!("{key:?} {signer:?} {:?}", provider(&RANDOM));
    let bytes = secret.to_bytes();
    for secret in [
        format!("{:?}", &bytes[..4]),
        format!("{:02x?}", &bytes[..4]),
    ] {
        assert!(
            !printed.contains(secret.trim_matches(['[', ']'])),
            "{printed}"
        );
    }
}
