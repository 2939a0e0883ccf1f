//! SM4-GCM against RustCrypto's, with every implementation that works on this CPU.
#![cfg(feature = "sm")]

use proptest::prelude::*;
use tls::sm::fuzz::{Message, fuzz_sm4_gcm};

prop_compose! {
    fn messages(lens: std::ops::Range<usize>)(
        key: [u8; 16],
        nonce: [u8; 12],
        aad in prop::collection::vec(any::<u8>(), 0..600),
        plain in prop::collection::vec(any::<u8>(), lens),
        offset in 0..64_usize,
    ) -> Message {
        Message { key, nonce, aad, plain, offset }
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
        message.check();
    }

    #[test]
    fn any_short_message_is_sealed_and_opened_as_the_oracle_does(message in messages(0..300)) {
        message.check();
    }
}

#[test]
fn every_length_about_a_batch_is_sealed_as_the_oracle_does() {
    for len in (0..300).chain(480..530).chain(990..1050) {
        let plain = (0..len).map(|at| (at % 251) as u8).collect();
        let (aad, offset) = (vec![1; len % 40], len % 64);
        Message {
            key: [9; 16],
            nonce: [3; 12],
            aad,
            plain,
            offset,
        }
        .check();
    }
}

#[test]
fn the_corpus_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/sm4_gcm");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        fuzz_sm4_gcm(&std::fs::read(entry.expect("a file").path()).expect("its bytes"));
        count += 1;
    }
    assert!(count >= 8, "{count} files");
}
