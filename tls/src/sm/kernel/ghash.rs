//! GHASH (NIST SP 800-38D §6.4), sixteen blocks to a reduction.
//!
//! Computed as POLYVAL, with the bytes of each block reversed and the key multiplied by x (RFC 8452
//! appendix A): there a product needs no shift, and its reduction is two more products.

use super::simd::{Job, Simd};

/// Blocks to a reduction, and powers of the key that are kept.
const BLOCKS: usize = 16;
pub(super) const BYTES: usize = 16 * BLOCKS;

/// x^127 + x^126 + x^121, in the high half of a block.
const REDUCE: u64 = 0xc2 << 56;

/// Computes the first sixteen powers of the key `key` of GHASH, the highest first.
pub(super) struct Raise<'a> {
    pub(super) key: [u8; 16],
    pub(super) powers: &'a mut [u8; BYTES],
}

impl Job for Raise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let first = times_x(u128::from_be_bytes(self.key)).to_le_bytes();
        let Self { powers, .. } = self;
        put(powers, 1, &first);
        let (key, mut power) = (simd.splat_block(&first), simd.splat_block(&first));
        let mut lane = [0; 64];
        for exponent in 2..=S::LANES {
            power = product(simd, power, key);
            simd.store(power, &mut lane);
            put(powers, exponent, &lane[..16]);
        }
        let mut vector = simd.load(&powers[BYTES - S::BYTES..]);
        for exponent in (2 * S::LANES..=BLOCKS).step_by(S::LANES) {
            vector = product(simd, vector, power);
            simd.store(vector, &mut powers[BYTES - 16 * exponent..]);
        }
    }
}

/// Multiplication by x in the field of POLYVAL.
fn times_x(element: u128) -> u128 {
    let carried = (element >> 127).wrapping_neg();
    element << 1 ^ carried & (u128::from(REDUCE) << 64 | 1)
}

fn put(powers: &mut [u8; BYTES], exponent: usize, power: &[u8]) {
    let at = BYTES - 16 * exponent;
    powers[at..at + 16].copy_from_slice(power);
}

/// GHASH of the additional data, the data and their lengths.
pub(super) struct Absorb<'a> {
    pub(super) powers: &'a [u8; BYTES],
    pub(super) aad: &'a [u8],
    pub(super) data: &'a [u8],
}

impl Job for Absorb<'_> {
    type Output = [u8; 16];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [u8; 16] {
        let Self { powers, aad, data } = self;
        let lengths = ((8 * aad.len() as u128) << 64) | (8 * data.len() as u128);
        let lengths = lengths.to_be_bytes();
        let (sum, rest) = absorb_whole(simd, powers, simd.splat(0), aad);
        let sum = absorb_rest(simd, powers, sum, rest, &[]);
        let (sum, rest) = absorb_whole(simd, powers, sum, data);
        let sum = if rest.len() > BYTES - 16 {
            let sum = absorb_rest(simd, powers, sum, rest, &[]);
            absorb_rest(simd, powers, sum, &[], &lengths)
        } else {
            absorb_rest(simd, powers, sum, rest, &lengths)
        };
        to_block(simd, sum)
    }
}

#[inline(always)]
fn absorb_whole<'a, S: Simd>(
    simd: S,
    powers: &[u8; BYTES],
    mut sum: S::Vector,
    data: &'a [u8],
) -> (S::Vector, &'a [u8]) {
    let (chunks, rest) = data.as_chunks::<BYTES>();
    for chunk in chunks {
        sum = absorb(simd, powers, sum, chunk);
    }
    (sum, rest)
}

/// Absorbs `data`, padded to whole blocks, and `end`, a block or nothing: sixteen blocks at most.
#[inline(always)]
fn absorb_rest<S: Simd>(
    simd: S,
    powers: &[u8; BYTES],
    sum: S::Vector,
    data: &[u8],
    end: &[u8],
) -> S::Vector {
    let len = data.len().next_multiple_of(16) + end.len();
    if len == 0 {
        return sum;
    }
    // Zeros in front change nothing, and `sum` belongs to the first block behind them.
    let mut staged = [0; BYTES];
    let (begin, end_at) = (BYTES - len, BYTES - end.len());
    staged[begin..begin + data.len()].copy_from_slice(data);
    staged[end_at..].copy_from_slice(end);
    let sum = to_block(simd, sum);
    staged[begin..begin + 16]
        .iter_mut()
        .zip(sum)
        .for_each(|(byte, sum)| *byte ^= sum);
    absorb(
        simd,
        powers,
        simd.splat(0),
        &staged[BYTES - len.next_multiple_of(S::BYTES)..],
    )
}

#[inline(always)]
fn to_block<S: Simd>(simd: S, sum: S::Vector) -> [u8; 16] {
    let mut out = [0; 64];
    simd.store(simd.reverse_blocks(sum), &mut out);
    std::array::from_fn(|at| out[at])
}

/// The sum of `sum` and the first block times the highest power that is needed, and so on. The result
/// stands in the first lane, the others are zero.
#[inline(always)]
fn absorb<S: Simd>(simd: S, powers: &[u8; BYTES], sum: S::Vector, blocks: &[u8]) -> S::Vector {
    let powers = powers[BYTES - blocks.len()..].chunks_exact(S::BYTES);
    let mut sums = Product {
        low: simd.splat(0),
        middle: simd.splat(0),
        high: simd.splat(0),
    };
    let mut carry = sum;
    for (blocks, power) in blocks.chunks_exact(S::BYTES).zip(powers) {
        let blocks = simd.reverse_blocks(simd.load(blocks));
        sums.add(simd, simd.xor(blocks, carry), simd.load(power));
        carry = simd.splat(0);
    }
    simd.fold(sums.reduce(simd))
}

#[inline(always)]
fn product<S: Simd>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
    let mut sums = Product {
        low: simd.splat(0),
        middle: simd.splat(0),
        high: simd.splat(0),
    };
    sums.add(simd, a, b);
    sums.reduce(simd)
}

/// A sum of products of 256 bits: the middle part begins at bit 64.
struct Product<V> {
    low: V,
    middle: V,
    high: V,
}

impl<V: Copy> Product<V> {
    #[inline(always)]
    fn add<S: Simd<Vector = V>>(&mut self, simd: S, a: V, b: V) {
        self.low = simd.xor(self.low, simd.multiply::<0x00>(a, b));
        self.high = simd.xor(self.high, simd.multiply::<0x11>(a, b));
        let (across, back) = (simd.multiply::<0x01>(a, b), simd.multiply::<0x10>(a, b));
        self.middle = simd.xor3(self.middle, across, back);
    }

    /// Divides by x^128 modulo the polynomial: the lowest 64 bits are made zero, then the next.
    #[inline(always)]
    fn reduce<S: Simd<Vector = V>>(&self, simd: S) -> V {
        let reduce = simd.splat_block(&u128::from(REDUCE).to_le_bytes());
        let once = simd.multiply::<0x00>(self.low, reduce);
        let middle = simd.xor3(self.middle, simd.swap_halves(self.low), once);
        let twice = simd.multiply::<0x00>(middle, reduce);
        simd.xor3(self.high, simd.swap_halves(middle), twice)
    }
}
