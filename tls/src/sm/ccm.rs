//! SM4-CCM (RFC 8998 §3.2, RFC 3610) with a nonce of 12 bytes and a tag of 16, in place.

use super::sm4::{Backend, Sm4, Unauthentic, masked};
use std::fmt;
use subtle::ConstantTimeEq;

/// How much one message may have: its length has three bytes.
const DATA_BYTES_MAX: usize = (1 << 24) - 1;

/// A key of SM4-CCM. CCM chains its blocks, so that it is far slower than GCM whatever the CPU.
///
/// Time depends on lengths only where that of [`Sm4Gcm`](super::Sm4Gcm) does. The round keys are
/// overwritten with zeros when it is dropped.
pub struct Sm4Ccm(Sm4);

impl Sm4Ccm {
    pub fn new(key: &[u8; 16]) -> Self {
        Self::with(Backend::detect(), key)
    }

    /// With a certain implementation; for tests and measurements.
    pub fn with(backend: Backend, key: &[u8; 16]) -> Self {
        Self(Sm4::new(backend, key))
    }

    /// Encrypts `data`, under 16 MiB, and returns the tag over `aad` and `data`. A nonce must not come
    /// twice under a key.
    pub fn seal_in_place(&self, nonce: &[u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; 16] {
        debug_assert!(data.len() <= DATA_BYTES_MAX, "the length has three bytes");
        let sum = self.authenticate(nonce, aad, data);
        masked(sum, self.0.stream(&first_counter(nonce), data))
    }

    /// Decrypts `data` if `tag` belongs to it and to `aad`.
    ///
    /// # Errors
    /// [`Unauthentic`] when the tag is wrong; then `data` is as it was. CCM authenticates what is
    /// decrypted, so it is encrypted again.
    pub fn open_in_place(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), Unauthentic> {
        let first = first_counter(nonce);
        let mask = self.0.stream(&first, data);
        let right = masked(self.authenticate(nonce, aad, data), mask);
        if bool::from(right.ct_eq(tag)) && data.len() <= DATA_BYTES_MAX {
            return Ok(());
        }
        self.0.stream(&first, data);
        Err(Unauthentic)
    }

    /// RFC 3610 §2.2.
    fn authenticate(&self, nonce: &[u8; 12], aad: &[u8], data: &[u8]) -> [u8; 16] {
        let mut sum = [0; 16];
        let has_aad = u8::from(!aad.is_empty());
        let flags = (has_aad << 6) | (((16 - 2) / 2) << 3) | (3 - 1);
        let [_, len @ ..] = (data.len() as u32).to_be_bytes();
        self.0.chain(&mut sum, &block(flags, nonce, len));
        let mut begin = [0; 16];
        let at = match u16::try_from(aad.len()) {
            Ok(len @ ..0xff00) => {
                begin[..2].copy_from_slice(&len.to_be_bytes());
                2
            }
            _ => {
                begin[..2].copy_from_slice(&[0xff, 0xfe]);
                begin[2..6].copy_from_slice(&(aad.len() as u32).to_be_bytes());
                6
            }
        };
        let (head, rest) = aad.split_at(aad.len().min(16 - at));
        begin[at..at + head.len()].copy_from_slice(head);
        if has_aad == 1 {
            self.0.chain(&mut sum, &begin);
            self.0.chain(&mut sum, rest);
        }
        self.0.chain(&mut sum, data);
        sum
    }
}

impl fmt::Debug for Sm4Ccm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sm4Ccm").finish_non_exhaustive()
    }
}

/// RFC 3610 §2.3: the counter, of three bytes, is zero in the block that masks the tag.
fn first_counter(nonce: &[u8; 12]) -> [u8; 16] {
    block(3 - 1, nonce, [0; 3])
}

fn block(flags: u8, nonce: &[u8; 12], last: [u8; 3]) -> [u8; 16] {
    let mut block = [flags; 16];
    block[1..13].copy_from_slice(nonce);
    block[13..].copy_from_slice(&last);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8998 appendix A.2.
    const KEY: [u8; 16] = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();
    const NONCE: [u8; 12] = [0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0xab, 0xcd];
    const AAD: [u8; 20] = [
        0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe,
        0xef, 0xab, 0xad, 0xda, 0xd2,
    ];
    const SEALED: [u128; 4] = [
        0x48af_9350_1fa6_2adb_cd41_4cce_6034_d895,
        0xdda1_bf8f_132f_0420_9866_1572_e748_3094,
        0xfd12_e518_ce06_2c98_acee_28d9_5df4_416b,
        0xed31_a2f0_4476_c18b_b40c_84a7_4b97_dc5b,
    ];
    const TAG: u128 = 0x1684_2d4f_a186_f56a_b332_5697_1fa1_10f4;

    fn plain() -> Vec<u8> {
        b"\xaa\xbb\xcc\xdd\xee\xff\xee\xaa"
            .iter()
            .flat_map(|&byte| [byte; 8])
            .collect()
    }

    #[test]
    fn the_known_answer_of_the_rfc() {
        for backend in Backend::available() {
            let (key, mut data) = (Sm4Ccm::with(backend, &KEY), plain());
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
            let (key, mut data) = (Sm4Ccm::with(backend, &KEY), plain());
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
}
