//! The cipher of one direction: the only place that names the library it comes from.

use super::TAG_BYTES;
use crate::Suite;
#[cfg(feature = "sm")]
use crate::sm::{Sm4Ccm, Sm4Gcm};
#[cfg(feature = "aws-lc")]
use aws_lc_rs::aead;
#[cfg(not(feature = "aws-lc"))]
use ring::aead;
use rustls::ConnectionTrafficSecrets;

/// A cipher with its key. `ring` keeps the key's schedule in it, where it is not erased when it goes; those of SM4
/// are.
#[cfg_attr(
    all(feature = "sm", not(feature = "aws-lc")),
    expect(
        clippy::large_enum_variant,
        reason = "nearly all sessions have the large one; a box would cost them a line of cache for each record"
    )
)]
pub(super) enum Cipher {
    Standard(aead::LessSafeKey),
    #[cfg(feature = "sm")]
    Sm4Ccm(Box<Sm4Ccm>),
    #[cfg(feature = "sm")]
    Sm4Gcm(Box<Sm4Gcm>),
}

impl Cipher {
    /// The cipher of a suite with its key, and the IV; `None`: no such cipher, or a key of another length.
    pub(super) fn new(
        suite: Suite,
        secrets: &ConnectionTrafficSecrets,
    ) -> Option<(Self, [u8; 12])> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&aead::CHACHA20_POLY1305, key, iv)
            }
            _ => return None,
        };
        let iv = iv.as_ref().try_into().ok()?;
        // rustls has no name for secrets of SM4: they come as those of another cipher with such a key.
        #[cfg(feature = "sm")]
        match suite {
            Suite::SM4_GCM_SM3 => {
                let key = Sm4Gcm::new(key.as_ref().try_into().ok()?);
                return Some((Self::Sm4Gcm(Box::new(key)), iv));
            }
            Suite::SM4_CCM_SM3 => {
                let key = Sm4Ccm::new(key.as_ref().try_into().ok()?);
                return Some((Self::Sm4Ccm(Box::new(key)), iv));
            }
            _ => {}
        }
        #[cfg(not(feature = "sm"))]
        let _ = suite;
        let key = aead::UnboundKey::new(algorithm, key.as_ref()).ok()?;
        Some((Self::Standard(aead::LessSafeKey::new(key)), iv))
    }

    /// Encrypts `data` where it lies; returns the tag. `None`: more data than the cipher takes.
    pub(super) fn seal(
        &self,
        nonce: [u8; 12],
        aad: &[u8],
        data: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        match self {
            Self::Standard(key) => {
                let nonce = aead::Nonce::assume_unique_for_key(nonce);
                let aad = aead::Aad::from(aad);
                let tag = key.seal_in_place_separate_tag(nonce, aad, data).ok()?;
                tag.as_ref().try_into().ok()
            }
            #[cfg(feature = "sm")]
            Self::Sm4Ccm(key) => Some(key.seal_in_place(&nonce, aad, data)),
            #[cfg(feature = "sm")]
            Self::Sm4Gcm(key) => Some(key.seal_in_place(&nonce, aad, data)),
        }
    }

    /// Decrypts `data`, which ends with the tag, where it lies; returns how much of it is plaintext. `None`: it is
    /// not what the peer has sent.
    pub(super) fn open(&self, nonce: [u8; 12], aad: &[u8], data: &mut [u8]) -> Option<usize> {
        match self {
            Self::Standard(key) => {
                let nonce = aead::Nonce::assume_unique_for_key(nonce);
                let plain = key.open_in_place(nonce, aead::Aad::from(aad), data).ok()?;
                Some(plain.len())
            }
            #[cfg(feature = "sm")]
            Self::Sm4Ccm(key) => {
                let (data, tag) = data.split_last_chunk_mut::<TAG_BYTES>()?;
                key.open_in_place(&nonce, aad, data, tag).ok()?;
                Some(data.len())
            }
            #[cfg(feature = "sm")]
            Self::Sm4Gcm(key) => {
                let (data, tag) = data.split_last_chunk_mut::<TAG_BYTES>()?;
                key.open_in_place(&nonce, aad, data, tag).ok()?;
                Some(data.len())
            }
        }
    }
}
