//! Drives SM4-GCM over any message, for the fuzz target and the property tests.
//!
//! What must hold, with every implementation that works here: data and tag are those of RustCrypto's
//! `AesGcm<Sm4>`, what was sealed is opened, another tag is refused, refused data is left as it was, and
//! nothing outside the data is written.

use super::{Backend, Sm4Gcm, Unauthentic};
use aes_gcm::aead::{AeadInOut, consts::U12};
use aes_gcm::{AesGcm, KeyInit};

/// Bytes around the data that have to stay.
const AROUND: u8 = 0x5a;
const AROUND_BYTES: usize = 64;

/// What is sealed, and where it lies.
#[derive(Debug)]
pub struct Message {
    pub key: [u8; 16],
    pub nonce: [u8; 12],
    pub aad: Vec<u8>,
    pub plain: Vec<u8>,
    /// Bytes in front of the data, up to 63: its alignment.
    pub offset: usize,
}

impl Message {
    /// Key, nonce, the length of the additional data, that of the data in two bytes, the offset; then
    /// bytes that both are taken from, over and over.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&key, bytes) = bytes.split_first_chunk()?;
        let (&nonce, bytes) = bytes.split_first_chunk()?;
        let (&[aad_len, high, low, offset], bytes) = bytes.split_first_chunk()?;
        let (aad, bytes) = bytes.split_at_checked(usize::from(aad_len))?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let plain: Vec<u8> = bytes.iter().copied().cycle().take(len).collect();
        Some(Self {
            key,
            nonce,
            aad: aad.to_vec(),
            plain,
            offset: usize::from(offset % 64),
        })
    }

    /// # Panics
    /// When something does not hold.
    pub fn check(&self) {
        let mut right = self.plain.clone();
        let oracle = AesGcm::<sm4::Sm4, U12>::new(&self.key.into());
        let buffer = right.as_mut_slice().into();
        let sealed = oracle.encrypt_inout_detached(&self.nonce.into(), &self.aad, buffer);
        let tag = sealed.expect("within the limits").into();
        Backend::available().for_each(|backend| self.check_with(backend, &right, tag));
    }

    fn check_with(&self, backend: Backend, right: &[u8], right_tag: [u8; 16]) {
        let Self {
            nonce, aad, plain, ..
        } = self;
        let (key, name) = (Sm4Gcm::with(backend, &self.key), backend.name());
        let mut room = vec![AROUND; self.offset + plain.len() + AROUND_BYTES];
        let data = &mut room[self.offset..][..plain.len()];
        data.copy_from_slice(plain);
        let tag = key.seal_in_place(nonce, aad, data);
        assert!(
            data == right,
            "{name} seals otherwise: {} bytes",
            plain.len()
        );
        assert_eq!(
            tag,
            right_tag,
            "{name} has another tag: {} bytes",
            plain.len()
        );
        let mut wrong = tag;
        wrong[plain.len() % 16] ^= 1 << (aad.len() % 8);
        assert_eq!(
            key.open_in_place(nonce, aad, data, &wrong),
            Err(Unauthentic),
            "{name}"
        );
        assert!(data == right, "{name} changes what it refuses");
        assert_eq!(key.open_in_place(nonce, aad, data, &tag), Ok(()), "{name}");
        assert!(
            data == plain,
            "{name} opens otherwise: {} bytes",
            plain.len()
        );
        let end = self.offset + plain.len();
        let mut around = room[..self.offset].iter().chain(&room[end..]);
        assert!(
            around.all(|&byte| byte == AROUND),
            "{name} writes elsewhere"
        );
    }
}

/// # Panics
/// When something does not hold.
pub fn fuzz_sm4_gcm(bytes: &[u8]) {
    if let Some(message) = Message::parse(bytes) {
        message.check();
    }
}
