//! Cryptography whose every draw follows from a seed, for simulation.

use ring::aead;
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use std::{fmt, sync::Mutex};
use x25519_dalek::{PublicKey, StaticSecret};

/// The key stream of ChaCha20 under a seed. Never for anything but simulation.
pub(super) struct Draws {
    key: aead::LessSafeKey,
    count: Mutex<u64>,
}

/// X25519 whose private keys are drawn.
struct X25519(&'static Draws);

struct Exchange {
    secret: StaticSecret,
    public: PublicKey,
}

/// `crypto` with other draws.
pub(super) fn provider(mut crypto: CryptoProvider, draws: &'static Draws) -> CryptoProvider {
    crypto.secure_random = draws;
    crypto.kx_groups = vec![Box::leak(Box::new(X25519(draws)))];
    crypto
}

impl Draws {
    /// What it leaks, some hundred bytes, is for the life of the process.
    pub(super) fn of(seed: u64) -> &'static Self {
        Box::leak(Box::new(Self::new(seed)))
    }

    /// Begins anew.
    pub(super) fn rewind(&self) {
        if let Ok(mut count) = self.count.lock() {
            *count = 0;
        }
    }

    fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &key);
        Self {
            key: aead::LessSafeKey::new(key.expect("32 bytes are a key")),
            count: Mutex::new(0),
        }
    }
}

impl SecureRandom for Draws {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        let mut count = self.count.lock().map_err(|_| GetRandomFailed)?;
        *count += 1;
        let mut nonce = [0; aead::NONCE_LEN];
        nonce[..8].copy_from_slice(&count.to_be_bytes());
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        bytes.fill(0);
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce, aead::Aad::empty(), bytes);
        sealed.map(drop).map_err(|_| GetRandomFailed)
    }
}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draws")
    }
}

impl fmt::Debug for X25519 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X25519")
    }
}

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut bytes = [0; 32];
        self.0.fill(&mut bytes)?;
        let secret = StaticSecret::from(bytes);
        Ok(Box::new(Exchange {
            public: PublicKey::from(&secret),
            secret,
        }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(peer));
        if !shared.was_contributory() {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(shared.as_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}
