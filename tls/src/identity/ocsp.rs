//! OCSP responses (RFC 6960) that are to be stapled.

use crate::{Certificate, Now, facts::unsigned};
use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, IntRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Enumerated, Sequence, Tagged};
use ring::digest;
use x509_cert::spki::AlgorithmIdentifierRef;

const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

#[derive(Sequence)]
struct Response<'a> {
    status: Status,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    bytes: Option<ResponseBytes<'a>>,
}

#[derive(Clone, Copy, Debug, Enumerated, PartialEq, Eq)]
#[repr(u32)]
enum Status {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

#[derive(Sequence)]
struct ResponseBytes<'a> {
    kind: ObjectIdentifier,
    response: &'a OctetStringRef,
}

#[derive(Sequence)]
struct Basic<'a> {
    data: Data<'a>,
    signature_algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    certificates: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct Data<'a> {
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    version: Option<u8>,
    responder: AnyRef<'a>,
    produced_at: GeneralizedTime,
    responses: Vec<Single<'a>>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT")]
    extensions: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct Single<'a> {
    id: CertId<'a>,
    status: AnyRef<'a>,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT")]
    extensions: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct CertId<'a> {
    hash: AlgorithmIdentifierRef<'a>,
    issuer_name_hash: &'a OctetStringRef,
    issuer_key_hash: &'a OctetStringRef,
    serial: IntRef<'a>,
}

/// Checks that a response says that a certificate is good; the issuer's key is compared where the issuer is known.
/// Gives the end of its validity, if it says one.
pub(super) fn check(
    response: &[u8],
    leaf: &Certificate,
    issuer: Option<&Certificate>,
) -> Result<Option<Now>, String> {
    let response = Response::from_der(response).map_err(|_| "not an OCSP response in DER")?;
    if response.status != Status::Successful {
        return Err(format!(
            "the responder did not answer: {:?}",
            response.status
        ));
    }
    let bytes = response.bytes.ok_or("it is empty")?;
    if bytes.kind != BASIC {
        return Err("not a basic OCSP response".into());
    }
    let basic = Basic::from_der(bytes.response.as_bytes())
        .map_err(|_| "not a basic OCSP response in DER")?;
    let is_ours = |single: &&Single<'_>| is_for(&single.id, leaf, issuer);
    let single = basic.data.responses.iter().find(is_ours);
    let single = single.ok_or("it is not for this certificate")?;
    // CertStatus: [0] good, [1] revoked, [2] unknown.
    match single.status.tag().number().value() {
        0 => Ok(single.next_update.map(|time| time.to_unix_duration())),
        1 => Err("the certificate is revoked".into()),
        _ => Err("the responder does not know the certificate".into()),
    }
}

fn is_for(id: &CertId<'_>, leaf: &Certificate, issuer: Option<&Certificate>) -> bool {
    let Some(leaf) = leaf.parse() else {
        return false;
    };
    let serial = leaf.tbs_certificate().serial_number();
    if unsigned(serial.as_bytes()) != unsigned(id.serial.as_bytes()) {
        return false;
    }
    let (Some(issuer), Some(hash)) = (issuer.and_then(Certificate::parse), algorithm(&id.hash))
    else {
        return true;
    };
    let key = &issuer
        .tbs_certificate()
        .subject_public_key_info()
        .subject_public_key;
    digest::digest(hash, key.raw_bytes()).as_ref() == id.issuer_key_hash.as_bytes()
}

/// `None`: a hash that is not known here.
fn algorithm(hash: &AlgorithmIdentifierRef<'_>) -> Option<&'static digest::Algorithm> {
    match hash.oid.to_string().as_str() {
        "1.3.14.3.2.26" => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        "2.16.840.1.101.3.4.2.1" => Some(&digest::SHA256),
        "2.16.840.1.101.3.4.2.2" => Some(&digest::SHA384),
        "2.16.840.1.101.3.4.2.3" => Some(&digest::SHA512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Ca, DAY, NOW};
    use crate::{Identity, testing::Issued};
    use der::Encode;

    const GOOD: u8 = 0x80;
    const REVOKED: u8 = 0xa1;
    const UNKNOWN: u8 = 0x82;

    fn time(at: Now) -> GeneralizedTime {
        GeneralizedTime::from_unix_duration(at).unwrap()
    }

    /// A response as a responder would write it, about a serial number of an issuer.
    fn response(
        serial: &[u8],
        issuer: &Certificate,
        status: u8,
        next_update: Option<Now>,
    ) -> Vec<u8> {
        let key = issuer.parse().unwrap();
        let key = key
            .tbs_certificate()
            .subject_public_key_info()
            .subject_public_key
            .raw_bytes();
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key);
        let sha1 = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
        let algorithm = AlgorithmIdentifierRef {
            oid: sha1,
            parameters: None,
        };
        let body = match status {
            REVOKED => [&[status, 17, 0x18, 15][..], b"20260101000000Z"].concat(),
            status => vec![status, 0],
        };
        let single = Single {
            id: CertId {
                hash: algorithm,
                issuer_name_hash: OctetStringRef::new(&[0; 20]).unwrap(),
                issuer_key_hash: OctetStringRef::new(hash.as_ref()).unwrap(),
                serial: IntRef::new(serial).unwrap(),
            },
            status: AnyRef::from_der(&body).unwrap(),
            this_update: time(NOW - DAY),
            next_update: next_update.map(time),
            extensions: None,
        };
        let basic = Basic {
            data: Data {
                version: None,
                responder: AnyRef::from_der(&[0xa2, 2, 4, 0]).unwrap(),
                produced_at: time(NOW - DAY),
                responses: vec![single],
                extensions: None,
            },
            signature_algorithm: algorithm,
            signature: BitStringRef::from_bytes(&[1; 8]).unwrap(),
            certificates: None,
        };
        let basic = basic.to_der().unwrap();
        let response = Response {
            status: Status::Successful,
            bytes: Some(ResponseBytes {
                kind: BASIC,
                response: OctetStringRef::new(&basic).unwrap(),
            }),
        };
        response.to_der().unwrap()
    }

    fn serial(leaf: &Issued) -> Vec<u8> {
        let parsed = leaf.certificate().parse().unwrap();
        parsed.tbs_certificate().serial_number().as_bytes().to_vec()
    }

    #[test]
    fn a_response_of_openssl_is_read() {
        let chain = include_bytes!("../../testdata/ocsp.chain.pem");
        let key = include_bytes!("../../testdata/ocsp.key.pem");
        let response = include_bytes!("../../testdata/ocsp.der");
        let identity = Identity::from_pem(chain, key)
            .unwrap()
            .with_ocsp(response)
            .unwrap();
        // 2026-12-26T04:35:19Z
        let next_update = Now::from_secs(1_798_259_719);
        assert!(identity.is_stapled(next_update));
        assert!(!identity.is_stapled(next_update + Now::from_secs(1)));
    }

    #[test]
    fn only_a_good_response_for_the_leaf_is_stapled() {
        let (ca, other) = (Ca::new("ca"), Ca::new("other"));
        let leaf = ca.leaf(&["a.test"]);
        let identity = leaf.identity_by(&[&ca]);
        let own = Certificate::new(&identity.plain().cert[1]);
        let foreign = other.leaf(&["b.test"]).certificate();
        let serial = serial(&leaf);
        let refused = "ocsp_staple: it is not for this certificate";
        for (response, error) in [
            (response(&serial, &own, GOOD, Some(NOW)), None),
            (response(&serial, &own, GOOD, None), None),
            (response(&[7], &own, GOOD, None), Some(refused)),
            (response(&serial, &foreign, GOOD, None), Some(refused)),
            (
                response(&serial, &own, REVOKED, None),
                Some("ocsp_staple: the certificate is revoked"),
            ),
            (
                response(&serial, &own, UNKNOWN, None),
                Some("ocsp_staple: the responder does not know the certificate"),
            ),
            (
                vec![0x30, 3, 0x0a, 1, 3],
                Some("ocsp_staple: the responder did not answer: TryLater"),
            ),
            (vec![0x30, 3, 0x0a, 1, 0], Some("ocsp_staple: it is empty")),
            (
                b"hello".to_vec(),
                Some("ocsp_staple: not an OCSP response in DER"),
            ),
        ] {
            let found = identity.clone().with_ocsp(&response).err();
            assert_eq!(found.map(|error| error.to_string()).as_deref(), error);
        }
    }

    #[test]
    fn without_the_issuer_the_serial_number_decides() {
        let (ca, other) = (Ca::new("ca"), Ca::new("other"));
        let leaf = ca.leaf(&["a.test"]);
        let foreign = other.leaf(&["b.test"]).certificate();
        let response = response(&serial(&leaf), &foreign, GOOD, None);
        assert!(leaf.identity().with_ocsp(&response).is_ok());
    }

    #[test]
    fn a_staple_is_sent_until_it_is_outdated() {
        let ca = Ca::new("ca");
        let leaf = ca.leaf(&["a.test"]);
        let identity = leaf.identity_by(&[&ca]);
        let own = Certificate::new(&identity.plain().cert[1]);
        let staple = response(&serial(&leaf), &own, GOOD, Some(NOW));
        let stapled: Identity = identity.with_ocsp(&staple).unwrap();
        for (now, sent) in [(NOW, Some(&staple)), (NOW + DAY, None)] {
            assert_eq!(stapled.presented(now).ocsp.as_ref(), sent);
            assert_eq!(stapled.is_stapled(now), sent.is_some());
        }
    }

    #[test]
    fn where_a_staple_is_wanted_an_outdated_one_fails_the_handshake() {
        use crate::testing::{asking, serving, trust};
        use crate::{Client, ClientContext, Provider, ServerContext, Session};
        let ca = Ca::new("ca");
        let leaf = ca.leaf(&["a.test"]);
        let identity = leaf.identity_by(&[&ca]);
        let own = Certificate::new(&identity.plain().cert[1]);
        let staple = response(&serial(&leaf), &own, GOOD, Some(NOW));
        let make = |identity: Identity, must_staple| {
            let mut settings = serving(vec![identity]);
            settings.must_staple = must_staple;
            ServerContext::new(&Provider::system(), settings)
        };
        let refused = make(identity.clone(), true).err().unwrap();
        assert_eq!(refused.field, "identities[0]");
        let stapled = identity.with_ocsp(&staple).unwrap();
        assert_eq!(stapled.staple_expires(), Some(NOW));
        let settings = asking(Client::Verified(trust(&ca)));
        let client = ClientContext::new(&Provider::system(), settings).unwrap();
        for (must_staple, now, detail) in [
            (true, NOW, None),
            (true, NOW + Now::from_secs(1), Some("tls_no_staple")),
            (false, NOW + Now::from_secs(1), None),
        ] {
            let mut server = Session::accept(&make(stapled.clone(), must_staple).unwrap());
            let (mut hello, mut out) = (Vec::new(), Vec::new());
            Session::connect(&client, Some("a.test"), true, now, &mut hello).unwrap();
            let fault = server.receive(now, &mut hello, &mut out).err();
            assert_eq!(fault.as_ref().map(|fault| fault.detail), detail);
            assert!(fault.is_none_or(|fault| fault.is_ours) && !out.is_empty());
        }
    }
}
