//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998): two cipher suites, a group and a signature scheme, for
//! rustls and for our own records.
//!
//! SM2, SM3 and the portable SM4 are RustCrypto's; SM4 on vectors is ours (`kernel`). Nothing is computed
//! before it is used.

mod ccm;
pub(crate) mod flight;
pub mod fuzz;
mod gcm;
mod hash;
mod kernel;
mod kx;
mod sign;
mod sm4;
mod suite;
#[cfg(test)]
mod tests;
mod verify;

pub use ccm::Sm4Ccm;
pub use gcm::Sm4Gcm;
pub use sm4::{Backend, Unauthentic};

use rustls::Error;
use rustls::crypto::{CryptoProvider, SecureRandom};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use std::sync::Arc;

/// Only what RFC 8998 has; keys of key exchange are drawn from `random`, signatures draw nothing.
///
/// A provider is for the life of the process: a group of 16 bytes is never freed.
pub(crate) fn provider(random: &'static dyn SecureRandom) -> CryptoProvider {
    CryptoProvider {
        cipher_suites: suite::SUITES.to_vec(),
        kx_groups: vec![Box::leak(Box::new(kx::CurveSm2 { random }))],
        signature_verification_algorithms: verify::ALGORITHMS,
        secure_random: random,
        key_provider: &sign::Keys,
    }
}

/// Loads an SM2 private key from PKCS#8 (RFC 5958) or SEC1 (RFC 5915).
///
/// # Errors
/// What is no key, or one of another curve or algorithm.
pub(crate) fn load_key(der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
    sign::load_key(&der)
}
