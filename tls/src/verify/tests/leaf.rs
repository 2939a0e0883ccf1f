//! What is wanted of the leaf itself.

use super::*;

#[test]
fn one_name_of_those_wanted_is_enough_and_replaces_the_name_of_the_server() {
    let ca = Ca::new("ca");
    let leaf = ca.issue(new_key(), &["b.test", "10.0.0.1"], |params| {
        let names = &mut params.subject_alt_names;
        names.push(rcgen::SanType::URI("spiffe://b/x".try_into().unwrap()));
        names.push(rcgen::SanType::Rfc822Name("b@b.test".try_into().unwrap()));
    });
    for (sans, expected) in [
        (vec![san(SanKind::Dns, "b.test")], Told::Good),
        (vec![san(SanKind::Uri, "spiffe://b/x")], Told::Good),
        (vec![san(SanKind::Email, "b@b.test")], Told::Good),
        (vec![san(SanKind::Ip, "10.0.0.1")], Told::Good),
        (
            vec![san(SanKind::Dns, "x"), san(SanKind::Ip, "10.0.0.1")],
            Told::Good,
        ),
        (vec![san(SanKind::Dns, "10.0.0.1")], Told::San),
        (vec![san(SanKind::Uri, "b.test")], Told::San),
        (vec![], Told::Name),
    ] {
        let trust = Trust { sans, ..trust(&ca) };
        assert_eq!(connect(&leaf.identity(), trust), expected);
    }
}

#[test]
fn one_hash_of_those_wanted_is_enough_and_does_without_a_ca() {
    let ca = Ca::new("ca");
    let leaf = ca.leaf(&["a.test"]);
    let spki = leaf.certificate().spki_sha256().unwrap();
    let whole = leaf.certificate().sha256();
    let wrong = [7; 32];
    for (spki_hashes, certificate_hashes, with_ca, without_ca) in [
        (vec![spki], vec![], Told::Good, Told::Good),
        (vec![], vec![whole], Told::Good, Told::Good),
        (vec![wrong], vec![wrong, whole], Told::Good, Told::Good),
        (vec![wrong, spki], vec![wrong], Told::Good, Told::Good),
        (vec![whole], vec![spki], Told::Hash, Told::Hash),
        (vec![wrong], vec![], Told::Hash, Told::Hash),
    ] {
        let pinned = |ca: Option<&Ca>| Trust {
            spki_hashes: spki_hashes.clone(),
            certificate_hashes: certificate_hashes.clone(),
            ..ca.map_or_else(Trust::default, trust)
        };
        assert_eq!(connect(&leaf.identity(), pinned(Some(&ca))), with_ca);
        assert_eq!(connect(&leaf.identity(), pinned(None)), without_ca);
        let unknown = connect(&leaf.identity(), pinned(Some(&Ca::new("other"))));
        assert_eq!(unknown, Told::UnknownIssuer);
    }
}

#[test]
fn anybody_is_believed_if_that_is_wanted() {
    let ca = Ca::new("ca");
    let stranger = dated(&Ca::new("other"), -2, -1).identity();
    let trust = Trust {
        accept_untrusted: true,
        sans: vec![san(SanKind::Dns, "x")],
        ..trust(&ca)
    };
    assert_eq!(connect(&stranger, trust), Told::Good);
    let server = server(serving(vec![stranger]));
    let client = client(asking(Client::Unverified));
    assert_eq!(told(shake(&server, &client, "b.test", NOW)), Told::Good);
}
