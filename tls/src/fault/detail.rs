//! Details of what rustls says.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "these enums may grow, and most of their variants have no detail of their own"
)]

use super::Alert;
use crate::verify::Refusal;
use rustls::{
    CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved,
};

pub(super) fn of(error: &Error) -> &'static str {
    match error {
        Error::AlertReceived(alert) => Alert(u8::from(*alert)).detail(),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "tls_unexpected_message"
        }
        Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => "tls_handshake_too_long",
        Error::InvalidMessage(_) => "tls_bad_message",
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::InvalidCertRevocationList(_) => "tls_certificate_revocation_unknown",
        Error::NoCertificatesPresented => "tls_certificate_required",
        Error::DecryptError => "tls_bad_record",
        Error::PeerSentOversizedRecord => "tls_record_overflow",
        Error::NoApplicationProtocol => "tls_no_application_protocol",
        Error::PeerIncompatible(why) => of_incompatible(why),
        Error::PeerMisbehaved(why) => of_misbehaved(why),
        Error::InvalidEncryptedClientHello(_) => "tls_bad_message",
        // What is left is of our own making, and so would be what rustls adds.
        _ => "tls_internal",
    }
}

fn of_certificate(error: &CertificateError) -> &'static str {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "tls_certificate_expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "tls_certificate_not_yet_valid",
        E::Revoked => "tls_certificate_revoked",
        E::UnknownIssuer => "tls_unknown_ca",
        E::UnknownRevocationStatus
        | E::ExpiredRevocationList
        | E::ExpiredRevocationListContext { .. } => "tls_certificate_revocation_unknown",
        E::NotValidForName | E::NotValidForNameContext { .. } => "tls_certificate_name",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "tls_certificate_purpose",
        E::BadSignature => "tls_bad_signature",
        E::InvalidOcspResponse => "tls_certificate_status",
        E::ApplicationVerificationFailure => "tls_certificate_refused",
        E::Other(OtherError(why)) => match why.downcast_ref() {
            Some(Refusal::Depth) => "tls_certificate_chain_too_long",
            Some(Refusal::San) => "tls_certificate_san",
            Some(Refusal::Hash) => "tls_certificate_hash",
            None => "tls_certificate_bad",
        },
        _ => "tls_certificate_bad",
    }
}

fn of_incompatible(error: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as E;
    match error {
        E::ServerDoesNotSupportTls12Or13
        | E::ServerTlsVersionIsDisabledByOurConfig
        | E::SupportedVersionsExtensionRequired
        | E::Tls12NotOffered
        | E::Tls12NotOfferedOrEnabled => "tls_no_shared_version",
        E::NoCipherSuitesInCommon => "tls_no_shared_cipher",
        E::NoKxGroupsInCommon => "tls_no_shared_group",
        E::NoSignatureSchemesInCommon | E::NoCertificateRequestSignatureSchemesInCommon => {
            "tls_no_shared_signature"
        }
        _ => "tls_incompatible",
    }
}

fn of_misbehaved(error: &PeerMisbehaved) -> &'static str {
    use PeerMisbehaved as E;
    match error {
        E::TooManyEmptyFragments => "tls_empty_records",
        E::TooManyKeyUpdateRequests => "tls_key_updates",
        E::TooManyRenegotiationRequests => "tls_renegotiation",
        E::IllegalMiddleboxChangeCipherSpec | E::KeyEpochWithPendingFragment => {
            "tls_unexpected_message"
        }
        _ => "tls_misbehaved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::AlertDescription;

    #[test]
    fn each_cause_has_its_detail() {
        for (error, detail) in [
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "tls_unknown_ca",
            ),
            (CertificateError::UnknownIssuer.into(), "tls_unknown_ca"),
            (CertificateError::Expired.into(), "tls_certificate_expired"),
            (CertificateError::Revoked.into(), "tls_certificate_revoked"),
            (CertificateError::BadEncoding.into(), "tls_certificate_bad"),
            (Refusal::San.into(), "tls_certificate_san"),
            (Refusal::Hash.into(), "tls_certificate_hash"),
            (Refusal::Depth.into(), "tls_certificate_chain_too_long"),
            (Error::NoCertificatesPresented, "tls_certificate_required"),
            (
                PeerIncompatible::Tls12NotOffered.into(),
                "tls_no_shared_version",
            ),
            (
                PeerIncompatible::NoCipherSuitesInCommon.into(),
                "tls_no_shared_cipher",
            ),
            (PeerMisbehaved::IncorrectBinder.into(), "tls_misbehaved"),
            (
                InvalidMessage::HandshakePayloadTooLarge.into(),
                "tls_handshake_too_long",
            ),
            (InvalidMessage::MissingData("x").into(), "tls_bad_message"),
            (Error::DecryptError, "tls_bad_record"),
            (Error::FailedToGetRandomBytes, "tls_internal"),
        ] {
            assert_eq!(of(&error), detail, "{error:?}");
        }
    }
}
