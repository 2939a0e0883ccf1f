//! Records that are cut, damaged, or hold anything.

use proptest::prelude::*;
use tls::fuzz::fuzz_records;

#[test]
fn the_corpus_of_the_fuzz_target_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/tls_records");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        fuzz_records(&std::fs::read(file.unwrap().path()).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_choice_of_records_cuts_and_damage_panics_or_alters_data(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_records(&bytes);
    }
}
