//! The two cipher suites of RFC 8998 for rustls.

use super::flight::{self, Messages};
use super::hash::{Sm3Hash, Sm3Hmac};
use super::{Sm4Ccm, Sm4Gcm, Unauthentic};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls13_aad,
};
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::{
    CipherSuite, CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    SupportedCipherSuite, Tls13CipherSuite,
};
use std::marker::PhantomData;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// Suites in order of preference.
pub(super) static SUITES: &[SupportedCipherSuite] = &[
    SupportedCipherSuite::Tls13(&SM4_GCM_SM3),
    SupportedCipherSuite::Tls13(&SM4_CCM_SM3),
];

/// `TLS_SM4_GCM_SM3`. The limit is that of AES-128-GCM, RFC 8446 §5.5: 2^24.5 records.
static SM4_GCM_SM3: Tls13CipherSuite = suite(
    CipherSuite::Unknown(0x00c6),
    1 << 24,
    &Algorithm::<Sm4Gcm>(PhantomData),
);

/// `TLS_SM4_CCM_SM3`. The limit is that of AES-128-CCM, RFC 9147 appendix B.
static SM4_CCM_SM3: Tls13CipherSuite = suite(
    CipherSuite::Unknown(0x00c7),
    1 << 23,
    &Algorithm::<Sm4Ccm>(PhantomData),
);

const fn suite(
    suite: CipherSuite,
    confidentiality_limit: u64,
    aead_alg: &'static dyn Tls13AeadAlgorithm,
) -> Tls13CipherSuite {
    Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite,
            hash_provider: &Sm3Hash,
            confidentiality_limit,
        },
        hkdf_provider: &HkdfUsingHmac(&Sm3Hmac),
        aead_alg,
        quic: None,
    }
}

/// What a record needs of a mode.
trait Aead: Send + Sync + 'static {
    fn new(key: &[u8; KEY_BYTES]) -> Self;
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; TAG_BYTES];
    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), Unauthentic>;
}

macro_rules! aead {
    ($($mode:ident)*) => {$(
        impl Aead for $mode {
            fn new(key: &[u8; KEY_BYTES]) -> Self {
                Self::new(key)
            }

            fn seal(&self, nonce: &[u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; TAG_BYTES] {
                self.seal_in_place(nonce, aad, data)
            }

            fn open(
                &self,
                nonce: &[u8; 12],
                aad: &[u8],
                data: &mut [u8],
                tag: &[u8; TAG_BYTES],
            ) -> Result<(), Unauthentic> {
                self.open_in_place(nonce, aad, data, tag)
            }
        }
    )*}
}

aead!(Sm4Gcm Sm4Ccm);

struct Algorithm<A>(PhantomData<A>);

impl<A: Aead> Algorithm<A> {
    /// rustls makes keys of [`KEY_BYTES`], as `key_len` says.
    fn records(key: &AeadKey, iv: Iv) -> Box<Records<A>> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes.copy_from_slice(key.as_ref());
        Box::new(Records {
            aead: A::new(&bytes),
            iv,
            messages: Messages::default(),
            added: 0,
        })
    }
}

impl<A: Aead> Tls13AeadAlgorithm for Algorithm<A> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Self::records(&key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Self::records(&key, iv)
    }

    fn key_len(&self) -> usize {
        KEY_BYTES
    }

    /// rustls has no variant for SM4, so these go as keys of AES-128-GCM, which are as long. Who takes them
    /// has to look at the suite that was negotiated, and must not hand them to anybody who does not
    /// (the kernel's TLS).
    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok(ConnectionTrafficSecrets::Aes128Gcm { key, iv })
    }
}

/// One direction of a connection.
struct Records<A> {
    aead: A,
    iv: Iv,
    messages: Messages,
    /// Records that rustls does not know of.
    added: u64,
}

impl<A: Aead> Records<A> {
    /// Seals what `payload` holds from `start` on, as content of this type.
    fn seal(&self, kind: ContentType, seq: u64, payload: &mut PrefixedPayload, start: usize) {
        payload.extend_from_slice(&kind.to_array());
        let len = payload.as_ref().len() - start + TAG_BYTES;
        let (nonce, aad) = (Nonce::new(&self.iv, seq).0, make_tls13_aad(len));
        let tag = self.aead.seal(&nonce, &aad, &mut payload.as_mut()[start..]);
        payload.extend_from_slice(&tag);
    }

    /// A record for each message that a part of a flight has.
    fn seal_messages(&mut self, fragment: &[u8], seq: u64) -> OutboundOpaqueMessage {
        let kind = ContentType::Handshake;
        let (part, mut rest) = self.messages.split(fragment);
        let mut payload =
            PrefixedPayload::with_capacity(self.encrypted_payload_len(fragment.len()));
        payload.extend_from_slice(part);
        self.seal(kind, seq + self.added, &mut payload, 0);
        if rest.is_empty() {
            return record(payload);
        }
        let first = flight::first(payload.as_ref().len());
        while !rest.is_empty() {
            let (part, after) = self.messages.split(rest);
            self.added += 1;
            payload.extend_from_slice(&flight::head(self.encrypted_payload_len(part.len())));
            let start = payload.as_ref().len();
            payload.extend_from_slice(part);
            self.seal(kind, seq + self.added, &mut payload, start);
            rest = after;
        }
        OutboundOpaqueMessage::new(flight::SEVERAL, first, payload)
    }
}

fn record(payload: PrefixedPayload) -> OutboundOpaqueMessage {
    let (kind, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
    OutboundOpaqueMessage::new(kind, version, payload)
}

impl<A: Aead> MessageEncrypter for Records<A> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if message.typ == ContentType::Handshake {
            return Ok(self.seal_messages(&message.payload.to_vec(), seq));
        }
        let len = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(len);
        payload.extend_from_chunks(&message.payload);
        self.seal(message.typ, seq + self.added, &mut payload, 0);
        Ok(record(payload))
    }

    /// With the type of the content and the tag.
    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG_BYTES
    }
}

impl<A: Aead> MessageDecrypter for Records<A> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let (nonce, aad) = (Nonce::new(&self.iv, seq).0, make_tls13_aad(payload.len()));
        let Some((data, tag)) = payload.split_last_chunk_mut::<TAG_BYTES>() else {
            return Err(Error::DecryptError);
        };
        let opened = self.aead.open(&nonce, &aad, data, tag);
        opened.map_err(|Unauthentic| Error::DecryptError)?;
        let len = data.len();
        payload.truncate(len);
        message.into_tls13_unpadded_message()
    }
}
