//! Sessions under a seed.

use super::*;

/// All that two handshakes of one seed put on the wire, the second of them resumed.
fn wire(ca: &Ca, identity: &Identity, seed: u64, version: Version) -> Vec<u8> {
    let provider = Provider::seeded(seed);
    let mut settings = serving(vec![identity.clone()]);
    settings.tickets = Some(Tickets::random(&provider));
    settings.client_auth = ClientAuth::Required(trust(ca));
    let server = ServerContext::new(&provider, settings).unwrap();
    let mut settings = asking(Client::Verified(trust(ca)));
    settings.identity = Some(identity.clone());
    settings.versions.1 = version;
    settings.sessions_max = 8;
    let client = ClientContext::new(&provider, settings).unwrap();
    let first = shake(&server, &client, "a.test", NOW).ok().unwrap();
    let second = shake(&server, &client, "a.test", NOW).ok().unwrap();
    assert_eq!(second.client.handshake_kind(), Some(HandshakeKind::Resumed));
    [first.wire, second.wire].concat()
}

#[test]
fn the_same_seed_puts_the_same_bytes_on_the_wire() {
    let ca = Ca::new("ca");
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let identity = ca.issue(key, &["a.test"], |_| {}).identity();
    for version in [Version::Tls12, Version::Tls13] {
        let first = wire(&ca, &identity, 7, version);
        assert!(first.len() > 2_000);
        assert_eq!(first, wire(&ca, &identity, 7, version));
        assert_ne!(first, wire(&ca, &identity, 8, version));
    }
}

#[test]
fn a_seeded_end_understands_one_that_is_not() {
    let ca = Ca::new("ca");
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let identity = ca.issue(key, &["a.test"], |_| {}).identity();
    let seeded = ServerContext::new(&Provider::seeded(1), serving(vec![identity])).unwrap();
    let pair = shake(
        &seeded,
        &client(asking(Client::Verified(trust(&ca)))),
        "a.test",
        NOW,
    );
    assert!(pair.is_ok());
}

#[test]
fn keys_that_sign_by_chance_are_refused_under_a_seed() {
    let ca = Ca::new("ca");
    let made = ServerContext::new(&Provider::seeded(1), serving(vec![leaf(&ca)]));
    let why = "identities: only Ed25519 signs without chance";
    assert_eq!(made.err().unwrap().to_string(), why);
    let mut settings = asking(Client::Unverified);
    settings.identity = Some(rsa(&ca));
    let made = ClientContext::new(&Provider::seeded(1), settings);
    assert_eq!(
        made.err().unwrap().to_string(),
        "identity: only Ed25519 signs without chance"
    );
}
