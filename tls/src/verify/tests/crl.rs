//! Revocation.

use super::*;

#[test]
fn revoked_certificates_are_refused_and_so_are_those_that_no_current_list_covers() {
    let ca = Ca::new("ca");
    let sub = ca.sub("sub");
    let leaf = sub.issue(new_key(), &["a.test"], |params| {
        params.serial_number = Some(7.into());
    });
    let (seven, eight) = (&rcgen::SerialNumber::from(7), &rcgen::SerialNumber::from(8));
    let tomorrow = NOW + DAY;
    let both = ca.crl(&[], tomorrow) + &sub.crl(&[eight], tomorrow);
    for (crl, leaf_crl_only, expected) in [
        (both.clone(), false, Told::Good),
        (both, true, Told::Good),
        (
            ca.crl(&[], tomorrow) + &sub.crl(&[seven, eight], tomorrow),
            false,
            Told::Revoked,
        ),
        (sub.crl(&[seven], tomorrow), true, Told::Revoked),
        (sub.crl(&[], tomorrow), false, Told::UnknownStatus),
        (sub.crl(&[], tomorrow), true, Told::Good),
        (ca.crl(&[], tomorrow), true, Told::UnknownStatus),
        (
            ca.crl(&[], tomorrow) + &sub.crl(&[], NOW - DAY),
            false,
            Told::CrlExpired,
        ),
        (
            ca.crl(&[], NOW - DAY) + &sub.crl(&[], tomorrow),
            true,
            Told::Good,
        ),
    ] {
        let trust = Trust {
            crl: Some(crl.into_bytes()),
            leaf_crl_only,
            ..trust(&ca)
        };
        assert_eq!(connect(&leaf.identity_by(&[&sub]), trust), expected);
    }
}

#[test]
fn an_expired_list_is_none_even_where_expired_certificates_are_believed() {
    let ca = Ca::new("ca");
    let leaf = dated(&ca, -4, -2).identity();
    for (next_update, expected) in [(NOW + DAY, Told::Good), (NOW - DAY, Told::UnknownStatus)] {
        let trust = Trust {
            crl: Some(ca.crl(&[], next_update).into_bytes()),
            accept_expired: true,
            ..trust(&ca)
        };
        assert_eq!(connect(&leaf, trust), expected);
    }
}

#[test]
fn lists_are_read_as_der_too() {
    let ca = Ca::new("ca");
    let leaf = ca.leaf(&["a.test"]);
    let crl = ca.crl(&[&leaf.serial], NOW + DAY);
    let der = crate::pem::sections(crl.as_bytes())
        .unwrap()
        .remove(0)
        .der
        .to_vec();
    let trust = Trust {
        crl: Some(der),
        ..trust(&ca)
    };
    assert_eq!(connect(&leaf.identity(), trust), Told::Revoked);
}
