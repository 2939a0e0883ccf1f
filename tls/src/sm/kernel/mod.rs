//! SM4 and GHASH on vectors: one algorithm, written against [`Simd`], for several sets of instructions.
//!
//! No branch and no address depends on a key or on data: the S-box is computed, or looked up within a
//! register. `unsafe` stands only in the files of the instruction sets. A value of a type that is
//! [`Simd`] proves that the CPU has its instructions, so its methods are safe to call.

mod affine;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cipher;
mod ghash;
mod simd;

pub(super) use cipher::Tail;
use cipher::{Apply, Chain, Expand, Prepare};
use ghash::{Absorb, Raise};
use simd::Job;
use zeroize::{Zeroize, Zeroizing};

/// A set of instructions that the kernel is written for and that this CPU has.
#[derive(Clone, Copy)]
pub(super) struct Kernel(Set);

#[derive(Clone, Copy)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2Gfni(avx2::Avx2<avx2::Gfni>),
    #[cfg(target_arch = "x86_64")]
    Avx2Vaes(avx2::Avx2<avx2::Vaes>),
    #[cfg(target_arch = "x86_64")]
    Avx2Aes(avx2::Avx2<avx2::Aes>),
}

/// The 32 round keys, as the kernel wants them.
pub(super) struct RoundKeys(Zeroizing<[u32; 32]>);

/// The first sixteen powers of the key of GHASH, the highest first.
pub(super) struct Powers(Zeroizing<[u8; ghash::BYTES]>);

impl Kernel {
    /// The fastest that this CPU has; none where it has no AES instructions or is no x86-64.
    pub(super) fn detect() -> Option<Self> {
        Self::available().next()
    }

    /// All that this CPU has, the fastest first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let sets = [
            avx512::Avx512::detect().map(Set::Avx512),
            avx2::Avx2::<avx2::Gfni>::detect().map(Set::Avx2Gfni),
            avx2::Avx2::<avx2::Vaes>::detect().map(Set::Avx2Vaes),
            avx2::Avx2::<avx2::Aes>::detect().map(Set::Avx2Aes),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let sets: [Option<Set>; 0] = [];
        sets.into_iter().flatten().map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(_) => "avx512-gfni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Gfni(_) => "avx2-gfni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Vaes(_) => "avx2-vaes",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Aes(_) => "avx2-aes",
        }
    }

    pub(super) fn expand(self, key: &[u8; 16]) -> RoundKeys {
        let mut keys = RoundKeys(Zeroizing::new([0; 32]));
        self.run(Expand(key, &mut keys.0));
        keys
    }

    /// The powers of the key of GHASH that belongs to these round keys.
    pub(super) fn raise(self, keys: &RoundKeys) -> Powers {
        let (mut key, mut powers) = ([0; 16], Powers(Zeroizing::new([0; ghash::BYTES])));
        self.chain(keys, &mut key, &[0; 16]);
        self.run(Raise {
            key,
            powers: &mut powers.0,
        });
        key.zeroize();
        powers
    }

    /// CBC-MAC: adds each block of `data`, the last one padded with zeros, to `sum` and encrypts that.
    pub(super) fn chain(self, keys: &RoundKeys, sum: &mut [u8; 16], data: &[u8]) {
        self.run(Chain {
            keys: &keys.0,
            sum,
            data,
        });
    }

    /// The key stream for the first counter block and for the end of `data_len` bytes; the data begins at
    /// the counter block behind `first`.
    pub(super) fn prepare(self, keys: &RoundKeys, first: &[u8; 16], data_len: usize) -> Tail {
        let mut tail = Tail::EMPTY;
        self.run(Prepare {
            keys: &keys.0,
            first,
            data_len,
            tail: &mut tail,
        });
        tail
    }

    /// Adds the key stream to `data`, whose length and `first` were those of `tail`.
    pub(super) fn apply(self, keys: &RoundKeys, first: &[u8; 16], tail: &Tail, data: &mut [u8]) {
        let rest_len = self.run(Apply {
            keys: &keys.0,
            first,
            data,
        });
        let at = data.len() - rest_len;
        data[at..]
            .iter_mut()
            .zip(tail.stream())
            .for_each(|(byte, stream)| *byte ^= stream);
    }

    pub(super) fn ghash(self, powers: &Powers, aad: &[u8], data: &[u8]) -> [u8; 16] {
        self.run(Absorb {
            powers: &powers.0,
            aad,
            data,
        })
    }

    fn run<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(simd) => simd.run(job),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Gfni(simd) => simd.run(job),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Vaes(simd) => simd.run(job),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Aes(simd) => simd.run(job),
        }
    }
}

#[cfg(test)]
mod tests;
