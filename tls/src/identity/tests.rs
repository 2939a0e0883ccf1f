use super::*;
use crate::testing::{Ca, DAY, NOW, RSA};
use rcgen::{
    CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
};

const RSA_PKCS1: &str = include_str!("../../testdata/rsa.pkcs1.pem");
const P256: &str = include_str!("../../testdata/p256.pkcs8.pem");
const P256_SEC1: &str = include_str!("../../testdata/p256.sec1.pem");
const P256_ENCRYPTED: &str = include_str!("../../testdata/p256.encrypted.pem");

fn read(chain: &str, key: &str) -> Result<Identity, String> {
    Identity::from_pem(chain.as_bytes(), key.as_bytes()).map_err(|error| error.to_string())
}

fn key(pem: &str) -> KeyPair {
    KeyPair::from_pem(pem).unwrap()
}

#[test]
fn keys_of_every_kind_and_form_are_read() {
    let ca = Ca::new("ca");
    let rsa = ca.issue(key(RSA), &["a.test"], |_| {});
    let p256 = ca.issue(key(P256), &["a.test"], |_| {});
    let generated = |algorithm| {
        let issued = ca.issue(
            KeyPair::generate_for(algorithm).unwrap(),
            &["a.test"],
            |_| {},
        );
        (issued.pem, issued.key)
    };
    for ((chain, key), kind) in [
        ((rsa.pem.clone(), RSA.into()), KeyKind::Rsa),
        ((rsa.pem, RSA_PKCS1.into()), KeyKind::Rsa),
        ((p256.pem.clone(), P256.into()), KeyKind::EcdsaP256),
        ((p256.pem, P256_SEC1.into()), KeyKind::EcdsaP256),
        (generated(&PKCS_ECDSA_P256_SHA256), KeyKind::EcdsaP256),
        (generated(&PKCS_ECDSA_P384_SHA384), KeyKind::EcdsaP384),
        (generated(&PKCS_ED25519), KeyKind::Ed25519),
    ] {
        assert_eq!(read(&chain, &key).map(|read| read.kind()), Ok(kind));
    }
}

#[test]
fn p521_is_read_where_the_provider_has_it() {
    let chain = include_str!("../../testdata/p521.cert.pem");
    let found = read(chain, include_str!("../../testdata/p521.sec1.pem")).map(|read| read.kind());
    #[cfg(feature = "aws-lc")]
    assert_eq!(found, Ok(KeyKind::EcdsaP521));
    #[cfg(not(feature = "aws-lc"))]
    assert_eq!(found, Err(unusable("ECDSA P-521")));
}

/// What is said of a key that is not of its certificate's kind, or of no kind that is supported.
fn unusable(kind: &str) -> String {
    format!(
        "key: cannot be used as the {kind} key of the certificate; supported are {}",
        key::SUPPORTED
    )
}

#[test]
fn what_keys_can_be_is_told() {
    let rsa_1024 = include_str!("../../testdata/rsa1024.cert.pem");
    let rsa_1024_key = include_str!("../../testdata/rsa1024.key.pem");
    let sm2_key = include_str!("../../testdata/sm2.key.pem");
    let p256 = Ca::new("ca").issue(key(P256), &["a.test"], |_| {});
    assert_eq!(read(rsa_1024, rsa_1024_key).err(), Some(unusable("RSA")));
    let found = read(&p256.pem, sm2_key).err();
    assert_eq!(found, Some(unusable("ECDSA P-256")));
    let told = unusable("RSA");
    for kind in [
        "RSA with 2048 to ",
        "ECDSA P-256",
        "P-384",
        "Ed25519",
        "SM2",
    ] {
        assert!(told.contains(kind), "{told}");
    }
}

#[test]
fn what_cannot_be_used_is_told() {
    let ca = Ca::new("ca");
    let leaf = ca.leaf(&["a.test"]);
    let p256 = ca.issue(key(P256), &["a.test"], |_| {});
    let other = ca.leaf(&["b.test"]);
    let cut = leaf.pem.replace("-----END", "----END");
    let foreign = pem::write("CERTIFICATE", b"hello");
    for (chain, key, why) in [
        ("", &*leaf.key, "chain: no certificate found"),
        (&leaf.key, &leaf.key, "chain: no certificate found"),
        (&cut, &leaf.key, "chain: PEM section 1: it has no end"),
        (
            &foreign,
            &leaf.key,
            "chain: certificate 1 is not an X.509 certificate",
        ),
        (&leaf.pem, "", "key: no private key found"),
        (&leaf.pem, &leaf.pem, "key: no private key found"),
        (
            &leaf.pem,
            &other.key,
            "key: does not belong to the certificate",
        ),
        (
            &p256.pem,
            P256_ENCRYPTED,
            "key: PEM section 1: it is encrypted, give the key without a passphrase",
        ),
        (
            &leaf.pem,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            &unusable("ECDSA P-256"),
        ),
        (
            &leaf.pem,
            "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n",
            "key: DSA PRIVATE KEY is no form of key that is known",
        ),
    ] {
        assert_eq!(read(chain, key).err().as_deref(), Some(why));
    }
}

#[test]
fn names_are_the_alternative_ones_or_else_the_common_name() {
    let ca = Ca::new("ca");
    for (sans, names) in [
        (
            &["A.test", "*.b.test", "10.0.0.1"][..],
            &["a.test", "*.b.test"][..],
        ),
        (&["10.0.0.1"], &[]),
        (&[], &["leaf"]),
    ] {
        let identity = ca.leaf(sans).identity();
        let found: Vec<&str> = identity.names().iter().map(|name| &**name).collect();
        assert_eq!(found, names);
    }
}

#[test]
fn a_chain_is_valid_while_all_of_it_is() {
    let root = Ca::new("root");
    let sub = Ca::with("sub", |params| {
        crate::testing::set_validity(params, NOW - 2 * DAY, NOW + DAY / 2);
    });
    let leaf = root.issue(KeyPair::generate().unwrap(), &["a.test"], |_| {});
    let identity = leaf.identity_by(&[&sub]);
    assert_eq!(
        (identity.not_before(), identity.expires()),
        (NOW - DAY, NOW + DAY / 2)
    );
}

#[test]
fn the_wish_for_a_staple_is_noted() {
    let ca = Ca::new("ca");
    let leaf = ca.issue(KeyPair::generate().unwrap(), &["a.test"], |params| {
        let feature = CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 5, 5, 7, 1, 24],
            vec![0x30, 3, 2, 1, 5],
        );
        params.custom_extensions.push(feature);
    });
    assert!(leaf.identity().is_must_staple());
    assert!(!ca.leaf(&["a.test"]).identity().is_must_staple());
}

#[test]
fn a_key_is_not_shown() {
    let leaf = Ca::new("ca").leaf(&["a.test"]);
    let shown = format!("{:?}", leaf.identity());
    assert!(
        shown.contains("a.test") && shown.contains("[redacted]"),
        "{shown}"
    );
    assert_eq!(shown.matches("redacted").count(), 1);
    assert!(shown.len() < 120, "{shown}");
}
