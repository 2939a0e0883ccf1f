//! Sessions that are resumed, and those that must not be.

use super::*;
use crate::{Now, SanKind, SanMatcher};
use rustls::pki_types::CertificateDer;

/// Settings with such tickets.
fn ticketed(identity: Identity, tickets: &Arc<Tickets>) -> ServerSettings {
    let mut settings = serving(vec![identity]);
    settings.tickets = Some(tickets.clone());
    settings
}

/// A client that remembers, of one version.
fn remembering(version: Version) -> Arc<ClientContext> {
    let mut settings = asking(Client::Unverified);
    settings.versions.1 = version;
    settings.sessions_max = 8;
    client(settings)
}

/// Connects; whether the session was resumed.
fn resumes(server: &ServerContext, client: &ClientContext, now: Now) -> bool {
    resumes_as(server, client, "a.test", now)
}

fn resumes_as(server: &ServerContext, client: &ClientContext, name: &str, now: Now) -> bool {
    let pair = shake(server, client, name, now).ok().unwrap();
    let kind = pair.server.handshake_kind();
    assert_eq!(pair.client.handshake_kind(), kind);
    kind == Some(HandshakeKind::Resumed)
}

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

fn random() -> Arc<Tickets> {
    Tickets::random(&Provider::system())
}

#[test]
fn sessions_are_resumed_by_any_context_with_the_same_keys_and_certificates() {
    let ca = Ca::new("ca");
    for version in VERSIONS {
        let (tickets, client) = (random(), remembering(version));
        let first = server(ticketed(leaf(&ca), &tickets));
        assert!(!resumes(&first, &client, NOW));
        assert!(resumes(&first, &client, NOW));
        // The certificate was renewed.
        let second = server(ticketed(leaf(&ca), &tickets));
        let on_another_worker =
            std::thread::scope(|scope| scope.spawn(|| resumes(&second, &client, NOW)).join());
        assert!(on_another_worker.unwrap());
    }
}

#[test]
fn machines_with_the_same_keys_resume_each_others_sessions() {
    let ca = Ca::new("ca");
    let (one, two) = (vec![1; 80], vec![2; 80]);
    for version in VERSIONS {
        for (keys, is_resumed) in [
            (vec![one.clone()], true),
            (vec![two.clone(), one.clone()], true),
            (vec![two.clone()], false),
        ] {
            let client = remembering(version);
            let here = Tickets::from_keys(&[one.clone(), two.clone()]).unwrap();
            assert!(!resumes(&server(ticketed(leaf(&ca), &here)), &client, NOW));
            let there = Tickets::from_keys(&keys).unwrap();
            let there = server(ticketed(leaf(&ca), &there));
            assert_eq!(resumes(&there, &client, NOW), is_resumed);
        }
    }
}

#[test]
fn a_ticket_is_of_no_use_where_certificates_or_trust_differ() {
    let ca = Ca::new("ca");
    let tickets = random();
    let ours = || ticketed(leaf(&ca), &tickets);
    let with = |client_auth: ClientAuth| {
        let mut settings = ours();
        settings.client_auth = client_auth;
        settings
    };
    let leaf_only = Trust {
        leaf_crl_only: true,
        ..trust(&ca)
    };
    let other_ca = Ca::new("other");
    let two_sites = ticketed(ca.leaf(&["a.test", "b.test"]).identity(), &tickets);
    for (settings, is_resumed) in [
        (ours(), true),
        (two_sites, false),
        (ticketed(leaf(&other_ca), &tickets), false),
        (with(ClientAuth::Optional(trust(&ca))), false),
    ] {
        let client = remembering(Version::Tls13);
        assert!(!resumes(&server(ours()), &client, NOW));
        assert_eq!(resumes(&server(settings), &client, NOW), is_resumed);
    }
    for (client_auth, is_resumed) in [
        (ClientAuth::Optional(trust(&ca)), true),
        (ClientAuth::Optional(trust(&other_ca)), false),
        (ClientAuth::Optional(leaf_only), false),
        (ClientAuth::None, false),
    ] {
        let client = remembering(Version::Tls13);
        let first = server(with(ClientAuth::Optional(trust(&ca))));
        assert!(!resumes(&first, &client, NOW));
        assert_eq!(
            resumes(&server(with(client_auth)), &client, NOW),
            is_resumed
        );
    }
}

#[test]
fn a_ticket_of_one_name_is_not_taken_for_another() {
    let ca = Ca::new("ca");
    for version in VERSIONS {
        let (client, seen) = (remembering(version), remembering(version));
        let server = server(ticketed(
            ca.leaf(&["a.test", "b.test"]).identity(),
            &random(),
        ));
        assert!(!resumes_as(&server, &client, "a.test", NOW));
        assert!(!resumes_as(&server, &client, "b.test", NOW));
        assert!(resumes_as(&server, &client, "b.test", NOW));
        assert!(!resumes_as(&server, &seen, "b.test", NOW));
    }
}

#[test]
fn tickets_last_for_the_time_of_a_session() {
    let ca = Ca::new("ca");
    for version in VERSIONS {
        for (after, is_resumed) in [(3600, true), (3602, false)] {
            let client = remembering(version);
            let server = server(ticketed(leaf(&ca), &random()));
            assert!(!resumes(&server, &client, NOW));
            assert_eq!(
                resumes(&server, &client, NOW + Now::from_secs(after)),
                is_resumed
            );
        }
    }
}

#[test]
fn sessions_outlive_the_rotation_of_keys() {
    let ca = Ca::new("ca");
    let hour = Now::from_secs(3600);
    for rotations in [&[][..], &[NOW], &[NOW, NOW + hour / 2, NOW + hour]] {
        let (tickets, client) = (random(), remembering(Version::Tls13));
        let server = server(ticketed(leaf(&ca), &tickets));
        assert!(!resumes(&server, &client, NOW));
        rotations.iter().for_each(|at| tickets.rotate(*at));
        assert!(resumes(&server, &client, NOW + hour), "{rotations:?}");
    }
}

#[test]
fn without_tickets_sessions_are_remembered_by_number_or_not_at_all() {
    let ca = Ca::new("ca");
    for (version, sessions_max, after, is_resumed) in [
        (Version::Tls12, 8, 3600, true),
        (Version::Tls12, 8, 3601, false),
        (Version::Tls12, 0, 0, false),
        (Version::Tls13, 8, 0, false),
        (Version::Tls13, 0, 0, false),
    ] {
        let client = remembering(version);
        let mut settings = serving(vec![leaf(&ca)]);
        settings.sessions_max = sessions_max;
        let server = server(settings);
        assert!(!resumes(&server, &client, NOW));
        assert_eq!(
            resumes(&server, &client, NOW + Now::from_secs(after)),
            is_resumed
        );
    }
}

#[test]
fn a_client_that_remembers_nothing_resumes_nothing() {
    let ca = Ca::new("ca");
    let client = client(asking(Client::Unverified));
    let server = server(ticketed(leaf(&ca), &random()));
    assert!(!resumes(&server, &client, NOW));
    assert!(!resumes(&server, &client, NOW));
}

#[test]
fn sessions_that_did_not_check_the_name_are_not_resumed_by_those_that_do() {
    let ca = Ca::new("ca");
    let mut settings = asking(Client::Verified(trust(&ca)));
    settings.sessions_max = 8;
    let client = client(settings);
    let server = server(ticketed(leaf(&ca), &random()));
    for checks_name in [false, false, true] {
        let pair = crate::testing::shake_with(&server, &client, "b.test", checks_name, NOW);
        assert_eq!(pair.is_ok(), !checks_name);
    }
}

fn chain(identity: &Identity) -> Vec<CertificateDer<'static>> {
    identity.plain().cert.clone()
}

#[test]
fn a_client_is_checked_again_when_its_session_is_resumed() {
    let ca = Ca::new("ca");
    let own = ca.leaf(&["c.test"]);
    let chain = chain(&own.identity());
    let with = |client_auth: ClientAuth| {
        let mut settings = serving(vec![leaf(&ca)]);
        settings.client_auth = client_auth;
        server(settings)
    };
    let revoking = Trust {
        crl: Some(ca.crl(&[&own.serial], NOW + DAY).into_bytes()),
        ..trust(&ca)
    };
    let other_name = Trust {
        sans: vec![SanMatcher {
            kind: SanKind::Dns,
            matches: Arc::new(|name| name == "d.test"),
        }],
        ..trust(&ca)
    };
    for (trust, now, is_good) in [
        (trust(&ca), NOW, true),
        (trust(&ca), NOW + 2 * DAY, false),
        (revoking, NOW, false),
        (other_name, NOW, false),
        (trust(&Ca::new("other")), NOW, false),
    ] {
        let required = with(ClientAuth::Required(trust.clone()));
        assert_eq!(required.recheck(&chain, now).is_ok(), is_good);
        assert!(required.recheck(&[], now).is_err());
        let optional = with(ClientAuth::Optional(trust));
        assert_eq!(optional.recheck(&chain, now).is_ok(), is_good);
        assert!(optional.recheck(&[], now).is_ok());
    }
    assert!(with(ClientAuth::None).recheck(&[], NOW).is_ok());
}

#[test]
fn a_server_is_checked_again_when_its_session_is_resumed() {
    let ca = Ca::new("ca");
    let chain = chain(&leaf(&ca));
    let verifying = client(asking(Client::Verified(trust(&ca))));
    assert!(verifying.recheck(&chain, NOW).is_ok());
    assert!(verifying.recheck(&chain, NOW + 2 * DAY).is_err());
    assert!(verifying.recheck(&[], NOW).is_err());
    assert!(client(asking(Client::Unverified)).recheck(&[], NOW).is_ok());
}
