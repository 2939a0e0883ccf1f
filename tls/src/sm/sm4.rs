//! What the two modes of SM4 share: which implementation, its block function, and the word of refusal.

use super::kernel::{Kernel, RoundKeys};
use sm4::cipher::{BlockCipherEncrypt, KeyInit};

/// The tag does not belong to the data: it was changed, or the key, nonce or additional data differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthentic;

/// Which implementation of SM4 a key uses.
#[derive(Clone, Copy)]
pub struct Backend(pub(super) Option<Kernel>);

impl Backend {
    /// The fastest that works here. The CPU was asked once; the answer is a load.
    pub fn detect() -> Self {
        Self(Kernel::detect())
    }

    /// All that work here, the fastest first. The last is RustCrypto's, which works everywhere.
    pub fn available() -> impl Iterator<Item = Self> {
        Kernel::available().map(Some).chain([None]).map(Self)
    }

    /// It uses vectors, no tables.
    pub fn is_vector(self) -> bool {
        self.0.is_some()
    }

    /// The instructions it uses, such as `avx2-vaes`; or `portable`.
    pub fn name(self) -> &'static str {
        self.0.map_or("portable", Kernel::name)
    }
}

/// SM4 with a key: a chain of blocks, and counter mode.
pub(super) enum Sm4 {
    Vector(Kernel, RoundKeys),
    Portable(sm4::Sm4),
}

impl Sm4 {
    pub(super) fn new(backend: Backend, key: &[u8; 16]) -> Self {
        match backend.0 {
            Some(kernel) => Self::Vector(kernel, kernel.expand(key)),
            None => Self::Portable(sm4::Sm4::new(key.into())),
        }
    }

    /// CBC-MAC: adds each block of `data`, the last one padded with zeros, to `sum` and encrypts that.
    pub(super) fn chain(&self, sum: &mut [u8; 16], data: &[u8]) {
        match self {
            Self::Vector(kernel, keys) => kernel.chain(keys, sum, data),
            Self::Portable(key) => {
                for block in data.chunks(16) {
                    sum.iter_mut()
                        .zip(block)
                        .for_each(|(sum, byte)| *sum ^= byte);
                    key.encrypt_block(sum.into());
                }
            }
        }
    }

    /// Adds the key stream to `data`, from the counter block behind `first` on; returns `first`,
    /// encrypted.
    pub(super) fn stream(&self, first: &[u8; 16], data: &mut [u8]) -> [u8; 16] {
        match self {
            Self::Vector(kernel, keys) => {
                let tail = kernel.prepare(keys, first, data.len());
                kernel.apply(keys, first, &tail, data);
                tail.mask()
            }
            Self::Portable(key) => {
                for (count, block) in (1..).zip(data.chunks_mut(16)) {
                    let stream = encrypted(key, counter(first, count));
                    block
                        .iter_mut()
                        .zip(stream)
                        .for_each(|(byte, stream)| *byte ^= stream);
                }
                encrypted(key, *first)
            }
        }
    }
}

fn encrypted(key: &sm4::Sm4, mut block: [u8; 16]) -> [u8; 16] {
    key.encrypt_block((&mut block).into());
    block
}

fn counter(first: &[u8; 16], count: u32) -> [u8; 16] {
    let first = u128::from_be_bytes(*first);
    let last = (first as u32).wrapping_add(count);
    ((first >> 32) << 32 | u128::from(last)).to_be_bytes()
}

pub(super) fn masked(hash: [u8; 16], mask: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|at| hash[at] ^ mask[at])
}
