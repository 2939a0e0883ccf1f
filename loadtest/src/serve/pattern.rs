//! The bytes of all bodies: one MiB that looks random to a compressor, again and again.

use crc32fast::Hasher;
use engines::{Buf, Rng};
use std::sync::OnceLock;

/// Bytes after which the pattern repeats.
pub const PERIOD: usize = 1 << 20;

const SEED: u64 = 0x0070_6174_7465_726e;

/// The pattern's first period. It is made once and lives as long as the process.
pub fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<&'static [u8]> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut rng = Rng::seeded(SEED);
        let words = (0..PERIOD / 8).flat_map(|_| rng.next_u64().to_le_bytes());
        Box::leak(words.collect::<Box<[u8]>>())
    })
}

/// A slice of the endless pattern: what comes at `at`, at most `len` bytes and not beyond a period.
pub fn slice(at: u64, len: usize) -> Buf {
    let start = (at % PERIOD as u64) as usize;
    let end = (start + len).min(PERIOD);
    Buf::from_static(&pattern()[start..end])
}

/// CRC-32 (IEEE) of the pattern's first `len` bytes.
pub fn crc32(len: u64) -> u32 {
    let mut power = Hasher::new();
    power.update(pattern());
    let (mut whole, mut periods) = (Hasher::new(), len / PERIOD as u64);
    while periods > 0 {
        if periods & 1 == 1 {
            whole.combine(&power);
        }
        let half = power.clone();
        power.combine(&half);
        periods >>= 1;
    }
    whole.update(&pattern()[..(len % PERIOD as u64) as usize]);
    whole.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_the_bytes() {
        let thrice = pattern().repeat(3);
        for len in [0, 1, 100, PERIOD, PERIOD + 7, 3 * PERIOD - 1, 3 * PERIOD] {
            assert_eq!(crc32(len as u64), crc32fast::hash(&thrice[..len]), "{len}");
        }
    }

    #[test]
    fn slices_follow_each_other_over_the_end_of_a_period() {
        let start = PERIOD as u64 - 3;
        assert_eq!(slice(start, 10)[..], pattern()[PERIOD - 3..]);
        assert_eq!(slice(start + 3, 10)[..], pattern()[..10]);
    }
}
