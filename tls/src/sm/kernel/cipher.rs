//! SM4 (GB/T 32907, RFC 8998 appendix A): the key schedule, counter mode on many blocks at once, and
//! a chain of single blocks.

use super::affine::PRE_ADD;
use super::simd::{Job, Simd};
use std::array::from_fn;

const FAMILY_KEY: [u32; 4] = [0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc];

/// The longest batch, and the shortest group behind it.
const TAIL_BYTES: usize = 1024 + 256;

/// Makes the round keys, in the domain.
pub(super) struct Expand<'a>(pub(super) &'a [u8; 16], pub(super) &'a mut [u32; 32]);

impl Job for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(key, keys) = self;
        let mut words: [u32; 4] = from_fn(|at| word(key, at) ^ FAMILY_KEY[at]);
        for (round, key) in (0..).zip(keys.iter_mut()) {
            let [a, b, c, d] = words;
            let s = simd.substitute(b ^ c ^ d ^ fixed_key(round));
            *key = a ^ s ^ s.rotate_left(13) ^ s.rotate_left(23);
            words = [b, c, d, *key];
        }
        for key in keys {
            let entered = simd.enter(simd.splat(*key));
            *key = simd.first(entered) ^ u32::from_ne_bytes([PRE_ADD; 4]);
        }
    }
}

/// `CK` of the standard: byte `j` is `7·(4·round + j)` modulo 256.
fn fixed_key(round: u8) -> u32 {
    u32::from_be_bytes([0, 7, 14, 21].map(|byte| (28_u8).wrapping_mul(round).wrapping_add(byte)))
}

fn word(block: &[u8; 16], at: usize) -> u32 {
    u32::from_be_bytes(from_fn(|byte| block[4 * at + byte]))
}

/// Adds each block of `data` to `sum` and encrypts that: CBC-MAC. The last block is padded with zeros.
pub(super) struct Chain<'a> {
    pub(super) keys: &'a [u32; 32],
    pub(super) sum: &'a mut [u8; 16],
    pub(super) data: &'a [u8],
}

impl Job for Chain<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for block in self.data.chunks(16) {
            self.sum
                .iter_mut()
                .zip(block)
                .for_each(|(sum, byte)| *sum ^= byte);
            encrypt(simd, self.keys, self.sum);
        }
    }
}

#[inline(always)]
fn encrypt<S: Simd>(simd: S, keys: &[u32; 32], block: &mut [u8; 16]) {
    let mut group = [[simd.splat(0); 4]];
    for (at, vector) in group[0].iter_mut().enumerate() {
        *vector = simd.enter(simd.splat(word(block, at)));
    }
    rounds(simd, keys, &mut group);
    for (at, vector) in group[0].into_iter().rev().enumerate() {
        let out = simd.first(simd.leave(vector)).to_be_bytes();
        block[4 * at..4 * at + 4].copy_from_slice(&out);
    }
}

/// The key stream of the first counter block and of what follows the last whole batch of a message.
pub(in crate::sm) struct Tail([u8; TAIL_BYTES]);

impl Tail {
    pub(super) const EMPTY: Self = Self([0; TAIL_BYTES]);

    /// The first counter block, encrypted: what masks the tag in GCM and CCM.
    pub(in crate::sm) fn mask(&self) -> [u8; 16] {
        from_fn(|at| self.0[at])
    }

    /// What is added to the data behind the last whole batch.
    pub(super) fn stream(&self) -> &[u8] {
        &self.0[16..]
    }
}

/// Bytes of a batch: data that is encrypted at once.
#[inline(always)]
pub(super) fn batch_bytes<S: Simd>(_: S) -> usize {
    4 * S::BYTES * S::GROUPS
}

/// Fills a [`Tail`]; `first` is the counter block that masks the tag, the data begins at the next.
pub(super) struct Prepare<'a> {
    pub(super) keys: &'a [u32; 32],
    pub(super) first: &'a [u8; 16],
    pub(super) data_len: usize,
    pub(super) tail: &'a mut Tail,
}

impl Job for Prepare<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rest = self.data_len % batch_bytes(simd);
        let blocks_before = (self.data_len - rest) / 16;
        let mut bytes = rest.next_multiple_of(16) + 16;
        let counter = Counter::new(self.first);
        let begin = counter.last.wrapping_add(blocks_before as u32);
        // The first block stands where the block before the rest would.
        let mut fix = begin ^ counter.last;
        let (mut at, mut count) = (0, begin);
        while bytes > 0 {
            let groups = bytes.div_ceil(4 * S::BYTES).min(S::GROUPS);
            let out = &mut self.tail.0[at..at + groups * 4 * S::BYTES];
            match groups {
                1 => fill::<S, 1>(simd, self.keys, &counter, count, fix, out),
                2 => fill::<S, 2>(simd, self.keys, &counter, count, fix, out),
                3 => fill::<S, 3>(simd, self.keys, &counter, count, fix, out),
                _ => fill::<S, 4>(simd, self.keys, &counter, count, fix, out),
            }
            at += out.len();
            count = count.wrapping_add((out.len() / 16) as u32);
            bytes = bytes.saturating_sub(out.len());
            fix = 0;
        }
    }
}

/// Adds the key stream to whole batches.
pub(super) struct Apply<'a> {
    pub(super) keys: &'a [u32; 32],
    pub(super) first: &'a [u8; 16],
    pub(super) data: &'a mut [u8],
}

impl Job for Apply<'_> {
    /// How many bytes at the end were too few for a batch.
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        let rest = self.data.len() % batch_bytes(simd);
        let counter = Counter::new(self.first);
        match S::GROUPS {
            1 => apply::<S, 1>(simd, self.keys, &counter, self.data),
            2 => apply::<S, 2>(simd, self.keys, &counter, self.data),
            3 => apply::<S, 3>(simd, self.keys, &counter, self.data),
            _ => apply::<S, 4>(simd, self.keys, &counter, self.data),
        }
        rest
    }
}

/// A counter block: only the last word counts.
struct Counter {
    head: [u32; 3],
    last: u32,
}

impl Counter {
    #[inline(always)]
    fn new(block: &[u8; 16]) -> Self {
        Self {
            head: [word(block, 0), word(block, 1), word(block, 2)],
            last: word(block, 3),
        }
    }
}

#[inline(always)]
fn apply<S: Simd, const G: usize>(simd: S, keys: &[u32; 32], counter: &Counter, data: &mut [u8]) {
    let mut count = counter.last.wrapping_add(1);
    for batch in data.chunks_exact_mut(4 * S::BYTES * G) {
        let stream = stream::<S, G>(simd, keys, counter, counters(simd, count));
        for (out, group) in batch.chunks_exact_mut(4 * S::BYTES).zip(stream) {
            for (out, vector) in out.chunks_exact_mut(S::BYTES).zip(group) {
                simd.store(simd.xor(simd.load(out), vector), out);
            }
        }
        count = count.wrapping_add((batch.len() / 16) as u32);
    }
}

/// Writes the key stream from `count` on to `out`, which has room for `G` groups; `fix` is added to the
/// first counter.
#[inline(always)]
fn fill<S: Simd, const G: usize>(
    simd: S,
    keys: &[u32; 32],
    counter: &Counter,
    count: u32,
    fix: u32,
    out: &mut [u8],
) {
    let mut counters = counters::<S, G>(simd, count);
    let mut first = [0; 64];
    first[..4].copy_from_slice(&fix.to_ne_bytes());
    counters[0] = simd.xor(counters[0], simd.load(&first));
    let stream = stream::<S, G>(simd, keys, counter, counters);
    for (out, group) in out.chunks_exact_mut(4 * S::BYTES).zip(stream) {
        for (out, vector) in out.chunks_exact_mut(S::BYTES).zip(group) {
            simd.store(vector, out);
        }
    }
}

#[inline(always)]
fn counters<S: Simd, const G: usize>(simd: S, count: u32) -> [S::Vector; G] {
    let mut counters = [simd.order(); G];
    for (group, counter) in (0..).zip(&mut counters) {
        let count = count.wrapping_add(group * 4 * S::LANES as u32);
        *counter = simd.add(*counter, simd.splat(count));
    }
    counters
}

/// The key stream of `G` groups of counter blocks, in the order of the blocks.
#[inline(always)]
fn stream<S: Simd, const G: usize>(
    simd: S,
    keys: &[u32; 32],
    counter: &Counter,
    counters: [S::Vector; G],
) -> [[S::Vector; 4]; G] {
    let [a, b, c] = counter.head;
    let head = [
        simd.enter(simd.splat(a)),
        simd.enter(simd.splat(b)),
        simd.enter(simd.splat(c)),
    ];
    let mut groups = [[simd.splat(0); 4]; G];
    for (group, counter) in groups.iter_mut().zip(counters) {
        *group = [head[0], head[1], head[2], simd.enter(counter)];
    }
    rounds(simd, keys, &mut groups);
    for group in &mut groups {
        let [a, b, c, d] = *group;
        *group = simd.transpose([d, c, b, a]);
        for vector in group {
            *vector = simd.reverse_words(simd.leave(*vector));
        }
    }
    groups
}

/// The 32 rounds. The sum of two words serves two rounds.
///
/// All groups go through a round before the next: a round's result is needed at once, and a CPU looks
/// only so far ahead for something else to do.
#[inline(always)]
fn rounds<S: Simd, const G: usize>(simd: S, keys: &[u32; 32], groups: &mut [[S::Vector; 4]; G]) {
    for four in keys.chunks_exact(4) {
        two_rounds(simd, 0, [four[0], four[1]], groups);
        two_rounds(simd, 2, [four[2], four[3]], groups);
    }
}

/// The rounds that change the words `at` and `at + 1`.
#[inline(always)]
fn two_rounds<S: Simd, const G: usize>(
    simd: S,
    at: usize,
    keys: [u32; 2],
    groups: &mut [[S::Vector; 4]; G],
) {
    let keys = [simd.splat(keys[0]), simd.splat(keys[1])];
    let mut shared = [simd.splat(0); G];
    for (x, shared) in groups.iter_mut().zip(&mut shared) {
        *shared = simd.xor(x[2 - at], x[3 - at]);
        x[at] = simd.round(x[at], simd.xor3(x[at + 1], *shared, keys[0]));
    }
    for (x, shared) in groups.iter_mut().zip(shared) {
        x[at + 1] = simd.round(x[at + 1], simd.xor3(x[at], shared, keys[1]));
    }
}
