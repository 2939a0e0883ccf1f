//! Over handshakes: what the sessions of a context share.

mod resumption;
#[cfg(feature = "simulation")]
mod simulation;

use crate::testing::{
    Ca, DAY, Failure, NOW, Pair, RSA, asking, client, server, serving, shake, trust,
};
use crate::{
    Client, ClientAuth, ClientContext, Group, Identity, KeyLog, Provider, ServerContext,
    ServerSettings, SettingsError, Suite, Tickets, Trust, Version,
};
use rcgen::{KeyPair, PKCS_ED25519};
use rustls::{CipherSuite, HandshakeKind, NamedGroup, ProtocolVersion};
use std::sync::{Arc, Mutex};

fn leaf(ca: &Ca) -> Identity {
    ca.leaf(&["a.test"]).identity()
}

fn rsa(ca: &Ca) -> Identity {
    ca.issue(KeyPair::from_pem(RSA).unwrap(), &["a.test"], |_| {})
        .identity()
}

fn suite(pair: &Pair) -> CipherSuite {
    pair.client.negotiated_cipher_suite().unwrap().suite()
}

fn suites(names: &[&str]) -> Vec<Suite> {
    names
        .iter()
        .map(|name| Suite::parse(name).unwrap())
        .collect()
}

fn groups(names: &[&str]) -> Vec<Group> {
    names
        .iter()
        .map(|name| Group::parse(name).unwrap())
        .collect()
}

#[test]
fn both_ends_agree_on_the_highest_version_that_both_allow() {
    let ca = Ca::new("ca");
    let server = server(serving(vec![leaf(&ca)]));
    for (highest, version) in [
        (Version::Tls13, ProtocolVersion::TLSv1_3),
        (Version::Tls12, ProtocolVersion::TLSv1_2),
    ] {
        let mut settings = asking(Client::Verified(trust(&ca)));
        settings.versions.1 = highest;
        let pair = shake(&server, &client(settings), "a.test", NOW)
            .ok()
            .unwrap();
        assert_eq!(pair.client.protocol_version(), Some(version));
    }
}

#[test]
fn a_version_that_is_not_allowed_is_refused() {
    let ca = Ca::new("ca");
    let mut settings = serving(vec![leaf(&ca)]);
    settings.versions = (Version::Tls13, Version::Tls13);
    let mut asking = asking(Client::Unverified);
    asking.versions = (Version::Tls12, Version::Tls12);
    let refused = shake(&server(settings), &client(asking), "a.test", NOW);
    assert!(matches!(
        refused.err(),
        Some(Failure::Server(rustls::Error::PeerIncompatible(_)))
    ));
}

#[test]
fn suites_are_taken_in_our_order_but_for_clients_that_put_chacha20_first() {
    let ca = Ca::new("ca");
    let (aes_128, aes_256) = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384");
    let chacha = "TLS_CHACHA20_POLY1305_SHA256";
    for (ours, theirs, chosen) in [
        (&[][..], &[][..], CipherSuite::TLS13_AES_128_GCM_SHA256),
        (
            &[],
            &[aes_256, aes_128, chacha],
            CipherSuite::TLS13_AES_128_GCM_SHA256,
        ),
        (
            &[],
            &[aes_256, chacha],
            CipherSuite::TLS13_AES_256_GCM_SHA384,
        ),
        (
            &[],
            &[chacha, aes_128],
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        ),
        (
            &[aes_256, aes_128, chacha],
            &[chacha, aes_128],
            CipherSuite::TLS13_AES_128_GCM_SHA256,
        ),
        (
            &[chacha, aes_128],
            &[aes_128, chacha],
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        ),
    ] {
        let mut settings = serving(vec![leaf(&ca)]);
        settings.suites = suites(ours);
        let mut asking = asking(Client::Unverified);
        asking.suites = suites(theirs);
        let pair = shake(&server(settings), &client(asking), "a.test", NOW)
            .ok()
            .unwrap();
        assert_eq!(suite(&pair), chosen, "{ours:?} {theirs:?}");
    }
}

#[test]
fn a_version_that_no_suite_is_named_for_keeps_its_own() {
    let ca = Ca::new("ca");
    let mut settings = serving(vec![leaf(&ca)]);
    settings.suites = suites(&["ECDHE-ECDSA-AES256-GCM-SHA384"]);
    let server = server(settings);
    for (highest, chosen) in [
        (Version::Tls13, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (
            Version::Tls12,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        ),
    ] {
        let mut settings = asking(Client::Unverified);
        settings.versions.1 = highest;
        let pair = shake(&server, &client(settings), "a.test", NOW)
            .ok()
            .unwrap();
        assert_eq!(suite(&pair), chosen);
    }
}

#[test]
fn only_the_groups_of_the_settings_are_used() {
    let ca = Ca::new("ca");
    for (ours, chosen) in [
        (&["P-256"][..], NamedGroup::secp256r1),
        (&["P-384"], NamedGroup::secp384r1),
        (&["X25519", "P-256"], NamedGroup::X25519),
    ] {
        let mut settings = serving(vec![leaf(&ca)]);
        settings.groups = groups(ours);
        let pair = shake(
            &server(settings),
            &client(asking(Client::Unverified)),
            "a.test",
            NOW,
        );
        let pair = pair.ok().unwrap();
        assert_eq!(
            pair.client.negotiated_key_exchange_group().unwrap().name(),
            chosen
        );
    }
}

#[test]
fn the_certificate_that_was_presented_can_be_told_from_the_offer() {
    let ca = Ca::new("ca");
    let default = ca.leaf(&["default.test"]).identity();
    let server = server(serving(vec![default, rsa(&ca), leaf(&ca)]));
    for highest in [Version::Tls12, Version::Tls13] {
        for name in ["a.test", "default.test", "x.test", "10.0.0.1"] {
            let mut settings = asking(Client::Unverified);
            settings.versions.1 = highest;
            let pair = shake(&server, &client(settings), name, NOW).ok().unwrap();
            let presented = pair.client.peer_certificates().unwrap()[0].to_vec();
            assert_eq!(
                server.local(&pair.offer).unwrap().der(),
                presented,
                "{name}"
            );
        }
    }
}

type Edit<'a> = &'a dyn Fn(&mut ServerSettings);

#[test]
fn what_leaves_nothing_usable_is_refused() {
    let ca = Ca::new("ca");
    let tls12 =
        |settings: &mut ServerSettings| settings.versions = (Version::Tls12, Version::Tls12);
    let edits: [(Edit<'_>, &str); 7] = [
        (
            &|settings| settings.identities.clear(),
            "identities: there is no certificate",
        ),
        (
            &|settings| settings.versions = (Version::Tls13, Version::Tls12),
            "versions: the lowest is above the highest",
        ),
        (
            &|settings| {
                tls12(settings);
                settings.suites = suites(&["ECDHE-ECDSA-AES128-GCM-SHA256"]);
            },
            "suites: none can be used with the RSA certificate",
        ),
        (
            &|settings| settings.suites = suites(&["ECDHE-ECDSA-AES128-GCM-SHA256"]),
            "suites: none of TLS 1.2 can be used with these certificates",
        ),
        (
            &|settings| settings.suites = vec![Suite(0x1301), Suite(0x002f)],
            "suites[1]: not supported by this build",
        ),
        (
            &|settings| settings.groups = vec![Group(25)],
            "groups[0]: not supported by this build",
        ),
        (
            &|settings| {
                settings.client_auth = ClientAuth::Required(Trust {
                    ca: Some(Vec::new()),
                    ..Trust::default()
                });
            },
            "client_auth.ca: no certificate found",
        ),
    ];
    for (edit, why) in edits {
        let mut settings = serving(vec![rsa(&ca)]);
        edit(&mut settings);
        let made: Result<Arc<ServerContext>, SettingsError> =
            ServerContext::new(&Provider::system(), settings);
        assert_eq!(made.err().unwrap().to_string(), why);
    }
    let mut settings = asking(Client::Unverified);
    settings.groups = vec![Group(0)];
    let made = ClientContext::new(&Provider::system(), settings);
    assert_eq!(
        made.err().unwrap().to_string(),
        "groups[0]: not supported by this build"
    );
}

struct Log(Mutex<Vec<String>>);

impl KeyLog for Log {
    fn write(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

#[test]
fn secrets_are_logged_in_the_format_of_nss() {
    let ca = Ca::new("ca");
    let log = Arc::new(Log(Mutex::default()));
    let mut settings = serving(vec![leaf(&ca)]);
    settings.key_log = Some(log.clone());
    shake(
        &server(settings),
        &client(asking(Client::Unverified)),
        "a.test",
        NOW,
    )
    .ok()
    .unwrap();
    let lines = log.0.lock().unwrap();
    let labels: Vec<_> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert!(labels.contains(&"SERVER_TRAFFIC_SECRET_0"), "{labels:?}");
    for line in lines.iter() {
        let parts: Vec<_> = line.split(' ').collect();
        assert_eq!(
            (parts.len(), parts[1].len(), parts[2].len()),
            (3, 64, 64),
            "{line}"
        );
        assert!(
            parts[1..]
                .iter()
                .all(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
        );
    }
}
