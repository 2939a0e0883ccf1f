//! AVX2 with one of three ways to invert in the field of AES and to multiply without carries.
#![allow(
    unsafe_code,
    reason = "instructions of the CPU, and loads and stores of vectors"
)]

use super::affine::{ENTER, FAR, LEAVE, NEAR, PRE_ADD, SUBSTITUTE};
use super::simd::{Job, Simd, instructions};
use std::arch::x86_64::*;

/// AVX2 and what `E` stands for.
#[derive(Clone, Copy)]
pub(super) struct Avx2<E>(E);

/// The instructions of vectors of 256 bits that CPUs with AVX2 do not all have. A value is the proof that
/// this one has those, and AVX2.
pub(super) trait Extension: Copy {
    fn enter(self, vector: __m256i) -> __m256i;
    fn leave(self, vector: __m256i) -> __m256i;
    fn round(self, sum: __m256i, input: __m256i) -> __m256i;
    /// The S-box on a vector whose words are all the same.
    fn substitute(self, word: __m256i) -> __m256i;
    fn multiply<const HALVES: i32>(self, a: __m256i, b: __m256i) -> __m256i;
}

impl<E: Extension> Simd for Avx2<E> {
    type Vector = __m256i;
    const LANES: usize = 2;
    const GROUPS: usize = 4;

    #[inline(always)]
    fn load(self, from: &[u8]) -> __m256i {
        let from = &from[..Self::BYTES];
        // SAFETY: 32 bytes are readable there, no alignment is needed, and the CPU has the instruction.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, vector: __m256i, to: &mut [u8]) {
        let to = &mut to[..Self::BYTES];
        // SAFETY: 32 bytes are writable there, no alignment is needed, and the CPU has the instruction.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector) }
    }

    #[inline(always)]
    fn splat_block(self, block: &[u8; 16]) -> __m256i {
        // SAFETY: the CPU has the instructions.
        unsafe { table(block) }
    }

    #[inline(always)]
    fn enter(self, vector: __m256i) -> __m256i {
        self.0.enter(vector)
    }

    #[inline(always)]
    fn leave(self, vector: __m256i) -> __m256i {
        self.0.leave(vector)
    }

    #[inline(always)]
    fn round(self, sum: __m256i, input: __m256i) -> __m256i {
        self.0.round(sum, input)
    }

    #[inline(always)]
    fn multiply<const HALVES: i32>(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.multiply::<HALVES>(a, b)
    }

    instructions! {
        fn splat(self, word: u32) -> __m256i {
            _mm256_set1_epi32(word.cast_signed())
        }

        fn first(self, vector: __m256i) -> u32 {
            _mm256_cvtsi256_si32(vector).cast_unsigned()
        }

        fn xor(self, a: __m256i, b: __m256i) -> __m256i {
            _mm256_xor_si256(a, b)
        }

        fn xor3(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
            _mm256_xor_si256(_mm256_xor_si256(a, b), c)
        }

        fn add(self, a: __m256i, b: __m256i) -> __m256i {
            _mm256_add_epi32(a, b)
        }

        fn order(self) -> __m256i {
            _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7)
        }

        fn transpose(self, [a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
            let (low, high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (lower, higher) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
            [
                _mm256_unpacklo_epi64(low, lower),
                _mm256_unpackhi_epi64(low, lower),
                _mm256_unpacklo_epi64(high, higher),
                _mm256_unpackhi_epi64(high, higher),
            ]
        }

        fn reverse_words(self, vector: __m256i) -> __m256i {
            let order = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
            _mm256_shuffle_epi8(vector, table(&order))
        }

        fn reverse_blocks(self, vector: __m256i) -> __m256i {
            let order = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
            _mm256_shuffle_epi8(vector, table(&order))
        }

        fn substitute(self, word: u32) -> u32 {
            let entered = self.enter(self.splat(word));
            let input = self.xor(entered, _mm256_set1_epi8(PRE_ADD.cast_signed()));
            self.first(self.0.substitute(input))
        }

        fn swap_halves(self, vector: __m256i) -> __m256i {
            _mm256_shuffle_epi32::<0x4e>(vector)
        }

        fn fold(self, vector: __m256i) -> __m256i {
            let block = _mm_xor_si128(
                _mm256_castsi256_si128(vector),
                _mm256_extracti128_si256::<1>(vector),
            );
            _mm256_zextsi128_si256(block)
        }
    }
}

/// The same 16 bytes in both lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn table(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: 16 bytes are readable there, and no alignment is needed.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast())) }
}

/// GFNI and VPCLMULQDQ: Intel since Ice Lake, without AVX-512 Alder Lake and its successors.
#[derive(Clone, Copy)]
pub(super) struct Gfni(());

impl Avx2<Gfni> {
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("vpclmulqdq");
        has.then_some(Self(Gfni(())))
    }

    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,gfni,vpclmulqdq")]
        fn run<J: Job>(simd: Avx2<Gfni>, job: J) -> J::Output {
            job.run(simd)
        }
        // SAFETY: `self` exists only where the CPU has the instructions.
        unsafe { run(self, job) }
    }
}

impl Extension for Gfni {
    instructions! {
        fn enter(self, vector: __m256i) -> __m256i {
            _mm256_gf2p8affine_epi64_epi8::<0>(vector, _mm256_set1_epi64x(ENTER.linear.quadword()))
        }

        fn leave(self, vector: __m256i) -> __m256i {
            _mm256_gf2p8affine_epi64_epi8::<0>(vector, _mm256_set1_epi64x(LEAVE.linear.quadword()))
        }

        fn round(self, sum: __m256i, input: __m256i) -> __m256i {
            let (near, far) = (
                _mm256_set1_epi64x(NEAR.linear.quadword()),
                _mm256_set1_epi64x(FAR.linear.quadword()),
            );
            let near = _mm256_gf2p8affineinv_epi64_epi8::<{ NEAR.add as i32 }>(input, near);
            let far = _mm256_gf2p8affineinv_epi64_epi8::<{ FAR.add as i32 }>(input, far);
            sum_of_round(sum, _mm256_xor_si256(near, far), near, far, &WORD_ROTATIONS)
        }

        fn substitute(self, input: __m256i) -> __m256i {
            let map = _mm256_set1_epi64x(SUBSTITUTE.linear.quadword());
            _mm256_gf2p8affineinv_epi64_epi8::<{ SUBSTITUTE.add as i32 }>(input, map)
        }

        fn multiply<const HALVES: i32>(self, a: __m256i, b: __m256i) -> __m256i {
            _mm256_clmulepi64_epi128::<HALVES>(a, b)
        }
    }
}

/// VAES and VPCLMULQDQ, without GFNI: AMD Zen 3.
#[derive(Clone, Copy)]
pub(super) struct Vaes(());

impl Avx2<Vaes> {
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("vpclmulqdq");
        has.then_some(Self(Vaes(())))
    }

    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,vaes,vpclmulqdq")]
        fn run<J: Job>(simd: Avx2<Vaes>, job: J) -> J::Output {
            job.run(simd)
        }
        // SAFETY: `self` exists only where the CPU has the instructions.
        unsafe { run(self, job) }
    }
}

impl Extension for Vaes {
    instructions! {
        fn enter(self, vector: __m256i) -> __m256i {
            mapped(&const { ENTER.tables() }, vector)
        }

        fn leave(self, vector: __m256i) -> __m256i {
            mapped(&const { LEAVE.tables() }, vector)
        }

        fn round(self, sum: __m256i, input: __m256i) -> __m256i {
            round_after_aes(sum, _mm256_aesenclast_epi128(input, _mm256_setzero_si256()))
        }

        fn substitute(self, input: __m256i) -> __m256i {
            let aes = _mm256_aesenclast_epi128(input, _mm256_setzero_si256());
            mapped(&const { SUBSTITUTE.after_aes().tables() }, aes)
        }

        fn multiply<const HALVES: i32>(self, a: __m256i, b: __m256i) -> __m256i {
            _mm256_clmulepi64_epi128::<HALVES>(a, b)
        }
    }
}

/// AES-NI and PCLMULQDQ on one half of a vector, then the other: Intel since Haswell, AMD Zen and Zen 2.
#[derive(Clone, Copy)]
pub(super) struct Aes(());

impl Avx2<Aes> {
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq");
        has.then_some(Self(Aes(())))
    }

    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,aes,pclmulqdq")]
        fn run<J: Job>(simd: Avx2<Aes>, job: J) -> J::Output {
            job.run(simd)
        }
        // SAFETY: `self` exists only where the CPU has the instructions.
        unsafe { run(self, job) }
    }
}

impl Extension for Aes {
    instructions! {
        fn enter(self, vector: __m256i) -> __m256i {
            mapped(&const { ENTER.tables() }, vector)
        }

        fn leave(self, vector: __m256i) -> __m256i {
            mapped(&const { LEAVE.tables() }, vector)
        }

        fn round(self, sum: __m256i, input: __m256i) -> __m256i {
            round_after_aes(sum, aes_by_halves(input))
        }

        fn substitute(self, input: __m256i) -> __m256i {
            mapped(&const { SUBSTITUTE.after_aes().tables() }, aes_by_halves(input))
        }

        fn multiply<const HALVES: i32>(self, a: __m256i, b: __m256i) -> __m256i {
            let low = _mm_clmulepi64_si128::<HALVES>(
                _mm256_castsi256_si128(a),
                _mm256_castsi256_si128(b),
            );
            let high = _mm_clmulepi64_si128::<HALVES>(
                _mm256_extracti128_si256::<1>(a),
                _mm256_extracti128_si256::<1>(b),
            );
            _mm256_set_m128i(high, low)
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,aes")]
fn aes_by_halves(input: __m256i) -> __m256i {
    let zero = _mm_setzero_si128();
    let low = _mm_aesenclast_si128(_mm256_castsi256_si128(input), zero);
    let high = _mm_aesenclast_si128(_mm256_extracti128_si256::<1>(input), zero);
    _mm256_set_m128i(high, low)
}

/// The rest of a round behind `aesenclast`, whose ShiftRows the shuffles undo.
#[inline]
#[target_feature(enable = "avx2")]
fn round_after_aes(sum: __m256i, aes: __m256i) -> __m256i {
    let near = mapped(&const { NEAR.after_aes().tables() }, aes);
    let far = mapped(&const { FAR.after_aes().tables() }, aes);
    let place = _mm256_shuffle_epi8(_mm256_xor_si256(near, far), table(&AES_ROTATIONS[0]));
    sum_of_round(sum, place, near, far, &AES_ROTATIONS)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_of_round(
    sum: __m256i,
    place: __m256i,
    near: __m256i,
    far: __m256i,
    rotations: &[[u8; 16]; 4],
) -> __m256i {
    let by_8 = _mm256_shuffle_epi8(near, table(&rotations[1]));
    let by_16 = _mm256_shuffle_epi8(near, table(&rotations[2]));
    let by_24 = _mm256_shuffle_epi8(far, table(&rotations[3]));
    let turned = _mm256_xor_si256(_mm256_xor_si256(by_8, by_16), by_24);
    _mm256_xor_si256(_mm256_xor_si256(sum, place), turned)
}

/// An affine map on each byte, by its low and its high four bits.
#[inline]
#[target_feature(enable = "avx2")]
fn mapped(tables: &[[u8; 16]; 2], vector: __m256i) -> __m256i {
    let mask = _mm256_set1_epi8(15);
    let low = _mm256_and_si256(vector, mask);
    let high = _mm256_and_si256(_mm256_srli_epi32::<4>(vector), mask);
    _mm256_xor_si256(
        _mm256_shuffle_epi8(table(&tables[0]), low),
        _mm256_shuffle_epi8(table(&tables[1]), high),
    )
}

/// Where the bytes of a lane come from when its words are rotated left by 0, 8, 16 and 24.
const WORD_ROTATIONS: [[u8; 16]; 4] = rotations(false);
/// The same when ShiftRows of AES has gone before.
const AES_ROTATIONS: [[u8; 16]; 4] = rotations(true);

const fn rotations(shifted: bool) -> [[u8; 16]; 4] {
    let mut rotations = [[0; 16]; 4];
    let mut at = 0;
    while at < 64 {
        let (by, place) = (at / 16, at % 16);
        // Row and column as in AES: a column is a word, and ShiftRows moves row r by r columns.
        let row = (place + 4 - by) % 4;
        let column = place / 4 + if shifted { 4 - row } else { 0 };
        rotations[by][place] = (row + 4 * (column % 4)) as u8;
        at += 1;
    }
    rotations
}
