//! SM4-GCM against RustCrypto's, on every kernel that this CPU has.
#![cfg(feature = "sm")]

use aes_gcm::aead::{AeadInOut, consts::U12};
use aes_gcm::{AesGcm, KeyInit};
use proptest::prelude::*;
use tls::sm::{Backend, Sm4Gcm, Unauthentic};

type Oracle = AesGcm<sm4::Sm4, U12>;

/// Key, nonce, additional data, length of the data, its seed, and where its room begins.
type Message = ([u8; 16], [u8; 12], Vec<u8>, usize, u8, usize);

fn messages(len: std::ops::Range<usize>) -> impl Strategy<Value = Message> {
    let aad = prop::collection::vec(any::<u8>(), 0..600);
    (
        any::<[u8; 16]>(),
        any::<[u8; 12]>(),
        aad,
        len,
        any::<u8>(),
        0..64_usize,
    )
}

/// Bytes that are not all the same.
fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u8).wrapping_mul(seed | 1) ^ (at >> 8) as u8)
        .collect()
}

fn check((key, nonce, aad, len, seed, offset): Message) {
    let plain = bytes(len, seed);
    let mut right = plain.clone();
    let oracle = Oracle::new(&key.into());
    let sealed = oracle.encrypt_inout_detached(&nonce.into(), &aad, right.as_mut_slice().into());
    let right_tag: [u8; 16] = sealed.expect("within the limits").into();
    for backend in Backend::available() {
        let (key, name) = (Sm4Gcm::with(backend, &key), backend.name());
        let mut room = vec![0x5a; offset + len + 64];
        let data = &mut room[offset..offset + len];
        data.copy_from_slice(&plain);
        let tag = key.seal_in_place(&nonce, &aad, data);
        assert!(data == right, "{name}: {len} bytes at {offset}");
        assert_eq!(
            tag,
            right_tag,
            "{name}: {len} bytes at {offset}, {} additional",
            aad.len()
        );
        let mut wrong = tag;
        wrong[usize::from(seed % 16)] ^= 1 << (seed >> 5);
        assert_eq!(
            key.open_in_place(&nonce, &aad, data, &wrong),
            Err(Unauthentic),
            "{name}"
        );
        assert!(data == right, "{name}: refused data is left as it was");
        assert_eq!(
            key.open_in_place(&nonce, &aad, data, &tag),
            Ok(()),
            "{name}"
        );
        assert!(data == plain, "{name}: {len} bytes at {offset}");
        let around = room[..offset].iter().chain(&room[offset + len..]);
        assert!(
            around.copied().all(|byte| byte == 0x5a),
            "{name}: nothing else is written"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_message_is_sealed_and_opened_as_the_oracle_does(message in messages(0..20_000)) {
        check(message);
    }

    #[test]
    fn any_short_message_is_sealed_and_opened_as_the_oracle_does(message in messages(0..300)) {
        check(message);
    }
}

#[test]
fn every_length_about_a_batch_is_sealed_as_the_oracle_does() {
    for len in (0..300).chain(480..530).chain(990..1050) {
        check(([9; 16], [3; 12], vec![1; len % 40], len, 77, len % 64));
    }
}
