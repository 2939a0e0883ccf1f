//! SM2 private keys, and the signature of CertificateVerify.
//!
//! The random number of a signature follows from the key and the message (RFC 6979 with SM3), so signing
//! draws nothing.

use super::verify::{HANDSHAKE_ID, PUBLIC_KEY, SM2SIG_SM3};
use rustls::crypto::KeyProvider;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use sm2::dsa::signature::Signer as _;
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::pkcs8::DecodePrivateKey;
use sm2::{SecretKey, dsa};
use std::{fmt, sync::Arc};
use zeroize::optimization_barrier;

/// Loads an SM2 private key from PKCS#8 (RFC 5958) or SEC1 (RFC 5915).
///
/// # Errors
/// What is no key, or one of another curve or algorithm.
pub(crate) fn load_key(der: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, Error> {
    let failed = |why: &dyn fmt::Display| Error::General(format!("not an SM2 private key: {why}"));
    let secret = match der {
        PrivateKeyDer::Pkcs8(der) => {
            SecretKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|error| failed(&error))?
        }
        PrivateKeyDer::Sec1(der) => {
            SecretKey::from_sec1_der(der.secret_sec1_der()).map_err(|error| failed(&error))?
        }
        PrivateKeyDer::Pkcs1(_) | _ => return Err(failed(&"it has the form of an RSA key")),
    };
    let key = dsa::SigningKey::new(HANDSHAKE_ID, &secret).map_err(|error| failed(&error))?;
    let point = key.verifying_key().to_sec1_point(false);
    let public = public_key_to_spki(&PUBLIC_KEY, point.as_bytes());
    Ok(Arc::new(Sm2Key {
        secret: Arc::new(Secret(key)),
        public,
    }))
}

#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        load_key(&der)
    }
}

#[derive(Debug)]
struct Sm2Key {
    secret: Arc<Secret>,
    public: SubjectPublicKeyInfoDer<'static>,
}

impl SigningKey for Sm2Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let is_offered = offered.contains(&SM2SIG_SM3);
        is_offered.then(|| Box::new(Sm2Signer(Arc::clone(&self.secret))) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.public.as_ref()))
    }

    /// The nearest that rustls knows; it asks in TLS 1.2 only.
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

#[derive(Debug)]
struct Sm2Signer(Arc<Secret>);

impl Signer for Sm2Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signed = self.0.0.try_sign(message);
        let signature = signed.map_err(|_| Error::General("signing with SM2 failed".into()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SM2SIG_SM3
    }
}

/// The private key. It is not printed, and overwritten when dropped.
struct Secret(dsa::SigningKey);

impl Drop for Secret {
    /// `sm2` does not clear this type: put the key 1 in its place, where the compiler has to believe that
    /// somebody looks.
    fn drop(&mut self) {
        let one = sm2::NonZeroScalar::new(sm2::Scalar::ONE).into_option();
        let other = one.and_then(|one| dsa::SigningKey::from_nonzero_scalar("", one).ok());
        if let Some(other) = other {
            self.0 = other;
            optimization_barrier(&self.0);
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
