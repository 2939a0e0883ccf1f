//! The keys of one direction, with the number of the next record.

use super::{HEADER_BYTES, TAG_BYTES, cipher::Cipher, kind};
use crate::{Suite, Version};
use rustls::ConnectionTrafficSecrets;
use std::ops::Range;
use zeroize::Zeroize;

/// Bytes of the nonce that a TLS 1.2 record with AES-GCM begins with (RFC 5288 §3).
const EXPLICIT_BYTES: usize = 8;

/// Keys of one direction.
pub(crate) struct Keys {
    cipher: Cipher,
    iv: [u8; 12],
    /// The number of the next record.
    seq: u64,
    form: Form,
}

/// How records look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Tls13,
    Tls12,
    /// TLS 1.2 with part of the nonce in the record.
    Explicit,
}

impl Keys {
    /// The keys that rustls gave; `None`: for a cipher that is not known here.
    pub(crate) fn new(
        version: Version,
        suite: Suite,
        seq: u64,
        secrets: &ConnectionTrafficSecrets,
    ) -> Option<Self> {
        let is_chacha = matches!(secrets, ConnectionTrafficSecrets::Chacha20Poly1305 { .. });
        let form = match version {
            Version::Tls13 => Form::Tls13,
            Version::Tls12 if is_chacha => Form::Tls12,
            Version::Tls12 => Form::Explicit,
        };
        let (cipher, iv) = Cipher::new(suite, secrets)?;
        Some(Self {
            cipher,
            iv,
            seq,
            form,
        })
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.form == Form::Tls13
    }

    /// Bytes of a record before its data.
    pub(super) fn prefix(&self) -> usize {
        match self.form {
            Form::Tls13 | Form::Tls12 => HEADER_BYTES,
            Form::Explicit => HEADER_BYTES + EXPLICIT_BYTES,
        }
    }

    /// Bytes of a record besides its data.
    pub(super) fn overhead(&self) -> usize {
        self.prefix() + usize::from(self.is_tls13()) + TAG_BYTES
    }

    /// Makes a record of `record`, which is as long as it will be and holds the data behind [`Self::prefix`].
    /// `None`: the cipher took it not.
    pub(super) fn seal(&mut self, kind: u8, record: &mut [u8]) -> Option<()> {
        let (end, inner) = (record.len() - TAG_BYTES, self.prefix());
        let outer = if self.is_tls13() { kind::DATA } else { kind };
        let len = ((record.len() - HEADER_BYTES) as u16).to_be_bytes();
        record[..HEADER_BYTES].copy_from_slice(&[outer, 3, 3, len[0], len[1]]);
        let nonce = self.nonce();
        match self.form {
            Form::Tls13 => record[end - 1] = kind,
            Form::Tls12 => {}
            Form::Explicit => record[HEADER_BYTES..inner].copy_from_slice(&nonce[4..]),
        }
        let (head, body) = record.split_at_mut(inner);
        let (data, tag) = body.split_at_mut(end - inner);
        let aad = Aad::new(self, head, data.len());
        tag.copy_from_slice(&self.cipher.seal(nonce, aad.bytes(), data)?);
        self.seq += 1;
        Some(())
    }

    /// Decrypts the body of a record where it lies; the plaintext is the range returned. `None`: it does not
    /// belong there.
    pub(super) fn open(
        &mut self,
        header: &[u8; HEADER_BYTES],
        body: &mut [u8],
    ) -> Option<Range<usize>> {
        let start = self.prefix() - HEADER_BYTES;
        let len = body.len().checked_sub(start + TAG_BYTES)?;
        let mut nonce = self.nonce();
        if self.form == Form::Explicit {
            nonce[..4].copy_from_slice(&self.iv[..4]);
            nonce[4..].copy_from_slice(&body[..EXPLICIT_BYTES]);
        }
        let aad = Aad::new(self, header, len);
        let len = self.cipher.open(nonce, aad.bytes(), &mut body[start..])?;
        self.seq = self.seq.checked_add(1)?;
        Some(start..start + len)
    }

    /// RFC 8446 §5.3; RFC 5288 §3 leaves it to the sender.
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        let numbers = nonce[4..].iter_mut().zip(self.seq.to_be_bytes());
        numbers.for_each(|(byte, number)| *byte ^= number);
        nonce
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.iv.zeroize();
    }
}

/// What is authenticated besides the data: the header (RFC 8446 §5.2), or number, type, version and length of the
/// data (RFC 5246 §6.2.3.3).
struct Aad {
    bytes: [u8; 13],
    len: usize,
}

impl Aad {
    fn new(keys: &Keys, header: &[u8], data: usize) -> Self {
        let (mut bytes, len) = ([0; 13], if keys.is_tls13() { HEADER_BYTES } else { 13 });
        if keys.is_tls13() {
            bytes[..HEADER_BYTES].copy_from_slice(&header[..HEADER_BYTES]);
        } else {
            bytes[..8].copy_from_slice(&keys.seq.to_be_bytes());
            bytes[8..11].copy_from_slice(&header[..3]);
            bytes[11..].copy_from_slice(&(data as u16).to_be_bytes());
        }
        Self { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
