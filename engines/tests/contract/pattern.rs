//! Bytes that tell where they belong.

use engines::Rng;
use std::sync::LazyLock;

/// Repeats after a prime number of bytes: a lost or doubled block shows.
const PERIOD: usize = 65_521;

/// Bytes that live as long as the program.
pub(crate) static STATIC: LazyLock<&'static [u8]> =
    LazyLock::new(|| Vec::leak(bytes(0, 512 << 10)));

/// The first `len` bytes of the stream that `seed` stands for.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::seeded(seed);
    let mut period = Vec::with_capacity(PERIOD + 8);
    while period.len() < PERIOD.min(len) {
        period.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    period.truncate(PERIOD);
    let mut all = Vec::with_capacity(len + PERIOD);
    while all.len() < len {
        all.extend_from_slice(&period);
    }
    all.truncate(len);
    all
}

/// Asserts that both are the same, without printing them.
#[track_caller]
pub(crate) fn assert_same(actual: &[u8], expected: &[u8]) {
    if actual != expected {
        let differs = actual.iter().zip(expected).position(|(a, b)| a != b);
        let (actual, expected) = (actual.len(), expected.len());
        panic!("{actual} bytes for {expected}, different at {differs:?}");
    }
}
