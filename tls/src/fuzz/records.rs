//! Records of a session: whatever they hold, however they are cut and damaged.

use super::choices::Choices;
use crate::{
    Facts, Now, Step, Suite, Version, What,
    record::{Keys, kind},
    session::{Later, Peer, Traffic},
};
use rustls::{
    ConnectionTrafficSecrets,
    crypto::cipher::{AeadKey, Iv},
};

const NOW: Now = Now::from_secs(1);

/// Two sessions with keys that are always the same: one seals what the bytes say, the other gets it damaged and cut as
/// they say. No input panics, data that comes out is what went in, and none comes out behind damage.
pub fn fuzz_records(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mode = choices.byte();
    let (mut from, mut to) = (traffic(mode, true), traffic(mode, false));
    let (mut wire, mut sent) = (Vec::new(), Vec::new());
    for _ in 0..choices.byte() % 16 {
        write(&mut from, &mut choices, &mut wire, &mut sent);
    }
    let damaged = damage(&mut choices, &mut wire);
    let step = choices.number() + 1;
    let sound = damaged.unwrap_or(wire.len());
    let got = receive(&mut to, &mut wire, step);
    assert!(sent.starts_with(&got), "data that was not sent");
    // A record has at most 16 KiB: what lies wholly before the damage is not lost, unless the session failed before.
    assert!(got.len() <= sound, "data from behind the damage");
}

/// One record or more: data, or any contents under any type.
fn write(from: &mut Traffic, choices: &mut Choices<'_>, wire: &mut Vec<u8>, sent: &mut Vec<u8>) {
    match choices.byte() % 4 {
        0 | 1 => {
            let (len, first) = (choices.number(), sent.len());
            sent.extend((first..first + len).map(|at| at as u8));
            let (start, pieces) = (wire.len(), sent[first..].split_at(len / 3));
            wire.resize(start + from.sealed_len(NOW, len), 0);
            let sealed = from.seal(NOW, &[pieces.0, pieces.1], &mut wire[start..]);
            assert_eq!(sealed, Ok(()));
        }
        2 => {
            let (kind, len) = (choices.byte() % 8 + kind::ALERT - 2, choices.byte());
            let contents = choices.bytes(len.into());
            if kind == kind::DATA {
                sent.extend_from_slice(contents);
            }
            from.write(kind, contents, wire);
        }
        _ => from.write(kind::DATA, &[], wire),
    }
}

/// Where a byte was changed.
fn damage(choices: &mut Choices<'_>, wire: &mut [u8]) -> Option<usize> {
    let (at, mask) = (choices.number(), choices.byte());
    let at = at.checked_rem(wire.len())?;
    wire[at] ^= mask;
    (mask != 0).then_some(at)
}

/// All data that comes out until the session fails.
fn receive(to: &mut Traffic, wire: &mut [u8], step: usize) -> Vec<u8> {
    let (mut data, mut out, mut is_closed) = (Vec::new(), Vec::new(), false);
    for piece in wire.chunks_mut(step) {
        let mut at = 0;
        while at < piece.len() {
            let input = &mut piece[at..];
            let Ok(Step { used, what }) = to.receive(input, &mut out) else {
                return data;
            };
            assert!(
                (1..=input.len()).contains(&used),
                "no progress, or too much"
            );
            assert!(
                !is_closed || what == What::Nothing,
                "something behind close_notify"
            );
            match what {
                What::Nothing => assert_eq!(used, input.len()),
                What::Established => unreachable!("it was from the start"),
                What::Data(range) => data.extend_from_slice(&input[..used][range]),
                What::Joined(bytes) => data.extend(bytes),
                What::Closed => is_closed = true,
            }
            at += used;
        }
    }
    data
}

/// A session without rustls: it has no KeyUpdate to offer. TLS 1.2 or 1.3, AES-GCM or ChaCha20-Poly1305.
fn traffic(mode: u8, is_server: bool) -> Traffic {
    let version = if mode & 1 == 0 {
        Version::Tls13
    } else {
        Version::Tls12
    };
    let keys = |is_servers| {
        let key = AeadKey::from([u8::from(is_servers); 32]);
        let iv = Iv::from([u8::from(is_servers) + 2; 12]);
        Keys::new(
            version,
            Suite(0x1302),
            0,
            &match mode & 2 {
                0 => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
                _ => ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
            },
        )
        .expect("a key as long as it has to be")
    };
    let facts = Facts {
        is_validated: false,
        version,
        suite: Suite(0x1302),
        alpn: None,
        sni: None,
        is_resumed: false,
        peer: None,
        local: None,
    };
    let peer = Peer {
        facts: facts.into(),
        opens: keys(!is_server),
        seals: keys(is_server),
        records_max: u64::MAX,
        later: Later::Nothing { is_server },
    };
    Traffic::new(peer, NOW)
}
