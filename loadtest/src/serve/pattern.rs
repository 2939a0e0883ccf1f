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
    of(len).finalize()
}

/// CRC-32 (IEEE) of those bytes, again and again.
pub fn crc32_of_repeated(len: u64, times: u64) -> u32 {
    repeated(of(len), times).finalize()
}

fn of(len: u64) -> Hasher {
    let mut period = Hasher::new();
    period.update(pattern());
    let mut whole = repeated(period, len / PERIOD as u64);
    whole.update(&pattern()[..(len % PERIOD as u64) as usize]);
    whole
}

fn repeated(mut power: Hasher, mut times: u64) -> Hasher {
    let mut whole = Hasher::new();
    while times > 0 {
        if times & 1 == 1 {
            whole.combine(&power);
        }
        let half = power.clone();
        power.combine(&half);
        times >>= 1;
    }
    whole
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
        let five = thrice[..9].repeat(5);
        assert_eq!(crc32_of_repeated(9, 5), crc32fast::hash(&five));
        assert_eq!(crc32_of_repeated(9, 0), 0);
    }

    #[test]
    fn slices_follow_each_other_over_the_end_of_a_period() {
        let start = PERIOD as u64 - 3;
        assert_eq!(slice(start, 10)[..], pattern()[PERIOD - 3..]);
        assert_eq!(slice(start + 3, 10)[..], pattern()[..10]);
    }
}
