//! The cipher of one direction: the only place that names the library it comes from.

use super::TAG_BYTES;
#[cfg(feature = "aws-lc")]
use aws_lc_rs::aead;
#[cfg(not(feature = "aws-lc"))]
use ring::aead;
use rustls::ConnectionTrafficSecrets;

/// A cipher with its key. `ring` keeps the key's schedule in it, where it is not erased when it goes.
pub(super) struct Cipher(aead::LessSafeKey);

impl Cipher {
    /// The cipher that the secrets are for; `None`: no such cipher, or a key of another length.
    pub(super) fn new(secrets: &ConnectionTrafficSecrets) -> Option<(Self, [u8; 12])> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&aead::CHACHA20_POLY1305, key, iv)
            }
            _ => return None,
        };
        let key = aead::UnboundKey::new(algorithm, key.as_ref()).ok()?;
        let iv = iv.as_ref().try_into().ok()?;
        Some((Self(aead::LessSafeKey::new(key)), iv))
    }

    /// Encrypts `data` where it lies; returns the tag. `None`: more data than the cipher takes.
    pub(super) fn seal(
        &self,
        nonce: [u8; 12],
        aad: &[u8],
        data: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let aad = aead::Aad::from(aad);
        let tag = self.0.seal_in_place_separate_tag(nonce, aad, data).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts `data`, which ends with the tag, where it lies; returns how much of it is plaintext. `None`: it is
    /// not what the peer has sent.
    pub(super) fn open(&self, nonce: [u8; 12], aad: &[u8], data: &mut [u8]) -> Option<usize> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let plain = self
            .0
            .open_in_place(nonce, aead::Aad::from(aad), data)
            .ok()?;
        Some(plain.len())
    }
}
