//! Finds entries of the encoder's dynamic table by their strings.
//!
//! Each hash belongs to one bucket of few slots, and nothing is ever removed: a slot whose entry was
//! evicted is the first to be used again. So looking and inserting take a bounded time whatever the
//! strings are. What was pushed out of its bucket is not found, and is sent as if it were new.

/// Slots of a bucket: a cache line.
const BUCKET: usize = 8;

/// Slots for each place of the table's ring: an entry takes up to two, and buckets fill unevenly.
pub(super) const SLOTS_PER_ENTRY: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// The entry's number; numbers count from 1 on.
    number: u32,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    buckets: Vec<[Slot; BUCKET]>,
}

impl Index {
    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        self.buckets.len() * BUCKET
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<[Slot; BUCKET]>()
    }

    /// An empty one of `slots`, a power of two.
    pub(super) fn with_slots(slots: usize) -> Self {
        Self {
            buckets: vec![Default::default(); slots.div_ceil(BUCKET)],
        }
    }

    #[inline]
    fn place(&self, hash: u32) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    /// The number of an entry with this hash for which `is` holds.
    #[inline]
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let bucket = self.buckets.get(self.place(hash))?;
        let mut found = bucket.iter().filter(|slot| slot.hash == hash);
        found.find(|slot| is(slot.number)).map(|slot| slot.number)
    }

    /// Adds the newest entry of the table, in place of the one of that hash or of the oldest.
    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        let place = self.place(hash);
        let Some(bucket) = self.buckets.get_mut(place) else {
            return;
        };
        let age = |slot: &Slot| match slot.hash == hash {
            true => u32::MAX,
            false => number.wrapping_sub(slot.number),
        };
        if let Some(slot) = bucket.iter_mut().max_by_key(|slot| age(slot)) {
            *slot = Slot { hash, number };
        }
    }
}

/// A cheap hash of `bytes` and of what `seed` stands for.
#[inline]
pub(super) fn hash(bytes: &[u8], seed: u64) -> u32 {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let (head, tail) = match bytes.len() {
        0 => (0, 0),
        1..4 => {
            let ends = u64::from(bytes[0]) << 8 | u64::from(bytes[bytes.len() - 1]);
            (ends, u64::from(bytes[bytes.len() / 2]))
        }
        4..8 => (half(bytes.first_chunk()), half(bytes.last_chunk())),
        8..=16 => (word(bytes.first_chunk()), word(bytes.last_chunk())),
        17.. => {
            let (pairs, _) = bytes.as_chunks::<16>();
            for pair in pairs {
                let first = word(pair.first_chunk()) ^ 0x8ebc_6af0_9c88_c6e3;
                state = mix(first, word(pair.last_chunk()) ^ state);
            }
            let last = bytes.last_chunk::<16>();
            let last = last.map_or(&[][..], |last| last);
            (word(last.first_chunk()), word(last.last_chunk()))
        }
    };
    let hash = mix(head ^ 0xd6e8_feb8_6659_fd93, tail ^ state);
    mix(hash, bytes.len() as u64 ^ 0xa076_1d64_78bd_642f) as u32
}

#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    wide as u64 ^ (wide >> 64) as u64
}

#[inline]
fn word(bytes: Option<&[u8; 8]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[inline]
fn half(bytes: Option<&[u8; 4]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_every_byte_the_length_and_the_seed() {
        let mut seen = std::collections::HashSet::new();
        for len in 0..70 {
            let mut bytes = vec![b'a'; len];
            assert!(seen.insert(hash(&bytes, 0)), "{len}");
            assert!(seen.insert(hash(&bytes, 1)), "{len} with a seed");
            for at in 0..len {
                bytes[at] = b'b';
                assert!(seen.insert(hash(&bytes, 0)), "{len} at {at}");
                bytes[at] = b'a';
            }
        }
    }

    #[test]
    fn a_full_bucket_forgets_its_oldest() {
        let mut index = Index::with_slots(BUCKET);
        for number in 1..=9 {
            index.insert(number * 100, number);
        }
        assert_eq!(index.find(100, |_| true), None);
        for number in 2..=9 {
            assert_eq!(index.find(number * 100, |_| true), Some(number));
        }
        index.insert(500, 10);
        assert_eq!(index.find(500, |_| true), Some(10));
        assert_eq!(index.find(200, |_| true), Some(2));
        assert_eq!(Index::default().find(1, |_| true), None);
    }
}
