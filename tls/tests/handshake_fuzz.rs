//! Handshakes that are disturbed, and what stands in their place.
#![cfg(feature = "simulation")]

use proptest::prelude::*;
use tls::fuzz::fuzz_handshake;

/// Bytes that one input takes at most, contexts, both ends and what is on the way between them included.
const BYTES_MAX: u64 = 2 << 20;

#[test]
fn the_corpus_of_the_fuzz_target_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/tls_handshake");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let info = allocation_counter::measure(|| fuzz_handshake(&bytes));
        println!("{}: {} bytes", path.display(), info.bytes_max);
        assert!(info.bytes_max <= BYTES_MAX, "{}", path.display());
    }
}

#[test]
fn who_is_not_disturbed_agrees() {
    for mode in (0..=u8::MAX).filter(|mode| mode % 4 == 2) {
        fuzz_handshake(&[mode]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_disturbance_panics_or_is_overlooked(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        fuzz_handshake(&bytes);
    }
}
