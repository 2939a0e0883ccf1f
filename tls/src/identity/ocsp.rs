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
