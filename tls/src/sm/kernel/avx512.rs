//! AVX-512 with GFNI and VPCLMULQDQ: Intel since Ice Lake, AMD since Zen 4.
#![allow(
    unsafe_code,
    reason = "instructions of the CPU, and loads and stores of vectors"
)]

use super::affine::{ENTER, FAR, LEAVE, NEAR, PRE_ADD, SUBSTITUTE};
use super::simd::{Job, Simd, instructions};
use std::arch::x86_64::*;

/// Proof that the CPU has what this file needs.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("vpclmulqdq");
        has.then_some(Self(()))
    }

    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni,vpclmulqdq")]
        fn run<J: Job>(simd: Avx512, job: J) -> J::Output {
            job.run(simd)
        }
        // SAFETY: `self` exists only where the CPU has the instructions.
        unsafe { run(self, job) }
    }
}

impl Simd for Avx512 {
    type Vector = __m512i;
    const LANES: usize = 4;
    const GROUPS: usize = 4;

    #[inline(always)]
    fn load(self, from: &[u8]) -> __m512i {
        let from = &from[..Self::BYTES];
        // SAFETY: 64 bytes are readable there, no alignment is needed, and the CPU has the instruction.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, vector: __m512i, to: &mut [u8]) {
        let to = &mut to[..Self::BYTES];
        // SAFETY: 64 bytes are writable there, no alignment is needed, and the CPU has the instruction.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), vector) }
    }

    #[inline(always)]
    fn splat_block(self, block: &[u8; 16]) -> __m512i {
        // SAFETY: a block is 16 bytes, no alignment is needed, and the CPU has the instructions.
        unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(block.as_ptr().cast())) }
    }

    instructions! {
        fn splat(self, word: u32) -> __m512i {
            _mm512_set1_epi32(word.cast_signed())
        }

        fn first(self, vector: __m512i) -> u32 {
            _mm512_cvtsi512_si32(vector).cast_unsigned()
        }

        fn xor(self, a: __m512i, b: __m512i) -> __m512i {
            _mm512_xor_si512(a, b)
        }

        fn xor3(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
            _mm512_ternarylogic_epi32::<0x96>(a, b, c)
        }

        fn add(self, a: __m512i, b: __m512i) -> __m512i {
            _mm512_add_epi32(a, b)
        }

        fn order(self) -> __m512i {
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
        }

        fn transpose(self, [a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
            let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (lower, higher) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            [
                _mm512_unpacklo_epi64(low, lower),
                _mm512_unpackhi_epi64(low, lower),
                _mm512_unpacklo_epi64(high, higher),
                _mm512_unpackhi_epi64(high, higher),
            ]
        }

        fn reverse_words(self, vector: __m512i) -> __m512i {
            let order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
            _mm512_shuffle_epi8(vector, _mm512_broadcast_i32x4(order))
        }

        fn reverse_blocks(self, vector: __m512i) -> __m512i {
            let order = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
            _mm512_shuffle_epi8(vector, _mm512_broadcast_i32x4(order))
        }

        fn enter(self, vector: __m512i) -> __m512i {
            _mm512_gf2p8affine_epi64_epi8::<0>(vector, _mm512_set1_epi64(ENTER.linear.quadword()))
        }

        fn leave(self, vector: __m512i) -> __m512i {
            _mm512_gf2p8affine_epi64_epi8::<0>(vector, _mm512_set1_epi64(LEAVE.linear.quadword()))
        }

        fn round(self, sum: __m512i, input: __m512i) -> __m512i {
            let (near, far) = (
                _mm512_set1_epi64(NEAR.linear.quadword()),
                _mm512_set1_epi64(FAR.linear.quadword()),
            );
            let near = _mm512_gf2p8affineinv_epi64_epi8::<{ NEAR.add as i32 }>(input, near);
            let far = _mm512_gf2p8affineinv_epi64_epi8::<{ FAR.add as i32 }>(input, far);
            let turned = self.xor3(
                _mm512_rol_epi32::<8>(near),
                _mm512_rol_epi32::<16>(near),
                _mm512_rol_epi32::<24>(far),
            );
            _mm512_xor_si512(self.xor3(sum, near, far), turned)
        }

        fn substitute(self, word: u32) -> u32 {
            let entered = self.enter(self.splat(word));
            let input = self.xor(entered, _mm512_set1_epi8(PRE_ADD.cast_signed()));
            let map = _mm512_set1_epi64(SUBSTITUTE.linear.quadword());
            self.first(_mm512_gf2p8affineinv_epi64_epi8::<{ SUBSTITUTE.add as i32 }>(input, map))
        }

        fn multiply<const HALVES: i32>(self, a: __m512i, b: __m512i) -> __m512i {
            _mm512_clmulepi64_epi128::<HALVES>(a, b)
        }

        fn swap_halves(self, vector: __m512i) -> __m512i {
            _mm512_shuffle_epi32::<0x4e>(vector)
        }

        fn fold(self, vector: __m512i) -> __m512i {
            let half = _mm256_xor_si256(
                _mm512_castsi512_si256(vector),
                _mm512_extracti64x4_epi64::<1>(vector),
            );
            let block = _mm_xor_si128(
                _mm256_castsi256_si128(half),
                _mm256_extracti128_si256::<1>(half),
            );
            _mm512_zextsi128_si512(block)
        }
    }
}
