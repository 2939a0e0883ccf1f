//! Over handshakes: whom a client, and a server, believes.

mod crl;
mod leaf;

use super::Refusal;
use crate::testing::{
    Ca, DAY, Failure, Issued, NOW, Pair, asking, client, server, serving, set_validity, shake,
    shake_with, trust,
};
use crate::{Client, ClientAuth, Identity, SanKind, SanMatcher, Trust};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use rustls::{CertificateError, Error};
use std::sync::Arc;

/// What is expected of a handshake: rustls' errors without what they carry.
#[derive(Debug, PartialEq)]
enum Told {
    Good,
    BadSignature,
    CrlExpired,
    Depth,
    Expired,
    Hash,
    Name,
    NoCertificate,
    NotYetValid,
    Purpose,
    Revoked,
    San,
    UnknownIssuer,
    UnknownStatus,
    Other(Error),
}

#[allow(clippy::wildcard_enum_match_arm)] // rustls' errors are not exhaustive
fn told(result: Result<Pair, Failure>) -> Told {
    use CertificateError as E;
    let error = match result {
        Ok(_) => return Told::Good,
        Err(Failure::Client(error) | Failure::Server(error)) => error,
    };
    let Error::InvalidCertificate(why) = &error else {
        return match error {
            Error::NoCertificatesPresented => Told::NoCertificate,
            error => Told::Other(error),
        };
    };
    match why {
        E::BadSignature => Told::BadSignature,
        E::ExpiredRevocationListContext { .. } => Told::CrlExpired,
        E::ExpiredContext { .. } => Told::Expired,
        E::NotValidForNameContext { .. } => Told::Name,
        E::NotValidYetContext { .. } => Told::NotYetValid,
        E::InvalidPurpose => Told::Purpose,
        E::Revoked => Told::Revoked,
        E::UnknownIssuer => Told::UnknownIssuer,
        E::UnknownRevocationStatus => Told::UnknownStatus,
        E::Other(other) => match other.0.downcast_ref() {
            Some(Refusal::Depth) => Told::Depth,
            Some(Refusal::San) => Told::San,
            Some(Refusal::Hash) => Told::Hash,
            None => Told::Other(error),
        },
        _ => Told::Other(error),
    }
}

/// A client that trusts so connects to `a.test`, which has such a certificate.
fn connect(identity: &Identity, trust: Trust) -> Told {
    let server = server(serving(vec![identity.clone()]));
    let client = client(asking(Client::Verified(trust)));
    told(shake(&server, &client, "a.test", NOW))
}

/// A client with such a certificate connects to a server that trusts so.
fn present(identity: Option<Identity>, client_auth: ClientAuth) -> Told {
    let mut settings = serving(vec![Ca::new("ca").leaf(&["a.test"]).identity()]);
    settings.client_auth = client_auth;
    let mut asking = asking(Client::Unverified);
    asking.identity = identity;
    told(shake(&server(settings), &client(asking), "a.test", NOW))
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn dated(ca: &Ca, from: i64, to: i64) -> Issued {
    let at = |days: i64| NOW.as_secs().checked_add_signed(days * 86_400).unwrap();
    ca.issue(new_key(), &["a.test"], |params| {
        set_validity(
            params,
            crate::Now::from_secs(at(from)),
            crate::Now::from_secs(at(to)),
        );
    })
}

fn san(kind: SanKind, wanted: &'static str) -> SanMatcher {
    SanMatcher {
        kind,
        matches: Arc::new(move |name| name == wanted),
    }
}

#[test]
fn a_server_is_believed_for_its_name() {
    let ca = Ca::new("ca");
    let leaf = ca
        .leaf(&["a.test", "*.b.test", "10.0.0.1", "::1"])
        .identity();
    let server = server(serving(vec![leaf]));
    let client = client(asking(Client::Verified(trust(&ca))));
    for (name, expected) in [
        ("a.test", Told::Good),
        ("x.b.test", Told::Good),
        ("10.0.0.1", Told::Good),
        ("::1", Told::Good),
        ("b.test", Told::Name),
        ("y.x.b.test", Told::Name),
        ("10.0.0.2", Told::Name),
    ] {
        assert_eq!(told(shake(&server, &client, name, NOW)), expected, "{name}");
        assert_eq!(
            told(shake_with(&server, &client, name, false, NOW)),
            Told::Good,
            "{name}"
        );
    }
}

#[test]
fn a_chain_has_to_lead_to_a_ca_and_to_be_valid() {
    let ca = Ca::new("ca");
    let other = Ca::new("ca");
    let sub = ca.sub("sub");
    let sub_sub = sub.sub("sub sub");
    let by_sub = sub_sub.leaf(&["a.test"]);
    let client_only = ca.issue(new_key(), &["a.test"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    for (identity, expected) in [
        (ca.leaf(&["a.test"]).identity(), Told::Good),
        (by_sub.identity_by(&[&sub_sub, &sub]), Told::Good),
        (by_sub.identity_by(&[&sub, &sub_sub, &other]), Told::Good),
        (by_sub.identity_by(&[&sub_sub]), Told::UnknownIssuer),
        (
            Ca::new("unknown").leaf(&["a.test"]).identity(),
            Told::UnknownIssuer,
        ),
        (other.leaf(&["a.test"]).identity(), Told::BadSignature),
        (dated(&ca, -2, -1).identity(), Told::Expired),
        (dated(&ca, 1, 2).identity(), Told::NotYetValid),
        (client_only.identity(), Told::Purpose),
    ] {
        assert_eq!(connect(&identity, trust(&ca)), expected);
    }
    let nobody = Trust::default();
    assert_eq!(
        connect(&ca.leaf(&["a.test"]).identity(), nobody),
        Told::UnknownIssuer
    );
}

#[test]
fn a_certificate_that_is_trusted_itself_needs_no_issuer() {
    let own = Ca::with("a.test", |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("a.test".try_into().unwrap())];
    });
    let identity = own.identity();
    assert_eq!(connect(&identity, trust(&own)), Told::Good);
    let server = server(serving(vec![identity]));
    let client = client(asking(Client::Verified(trust(&own))));
    assert_eq!(told(shake(&server, &client, "b.test", NOW)), Told::Name);
    assert_eq!(
        told(shake(&server, &client, "a.test", NOW + 2 * DAY)),
        Told::Expired
    );
    assert_eq!(
        told(shake(&server, &client, "a.test", NOW - 2 * DAY)),
        Told::NotYetValid
    );
}

#[test]
fn a_chain_may_be_so_deep_and_no_deeper() {
    let ca = Ca::new("ca");
    let sub = ca.sub("sub");
    let leaf = sub.leaf(&["a.test"]).identity_by(&[&sub]);
    for (depth_max, expected) in [
        (None, Told::Good),
        (Some(1), Told::Good),
        (Some(0), Told::Depth),
    ] {
        let trust = Trust {
            depth_max,
            ..trust(&ca)
        };
        assert_eq!(connect(&leaf, trust), expected);
    }
}

#[test]
fn expired_certificates_are_believed_if_that_is_wanted() {
    let ca = Ca::new("ca");
    let wanted = || Trust {
        accept_expired: true,
        ..trust(&ca)
    };
    for issued in [dated(&ca, -1, 1), dated(&ca, -3, -2), dated(&ca, 2, 3)] {
        assert_eq!(connect(&issued.identity(), wanted()), Told::Good);
    }
    let stranger = dated(&Ca::new("other"), -2, -1).identity();
    assert_eq!(connect(&stranger, wanted()), Told::UnknownIssuer);
    let old = ca.sub_with("old", |params| {
        set_validity(params, NOW - 9 * DAY, NOW - 5 * DAY)
    });
    let leaf = old.issue(new_key(), &["a.test"], |params| {
        set_validity(params, NOW - 9 * DAY, NOW - 7 * DAY);
    });
    assert_eq!(connect(&leaf.identity_by(&[&old]), wanted()), Told::Good);
    assert_eq!(
        connect(&leaf.identity_by(&[&old]), trust(&ca)),
        Told::Expired
    );
}

#[test]
fn clients_are_believed_as_servers_are_but_for_the_name() {
    let ca = Ca::new("ca");
    let own = ca.leaf(&["c.test"]);
    let server_only = ca.issue(new_key(), &["c.test"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let with = |sans| Trust { sans, ..trust(&ca) };
    let revoking = Trust {
        crl: Some(ca.crl(&[&own.serial], NOW + DAY).into_bytes()),
        ..trust(&ca)
    };
    let unknown = Ca::new("other").leaf(&["c.test"]).identity();
    for (identity, trust, required, optional) in [
        (None, trust(&ca), Told::NoCertificate, Told::Good),
        (Some(own.identity()), trust(&ca), Told::Good, Told::Good),
        (
            Some(unknown),
            trust(&ca),
            Told::UnknownIssuer,
            Told::UnknownIssuer,
        ),
        (
            Some(dated(&ca, -2, -1).identity()),
            trust(&ca),
            Told::Expired,
            Told::Expired,
        ),
        (
            Some(server_only.identity()),
            trust(&ca),
            Told::Purpose,
            Told::Purpose,
        ),
        (
            Some(own.identity()),
            with(vec![san(SanKind::Dns, "c.test")]),
            Told::Good,
            Told::Good,
        ),
        (
            Some(own.identity()),
            with(vec![san(SanKind::Dns, "d.test")]),
            Told::San,
            Told::San,
        ),
        (Some(own.identity()), revoking, Told::Revoked, Told::Revoked),
    ] {
        assert_eq!(
            present(identity.clone(), ClientAuth::Required(trust.clone())),
            required
        );
        assert_eq!(present(identity, ClientAuth::Optional(trust)), optional);
    }
    assert_eq!(present(Some(own.identity()), ClientAuth::None), Told::Good);
}

#[test]
fn trust_that_cannot_be_meant_is_refused() {
    let ca = Ca::new("ca");
    let text = |text: &str| Some(text.as_bytes().to_vec());
    for (trust, why) in [
        (
            Trust {
                ca: text("nothing"),
                ..Trust::default()
            },
            "client_auth.ca: no certificate found",
        ),
        (
            Trust {
                ca: text(&crate::pem::write("CERTIFICATE", b"x")),
                ..Trust::default()
            },
            "client_auth.ca: certificate 1 cannot be used: TrailingData(SignedData)",
        ),
        (
            Trust {
                crl: text("nothing"),
                ..trust(&ca)
            },
            "client_auth.crl: no list found",
        ),
        (
            Trust {
                crl: Some(vec![0x30, 0]),
                ..trust(&ca)
            },
            "client_auth.crl: cannot be used: BadDer",
        ),
        (
            Trust {
                crl: text(&ca.crl(&[], NOW)),
                ..Trust::default()
            },
            "client_auth.crl: nobody is there to have issued it: no CA",
        ),
        (
            Trust {
                sans: vec![san(SanKind::Dns, "x")],
                ..Trust::default()
            },
            "client_auth.sans: names prove nothing without a CA",
        ),
    ] {
        let mut settings = serving(vec![ca.leaf(&["a.test"]).identity()]);
        settings.client_auth = ClientAuth::Required(trust);
        let made = crate::ServerContext::new(&crate::Provider::system(), settings);
        assert_eq!(made.err().unwrap().to_string(), why);
    }
}

#[test]
fn clients_are_told_which_cas_are_believed() {
    use rustls::server::danger::ClientCertVerifier;
    let (one, two) = (Ca::new("one"), Ca::new("two"));
    let both = Trust {
        ca: Some((one.pem() + &two.pem()).into_bytes()),
        ..Trust::default()
    };
    let signatures = super::Signatures::of(&crate::provider::standard());
    let believed = super::Believed::new(both, signatures).unwrap();
    let verifier = super::ClientVerifier::new(believed, false);
    let hints = verifier.root_hint_subjects();
    assert_eq!(hints.len(), 2);
    for (hint, name) in hints.iter().zip([&b"one"[..], b"two"]) {
        assert!(hint.as_ref().ends_with(name));
    }
}
