//! SM4-CCM against RustCrypto's, on every kernel that this CPU has.
#![cfg(feature = "sm")]

use ccm::aead::AeadInOut;
use ccm::consts::{U12, U16};
use ccm::{Ccm, KeyInit};
use proptest::prelude::*;
use tls::sm::{Backend, Sm4Ccm, Unauthentic};

type Oracle = Ccm<sm4::Sm4, U16, U12>;

fn check(key: [u8; 16], nonce: [u8; 12], aad: &[u8], plain: &[u8]) {
    let mut right = plain.to_vec();
    let oracle = Oracle::new(&key.into());
    let sealed = oracle.encrypt_inout_detached(&nonce.into(), aad, right.as_mut_slice().into());
    let right_tag: [u8; 16] = sealed.expect("within the limits").into();
    for backend in Backend::available() {
        let (key, name) = (Sm4Ccm::with(backend, &key), backend.name());
        let mut data = plain.to_vec();
        let tag = key.seal_in_place(&nonce, aad, &mut data);
        assert!(data == right, "{name}: {} bytes", plain.len());
        assert_eq!(
            tag,
            right_tag,
            "{name}: {} and {} bytes",
            aad.len(),
            plain.len()
        );
        let mut wrong = tag;
        wrong[plain.len() % 16] ^= 1;
        assert_eq!(
            key.open_in_place(&nonce, aad, &mut data, &wrong),
            Err(Unauthentic),
            "{name}"
        );
        assert!(data == right, "{name}: refused data is left as it was");
        assert_eq!(
            key.open_in_place(&nonce, aad, &mut data, &tag),
            Ok(()),
            "{name}"
        );
        assert!(data == plain, "{name}: {} bytes", plain.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_message_is_sealed_and_opened_as_the_oracle_does(
        key: [u8; 16],
        nonce: [u8; 12],
        aad in prop::collection::vec(any::<u8>(), 0..300),
        plain in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        check(key, nonce, &aad, &plain);
    }
}

#[test]
fn long_additional_data_is_sealed_as_the_oracle_does() {
    for len in [
        0, 13, 14, 15, 30, 0xfeff, 0xff00, 0xff01, 0x1_0000, 0x1_0009, 0x1_000a,
    ] {
        check([1; 16], [2; 12], &vec![3; len], b"data");
    }
}
