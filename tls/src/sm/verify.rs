//! Signatures of SM2 with SM3: those of certificates, and those of handshakes. They differ by the signer's
//! identifier only, which is hashed in front of the message (RFC 8998 §3.2.1).

use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use sm2::dsa::signature::Verifier;
use sm2::dsa::{Signature, VerifyingKey};

/// `sm2sig_sm3`, RFC 8998 §3.1.
pub(super) const SM2SIG_SM3: SignatureScheme = SignatureScheme::Unknown(0x0708);

/// What signs CertificateVerify (RFC 8998 §3.2.1).
pub(super) const HANDSHAKE_ID: &str = "TLSv1.3+GM+Cipher+Suite";
/// What signs certificates and revocation lists (GB/T 32918.2, the default).
const CERTIFICATE_ID: &str = "1234567812345678";

/// id-ecPublicKey on the curve of SM2 (1.2.156.10197.1.301), as DER without the tag of the sequence.
pub(super) const PUBLIC_KEY: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55,
    0x01, 0x82, 0x2d,
]);
/// SM2 with SM3 (1.2.156.10197.1.501).
const SIGNATURE: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75]);

/// rustls takes `all` for chains and revocation lists, `mapping` for CertificateVerify. Neither list may
/// have the other's algorithm, or a signature made for the one would pass for the other.
pub(super) const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&Sm2WithSm3(CERTIFICATE_ID)],
    mapping: &[(SM2SIG_SM3, &[&Sm2WithSm3(HANDSHAKE_ID)])],
};

/// SM2 with SM3 under an identifier.
#[derive(Debug)]
struct Sm2WithSm3(&'static str);

impl SignatureVerificationAlgorithm for Sm2WithSm3 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key =
            VerifyingKey::from_sec1_bytes(self.0, public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        PUBLIC_KEY
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        SIGNATURE
    }
}
