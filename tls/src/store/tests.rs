use super::*;
use crate::provider;
use crate::testing::{Ca, RSA};
use rcgen::{KeyPair, PKCS_ED25519};

const ECDSA_P256: u16 = 0x0403;
const ED25519: u16 = 0x0807;
const RSA_PSS: u16 = 0x0804;
const RSA_PKCS1: u16 = 0x0401;

const TLS13: &[u16] = &[0x1301];
const RSA12: &[u16] = &[0xC02F];
const ECDSA12: &[u16] = &[0xC02B];

fn store(identities: Vec<Identity>, scan_all: bool) -> Store {
    Store::new(identities, provider::standard().cipher_suites, scan_all)
}

fn offer(sni: Option<&str>, schemes: &[u16], suites: &[u16]) -> Offer {
    Offer {
        sni: sni.map(Into::into),
        schemes: schemes.to_vec(),
        suites: suites.to_vec(),
        ..Offer::default()
    }
}

/// Which of the store's certificates is chosen.
fn chosen(store: &Store, offer: &Offer) -> usize {
    let chosen = store.choose(offer).unwrap();
    let is_it = |identity: &Identity| Arc::ptr_eq(identity.plain(), chosen.plain());
    store.identities().iter().position(is_it).unwrap()
}

#[test]
fn a_name_is_looked_for_exactly_then_as_a_wildcard_then_the_default_is_taken() {
    let ca = Ca::new("ca");
    let names: &[&[&str]] = &[
        &["default.test"],
        &["*.a.test", "a.test"],
        &["b.a.test", "c.test"],
        &["*.c.test"],
    ];
    let identities = names
        .iter()
        .map(|names| ca.leaf(names).identity())
        .collect();
    let store = store(identities, false);
    for (sni, index) in [
        ("default.test", 0),
        ("a.test", 1),
        ("x.a.test", 1),
        ("B.a.test", 2),
        ("b.a.test.", 2),
        ("y.x.a.test", 0),
        ("c.test", 2),
        ("x.c.test", 3),
        ("*.c.test", 3),
        ("test", 0),
        ("", 0),
        (".", 0),
        ("unknown.test", 0),
    ] {
        assert_eq!(
            chosen(&store, &offer(Some(sni), &[ECDSA_P256], TLS13)),
            index,
            "{sni}"
        );
    }
    assert_eq!(chosen(&store, &offer(None, &[ECDSA_P256], TLS13)), 0);
}

fn side_by_side(scan_all: bool) -> Store {
    let ca = Ca::new("ca");
    let rsa = ca.issue(KeyPair::from_pem(RSA).unwrap(), &["a.test"], |_| {});
    let ecdsa = ca.leaf(&["a.test", "b.test"]);
    let ed25519 = ca.issue(
        KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        &["*.test"],
        |_| {},
    );
    store(
        vec![rsa.identity(), ecdsa.identity(), ed25519.identity()],
        scan_all,
    )
}

#[test]
fn among_those_of_a_name_the_client_gets_one_that_it_can_verify() {
    let store = side_by_side(false);
    for (sni, schemes, suites, index) in [
        ("a.test", &[ECDSA_P256, RSA_PSS][..], TLS13, 1),
        ("a.test", &[RSA_PSS, ECDSA_P256], TLS13, 1),
        ("a.test", &[RSA_PSS], TLS13, 0),
        ("a.test", &[ED25519], TLS13, 2),
        // TLS 1.3 has no PKCS #1.
        ("a.test", &[RSA_PKCS1, ED25519], TLS13, 2),
        ("a.test", &[RSA_PKCS1], RSA12, 0),
        ("a.test", &[RSA_PKCS1, ECDSA_P256], RSA12, 0),
        ("a.test", &[RSA_PKCS1, ECDSA_P256], ECDSA12, 1),
        // None will do: the default, whose handshake fails.
        ("b.test", &[RSA_PSS], TLS13, 0),
        ("b.test", &[ECDSA_P256], RSA12, 0),
        ("x.y.test", &[ECDSA_P256], TLS13, 0),
    ] {
        let found = chosen(&store, &offer(Some(sni), schemes, suites));
        assert_eq!(found, index, "{sni} {schemes:04x?} {suites:04x?}");
    }
}

#[test]
fn where_no_name_matches_all_are_looked_at_if_wanted_or_if_there_is_no_name() {
    for (scan_all, sni, index) in [
        (false, Some("x.y.test"), 0),
        (true, Some("x.y.test"), 1),
        (false, None, 1),
        (true, None, 1),
    ] {
        let found = chosen(&side_by_side(scan_all), &offer(sni, &[ECDSA_P256], TLS13));
        assert_eq!(found, index, "{scan_all} {sni:?}");
    }
}

#[test]
fn ten_thousand_certificates_are_found_by_their_names() {
    let ca = Ca::new("ca");
    let leaf = ca.leaf(&["default.test"]).identity();
    let named = |i: usize| {
        leaf.clone()
            .with_names(&[&format!("{i}.test"), &format!("*.{i}.test")])
    };
    let store = store((0..10_000).map(named).collect(), true);
    assert_eq!(
        (store.exact.len(), store.wildcard.len(), store.kinds.len()),
        (10_000, 10_000, 1)
    );
    for i in [0, 1, 4_711, 9_999] {
        for sni in [format!("{i}.test"), format!("x.{i}.test")] {
            let found = store
                .choose(&offer(Some(&sni), &[ECDSA_P256], TLS13))
                .unwrap();
            assert_eq!(&*found.names()[0], format!("{i}.test"));
        }
    }
    // What is looked at for a name does not grow with the store.
    for i in 0..10_000 {
        assert_eq!(store.exact[&*format!("{i}.test")].len(), 1);
    }
}
