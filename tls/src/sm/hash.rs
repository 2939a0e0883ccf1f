//! SM3 (GB/T 32905) and HMAC-SM3 for rustls, on RustCrypto's.

use hmac::{KeyInit, Mac};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::hmac::{Hmac, Key, Tag};
use sm3::{Digest, Sm3};

const OUTPUT_BYTES: usize = 32;

pub(super) struct Sm3Hash;

impl Hash for Sm3Hash {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Sm3Context(Sm3::new()))
    }

    fn hash(&self, data: &[u8]) -> Output {
        Output::new(&Sm3::digest(data))
    }

    fn output_len(&self) -> usize {
        OUTPUT_BYTES
    }

    /// The high byte of `sm2sig_sm3`, RFC 8998 §3.1: the registry itself has no code.
    fn algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::Unknown(7)
    }
}

struct Sm3Context(Sm3);

impl Context for Sm3Context {
    fn fork_finish(&self) -> Output {
        Output::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> Output {
        Output::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

pub(super) struct Sm3Hmac;

impl Hmac for Sm3Hmac {
    fn with_key(&self, key: &[u8]) -> Box<dyn Key> {
        let mac = hmac::Hmac::new_from_slice(key);
        Box::new(Sm3Key(mac.expect("HMAC has keys of any length")))
    }

    fn hash_output_len(&self) -> usize {
        OUTPUT_BYTES
    }
}

struct Sm3Key(hmac::Hmac<Sm3>);

impl Key for Sm3Key {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
        let mut mac = self.0.clone();
        mac.update(first);
        middle.iter().for_each(|part| mac.update(part));
        mac.update(last);
        Tag::new(&mac.finalize().into_bytes())
    }

    fn tag_len(&self) -> usize {
        OUTPUT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits = text
            .as_bytes()
            .chunks(2)
            .map(|two| str::from_utf8(two).unwrap());
        digits
            .map(|two| u8::from_str_radix(two, 16).unwrap())
            .collect()
    }

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // GB/T 32905 appendix A.
        let cases = [
            (
                b"abc".to_vec(),
                "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
            ),
            (
                b"abcd".repeat(16),
                "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
            ),
        ];
        for (data, hash) in cases {
            assert_eq!(Sm3Hash.hash(&data).as_ref(), hex(hash));
            let mut context = Sm3Hash.start();
            context.update(&data[..2]);
            let mut fork = context.fork();
            fork.update(&data[2..]);
            assert_eq!(fork.fork_finish().as_ref(), hex(hash));
            assert_eq!(fork.finish().as_ref(), hex(hash));
            context.update(&data[2..]);
            assert_eq!(context.finish().as_ref(), hex(hash));
        }
    }

    #[test]
    fn the_mac_is_that_of_rfc_2104_over_the_hash() {
        for key_len in [0, 1, 32, 64, 65, 200] {
            let (key, message) = (vec![0x0b; key_len], b"Hi There");
            let short = match key_len {
                ..=64 => key.clone(),
                _ => Sm3Hash.hash(&key).as_ref().to_vec(),
            };
            let pad = |with: u8| -> Vec<u8> {
                (0..64)
                    .map(|at| short.get(at).unwrap_or(&0) ^ with)
                    .collect()
            };
            let inner = Sm3Hash.hash(&[pad(0x36), message.to_vec()].concat());
            let outer = Sm3Hash.hash(&[&pad(0x5c)[..], inner.as_ref()].concat());
            let mac = Sm3Hmac
                .with_key(&key)
                .sign_concat(b"Hi", &[b" ", b"The"], b"re");
            assert_eq!(mac.as_ref(), outer.as_ref(), "{key_len}");
        }
    }
}
