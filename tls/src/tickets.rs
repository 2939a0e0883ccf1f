//! Session tickets (RFC 5077, RFC 8446 §4.6.1), which the server keeps nothing for.
//!
//! A ticket is the name of its key, a salt, a nonce, and the session sealed under a key that is derived with the salt,
//! so that random nonces do not wear a key out that several machines share for long. The context that sealed it is part
//! of the seal: another with the same keys, but other certificates or other trust in clients, does not open it.

use crate::{Now, Provider, SettingsError, limits, time::PassedTime};
use arc_swap::ArcSwap;
use ring::{aead, hkdf, hmac};
use rustls::{crypto::SecureRandom, server::ProducesTickets, time_provider::TimeProvider};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// Bytes of a key as it is configured.
pub(crate) const KEY_LEN: usize = 80;
const NAME_LEN: usize = 16;
const SALT_LEN: usize = 16;
const HEAD_LEN: usize = NAME_LEN + SALT_LEN + aead::NONCE_LEN;
const TIME_LEN: usize = 8;
const TAG_LEN: usize = 16;

/// Keys of session tickets: the first seals, all open. Shared by all workers, and by contexts that replace one another.
pub struct Tickets {
    keys: ArcSwap<Keys>,
    /// Where random keys come from.
    random: Option<&'static dyn SecureRandom>,
    /// The longest `session_time` of the contexts, in seconds: how long a key may still be wanted.
    keep_s: AtomicU64,
}

#[derive(Clone)]
struct Keys {
    /// The first seals.
    all: Vec<Arc<Key>>,
    /// They do not rotate.
    are_given: bool,
}

struct Key {
    name: [u8; NAME_LEN],
    secret: Zeroizing<[u8; 32]>,
    /// When another took its place; a key that was given has not been.
    retired: Option<Now>,
}

impl Tickets {
    /// A random key, replaced by [`Self::rotate`].
    pub fn random(provider: &Provider) -> Arc<Self> {
        let random = provider.standard.secure_random;
        let keys = Keys {
            all: Key::random(random).into_iter().map(Arc::new).collect(),
            are_given: false,
        };
        Arc::new(Self::new(keys, Some(random)))
    }

    /// Keys of 80 bytes (`session_ticket_keys`), the first seals.
    ///
    /// # Errors
    /// None, or one that is not 80 bytes long.
    pub fn from_keys(keys: &[impl AsRef<[u8]>]) -> Result<Arc<Self>, SettingsError> {
        Ok(Arc::new(Self::new(given(keys)?, None)))
    }

    fn new(keys: Keys, random: Option<&'static dyn SecureRandom>) -> Self {
        Self {
            keys: ArcSwap::from_pointee(keys),
            random,
            keep_s: AtomicU64::new(0),
        }
    }

    /// Takes other keys; see [`Self::from_keys`].
    ///
    /// # Errors
    /// As [`Self::from_keys`]; the keys stay what they were.
    pub fn replace(&self, keys: &[impl AsRef<[u8]>]) -> Result<(), SettingsError> {
        self.keys.store(Arc::new(given(keys)?));
        Ok(())
    }

    /// Makes a new random key the one that seals; those before open for `session_time` on. Does nothing to keys
    /// that were given.
    pub fn rotate(&self, now: Now) {
        let Some(key) = self.random.and_then(Key::random) else {
            return;
        };
        let key = Arc::new(key);
        let keep = Duration::from_secs(self.keep_s.load(Ordering::Relaxed));
        self.keys.rcu(|keys| {
            if keys.are_given {
                return Keys::clone(keys);
            }
            let kept = keys.all.iter().filter(|key| !key.is_past(now, keep));
            let mut all = vec![key.clone()];
            all.extend(kept.map(|key| key.retire(now)));
            Keys {
                all,
                are_given: false,
            }
        });
    }

    /// For the sessions of one context, of which `context` is a digest.
    pub(crate) fn for_context(
        self: &Arc<Self>,
        context: [u8; 32],
        session_time: Duration,
        random: &'static dyn SecureRandom,
    ) -> Arc<ContextTickets> {
        self.keep_s
            .fetch_max(session_time.as_secs(), Ordering::Relaxed);
        Arc::new(ContextTickets {
            tickets: self.clone(),
            context,
            session_time,
            random,
        })
    }
}

fn given<Bytes: AsRef<[u8]>>(keys: &[Bytes]) -> Result<Keys, SettingsError> {
    if keys.is_empty() {
        return Err(SettingsError::new("keys", "there is none"));
    }
    let read = |(i, key): (usize, &Bytes)| {
        let key = key.as_ref();
        let why = || format!("{} bytes long, not {KEY_LEN}", key.len());
        let key = Key::given(key).ok_or_else(|| SettingsError::new(format!("keys[{i}]"), why()))?;
        Ok(Arc::new(key))
    };
    Ok(Keys {
        all: keys
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?,
        are_given: true,
    })
}

impl Key {
    /// The first 16 bytes are its name, as they are to other servers; the secret follows from the others.
    fn given(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LEN {
            return None;
        }
        let (name, rest) = bytes.split_first_chunk::<NAME_LEN>()?;
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"ringlb session ticket");
        let mut secret = Zeroizing::new([0; 32]);
        let derived = salt.extract(rest);
        derived
            .expand(&[b"key"], hkdf::HKDF_SHA256)
            .ok()?
            .fill(&mut *secret)
            .ok()?;
        Some(Self {
            name: *name,
            secret,
            retired: None,
        })
    }

    fn random(random: &'static dyn SecureRandom) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        random.fill(&mut *bytes).ok()?;
        Self::given(&*bytes)
    }

    fn retire(self: &Arc<Self>, now: Now) -> Arc<Self> {
        if self.retired.is_some() {
            return self.clone();
        }
        Arc::new(Self {
            name: self.name,
            secret: self.secret.clone(),
            retired: Some(now),
        })
    }

    fn is_past(&self, now: Now, keep: Duration) -> bool {
        self.retired.is_some_and(|retired| retired + keep < now)
    }

    /// The key of one ticket.
    fn derive(&self, salt: &[u8]) -> Option<aead::LessSafeKey> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &*self.secret);
        let derived = hmac::sign(&secret, salt);
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, derived.as_ref()).ok()?;
        Some(aead::LessSafeKey::new(key))
    }
}

/// The tickets of one context.
pub(crate) struct ContextTickets {
    tickets: Arc<Tickets>,
    context: [u8; 32],
    session_time: Duration,
    random: &'static dyn SecureRandom,
}

impl ContextTickets {
    fn seal(&self, plain: &[u8], now: Now) -> Option<Vec<u8>> {
        let len = HEAD_LEN + TIME_LEN + plain.len() + TAG_LEN;
        if len > limits::TICKET_BYTES_MAX {
            return None;
        }
        let keys = self.tickets.keys.load();
        let key = keys.all.first()?;
        let mut ticket = Vec::with_capacity(len);
        ticket.extend_from_slice(&key.name);
        ticket.resize(HEAD_LEN, 0);
        self.random.fill(&mut ticket[NAME_LEN..]).ok()?;
        let (_, salt, nonce) = split(&ticket)?;
        let (sealer, nonce) = (key.derive(salt)?, aead::Nonce::assume_unique_for_key(nonce));

        ticket.extend_from_slice(&now.as_secs().to_be_bytes());
        ticket.extend_from_slice(plain);
        let aad = aead::Aad::from(self.context);
        let tag = sealer
            .seal_in_place_separate_tag(nonce, aad, &mut ticket[HEAD_LEN..])
            .ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn open(&self, ticket: &[u8], now: Now) -> Option<Vec<u8>> {
        let (name, salt, nonce) = split(ticket)?;
        let keys = self.tickets.keys.load();
        let key = keys.all.iter().find(|key| key.name == name)?;
        if key.is_past(now, self.session_time) || ticket.len() > limits::TICKET_BYTES_MAX {
            return None;
        }
        let mut sealed = Zeroizing::new(ticket[HEAD_LEN..].to_vec());
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let aad = aead::Aad::from(self.context);
        let plain = key
            .derive(salt)?
            .open_in_place(nonce, aad, &mut sealed)
            .ok()?;
        let (time, plain) = plain.split_first_chunk::<TIME_LEN>()?;
        let since = Duration::from_secs(u64::from_be_bytes(*time));
        (now.saturating_sub(since) <= self.session_time).then(|| plain.to_vec())
    }
}

/// Name, salt and nonce.
fn split(ticket: &[u8]) -> Option<([u8; NAME_LEN], &[u8], [u8; aead::NONCE_LEN])> {
    let (name, rest) = ticket.split_first_chunk()?;
    let (salt, rest) = rest.split_at_checked(SALT_LEN)?;
    Some((*name, salt, *rest.first_chunk()?))
}

fn now() -> Option<Now> {
    let time = PassedTime.current_time()?;
    Some(Now::from_secs(time.as_secs()))
}

impl ProducesTickets for ContextTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.session_time.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, now()?)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket, now()?)
    }
}

impl fmt::Debug for ContextTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextTickets")
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DAY, NOW};

    const HOUR: Duration = Duration::from_secs(3600);

    fn of(tickets: &Arc<Tickets>, context: u8) -> Arc<ContextTickets> {
        let random = Provider::system().standard.secure_random;
        tickets.for_context([context; 32], HOUR, random)
    }

    fn key(byte: u8) -> Vec<u8> {
        vec![byte; KEY_LEN]
    }

    #[test]
    fn a_ticket_opens_as_it_was_sealed_and_nothing_else_does() {
        let tickets = Tickets::random(&Provider::system());
        let context = of(&tickets, 1);
        let ticket = context.seal(b"session", NOW).unwrap();
        assert_eq!(context.open(&ticket, NOW).as_deref(), Some(&b"session"[..]));
        assert_eq!(of(&tickets, 2).open(&ticket, NOW), None);
        for at in 0..ticket.len() {
            let mut tampered = ticket.clone();
            tampered[at] ^= 1;
            assert_eq!(context.open(&tampered, NOW), None, "byte {at}");
            assert_eq!(context.open(&ticket[..at], NOW), None, "{at} bytes");
        }
        assert_ne!(context.seal(b"session", NOW).unwrap(), ticket);
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let both = of(&Tickets::from_keys(&[key(1), key(2)]).unwrap(), 1);
        let ticket = both.seal(b"x", NOW).unwrap();
        assert_eq!(ticket[..NAME_LEN], [1; NAME_LEN]);
        for (keys, is_open) in [(vec![key(2), key(1)], true), (vec![key(2), key(3)], false)] {
            let other = of(&Tickets::from_keys(&keys).unwrap(), 1);
            assert_eq!(other.open(&ticket, NOW).is_some(), is_open);
        }
    }

    #[test]
    fn all_of_a_key_counts() {
        let ticket = of(&Tickets::from_keys(&[key(1)]).unwrap(), 1)
            .seal(b"x", NOW)
            .unwrap();
        for at in [0, 16, 47, 48, 79] {
            let mut other = key(1);
            other[at] ^= 1;
            let other = of(&Tickets::from_keys(&[other]).unwrap(), 1);
            assert_eq!(other.open(&ticket, NOW), None, "byte {at}");
        }
    }

    #[test]
    fn keys_that_were_rotated_open_for_the_time_of_a_session() {
        let tickets = Tickets::random(&Provider::system());
        let context = of(&tickets, 1);
        let ticket = context.seal(b"x", NOW).unwrap();
        tickets.rotate(NOW);
        let second = context.seal(b"x", NOW + HOUR).unwrap();
        assert_ne!(second[..NAME_LEN], ticket[..NAME_LEN]);
        assert!(context.open(&ticket, NOW + HOUR).is_some());
        tickets.rotate(NOW + HOUR);
        assert_eq!(tickets.keys.load().all.len(), 3);
        // The first is retired since NOW, the second since an hour later.
        tickets.rotate(NOW + HOUR + Duration::from_secs(1));
        assert_eq!(tickets.keys.load().all.len(), 3);
        assert!(context.open(&ticket, NOW).is_none());
        assert!(context.open(&second, NOW + 2 * HOUR).is_some());
        tickets.rotate(NOW + DAY);
        tickets.rotate(NOW + 2 * DAY);
        assert_eq!(tickets.keys.load().all.len(), 2);
    }

    #[test]
    fn keys_that_were_given_stay_until_they_are_replaced() {
        let tickets = Tickets::from_keys(&[key(1)]).unwrap();
        let context = of(&tickets, 1);
        let ticket = context.seal(b"x", NOW).unwrap();
        tickets.rotate(NOW);
        assert_eq!(tickets.keys.load().all.len(), 1);
        for (keys, why) in [
            (vec![], "keys: there is none"),
            (vec![key(1), vec![0; 48]], "keys[1]: 48 bytes long, not 80"),
        ] {
            assert_eq!(tickets.replace(&keys).err().unwrap().to_string(), why);
        }
        assert!(context.open(&ticket, NOW).is_some());
        tickets.replace(&[key(2)]).unwrap();
        assert!(context.open(&ticket, NOW).is_none());
        let random = Tickets::random(&Provider::system());
        random.replace(&[key(2)]).unwrap();
        random.rotate(NOW);
        assert_eq!(
            of(&random, 1).seal(b"x", NOW).unwrap()[..NAME_LEN],
            [2; NAME_LEN]
        );
    }

    #[test]
    fn a_session_too_long_for_a_ticket_gets_none() {
        let context = of(&Tickets::random(&Provider::system()), 1);
        let longest = limits::TICKET_BYTES_MAX - HEAD_LEN - TIME_LEN - TAG_LEN;
        let ticket = context.seal(&vec![0; longest], NOW).unwrap();
        assert_eq!(ticket.len(), limits::TICKET_BYTES_MAX);
        assert!(context.open(&ticket, NOW).is_some());
        assert!(context.seal(&vec![0; longest + 1], NOW).is_none());
    }
}
