//! SM4-GCM (RFC 8998 §3.2, NIST SP 800-38D) with a nonce of 12 bytes and a tag of 16, in place.

use super::kernel::{Kernel, Powers, RoundKeys};
use super::sm4::{Backend, Unauthentic, masked};
use aes_gcm::aead::{AeadInOut, consts::U12};
use aes_gcm::{AesGcm, KeyInit};
use std::fmt;
use subtle::ConstantTimeEq;

/// A key of SM4-GCM. Under a kilobyte, made in less than a microsecond with any kernel, and overwritten
/// with zeros when dropped.
///
/// On x86-64 with AVX2 and AES instructions its time depends on lengths only, not on the key or the data.
/// Elsewhere it is RustCrypto's `AesGcm<Sm4>`, which looks its S-box up in memory by secret bytes: a party
/// that shares the CPU's caches may learn of the key.
pub struct Sm4Gcm(Key);

enum Key {
    Vector {
        kernel: Kernel,
        keys: RoundKeys,
        powers: Powers,
    },
    Portable(AesGcm<sm4::Sm4, U12>),
}

impl Sm4Gcm {
    pub fn new(key: &[u8; 16]) -> Self {
        Self::with(Backend::detect(), key)
    }

    /// With a certain implementation; for tests and measurements.
    pub fn with(backend: Backend, key: &[u8; 16]) -> Self {
        Self(match backend.0 {
            Some(kernel) => {
                let keys = kernel.expand(key);
                let powers = kernel.raise(&keys);
                Key::Vector {
                    kernel,
                    keys,
                    powers,
                }
            }
            None => Key::Portable(AesGcm::new(key.into())),
        })
    }

    /// Encrypts `data` and returns the tag over `aad` and `data`. A nonce must not come twice under a key.
    ///
    /// The lengths are far from the limits of GCM (64 GiB of data): TLS has records of 16 KiB.
    pub fn seal_in_place(&self, nonce: &[u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; 16] {
        match &self.0 {
            Key::Vector {
                kernel,
                keys,
                powers,
            } => {
                let first = first_counter(nonce);
                let tail = kernel.prepare(keys, &first, data.len());
                kernel.apply(keys, &first, &tail, data);
                masked(kernel.ghash(powers, aad, data), tail.mask())
            }
            Key::Portable(key) => key
                .encrypt_inout_detached(nonce.into(), aad, data.into())
                .map_or([0; 16], Into::into),
        }
    }

    /// Decrypts `data` if `tag` belongs to it and to `aad`.
    ///
    /// # Errors
    /// [`Unauthentic`] when the tag is wrong; then `data` is as it was: the tag is checked before anything
    /// is decrypted, in time that does not depend on where it differs.
    pub fn open_in_place(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), Unauthentic> {
        match &self.0 {
            Key::Vector {
                kernel,
                keys,
                powers,
            } => {
                let first = first_counter(nonce);
                let tail = kernel.prepare(keys, &first, data.len());
                let right = masked(kernel.ghash(powers, aad, data), tail.mask());
                if !bool::from(right.ct_eq(tag)) {
                    return Err(Unauthentic);
                }
                kernel.apply(keys, &first, &tail, data);
                Ok(())
            }
            Key::Portable(key) => key
                .decrypt_inout_detached(nonce.into(), aad, data.into(), tag.into())
                .map_err(|_| Unauthentic),
        }
    }
}

impl fmt::Debug for Sm4Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sm4Gcm").finish_non_exhaustive()
    }
}

/// NIST SP 800-38D §7.1: the counter block of a nonce of 12 bytes begins at one.
fn first_counter(nonce: &[u8; 12]) -> [u8; 16] {
    std::array::from_fn(|at| *nonce.get(at).unwrap_or(&u8::from(at == 15)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();

    /// RFC 8998 appendix A.1.
    const NONCE: [u8; 12] = [0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0xab, 0xcd];
    const AAD: [u8; 20] = [
        0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe,
        0xef, 0xab, 0xad, 0xda, 0xd2,
    ];
    const SEALED: [u128; 4] = [
        0x17f3_99f0_8c67_d5ee_19d0_dc99_69c4_bb7d,
        0x5fd4_6fd3_7564_8906_9157_b282_bb20_0735,
        0xd827_10ca_5c22_f0cc_fa7c_bf93_d496_ac15,
        0xa568_34cb_cf98_c397_b402_4a26_9123_3b8d,
    ];
    const TAG: u128 = 0x83de_3541_e4c2_b581_77e0_65a9_bf7b_62ec;

    fn plain() -> Vec<u8> {
        b"\xaa\xbb\xcc\xdd\xee\xff\xee\xaa"
            .iter()
            .flat_map(|&byte| [byte; 8])
            .collect()
    }

    #[test]
    fn the_known_answer_of_the_rfc() {
        for backend in Backend::available() {
            let (key, mut data) = (Sm4Gcm::with(backend, &KEY), plain());
            let tag = key.seal_in_place(&NONCE, &AAD, &mut data);
            assert_eq!(
                data,
                SEALED.map(u128::to_be_bytes).concat(),
                "{}",
                backend.name()
            );
            assert_eq!(u128::from_be_bytes(tag), TAG, "{}", backend.name());
            assert_eq!(key.open_in_place(&NONCE, &AAD, &mut data, &tag), Ok(()));
            assert_eq!(data, plain());
        }
    }

    #[test]
    fn what_was_changed_is_refused_and_left_as_it_was() {
        for backend in Backend::available() {
            let (key, mut data) = (Sm4Gcm::with(backend, &KEY), plain());
            let tag = key.seal_in_place(&NONCE, &AAD, &mut data);
            for bit in 0..128 {
                let tag = (u128::from_be_bytes(tag) ^ 1 << bit).to_be_bytes();
                let mut refused = data.clone();
                let opened = key.open_in_place(&NONCE, &AAD, &mut refused, &tag);
                assert_eq!(
                    (opened, &refused),
                    (Err(Unauthentic), &data),
                    "{}",
                    backend.name()
                );
            }
            let mut cut = data[..63].to_vec();
            assert_eq!(
                key.open_in_place(&NONCE, &AAD, &mut cut, &tag),
                Err(Unauthentic)
            );
            assert_eq!(
                key.open_in_place(&NONCE, &AAD[..19], &mut data, &tag),
                Err(Unauthentic)
            );
            assert_eq!(
                key.open_in_place(&[0; 12], &AAD, &mut data, &tag),
                Err(Unauthentic)
            );
        }
    }

    #[test]
    fn a_key_is_small_and_not_printed() {
        assert!(size_of::<Sm4Gcm>() < 1024);
        assert_eq!(format!("{:?}", Sm4Gcm::new(&KEY)), "Sm4Gcm { .. }");
    }
}
