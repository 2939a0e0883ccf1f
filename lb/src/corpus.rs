//! The inputs that fuzzing has kept, for the tests that replay them.

use engines::Rng;

/// All inputs of a target, in the order of their names.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() > 5, "the corpus is in {folder}");
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// One of them with some bytes changed, left out, or put in: one of `letters`.
pub(crate) fn damaged(corpus: &[Vec<u8>], letters: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = corpus[rng.index(corpus.len())].clone();
    for _ in 0..rng.between(1, 4) {
        let at = rng.index(bytes.len());
        match rng.below(4) {
            0 => bytes.truncate(at + 1),
            1 => bytes[at] = rng.next_u64() as u8,
            2 => drop(bytes.drain(at..(at + 1 + rng.index(20)).min(bytes.len()))),
            _ => bytes.insert(at, letters[rng.index(letters.len())]),
        }
        if bytes.is_empty() {
            bytes.push(letters[0]);
        }
    }
    bytes
}
