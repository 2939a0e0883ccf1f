//! The bytes of bodies: a pattern that repeats only after a MiB, so that what is lost, doubled or out
//! of place changes a checksum.

use engines::Rng;
use std::sync::LazyLock;

/// After so many bytes the pattern begins anew.
const PERIOD: usize = 1 << 20;

static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut rng = Rng::seeded(0x7061_7474_6572_6e73);
    let words = std::iter::repeat_with(|| rng.next_u64().to_le_bytes());
    words.take(PERIOD / 8).flatten().collect()
});

/// At most `most` bytes of the pattern from `at` on, as many as lie in one piece; at least one if
/// `most` is.
pub fn piece(at: u64, most: u64) -> &'static [u8] {
    let start = (at % PERIOD as u64) as usize;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    &PATTERN[start..PERIOD.min(start.saturating_add(most))]
}

/// The checksum (CRC-32, IEEE) of the pattern's first `bytes`.
pub fn crc32(bytes: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut at = 0;
    while at < bytes {
        let piece = piece(at, bytes - at);
        hasher.update(piece);
        at += piece.len() as u64;
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_whole() {
        let bytes = PERIOD as u64 * 2 + 77;
        let mut hasher = crc32fast::Hasher::new();
        let mut at = 0;
        while at < bytes {
            let piece = piece(at, 999_983.min(bytes - at));
            hasher.update(piece);
            at += piece.len() as u64;
        }
        assert_eq!((at, hasher.finalize()), (bytes, crc32(bytes)));
        assert_ne!(piece(0, 8), piece(8, 8));
        assert_eq!(crc32(0), 0);
    }
}
