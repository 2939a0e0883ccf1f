//! Alerts (RFC 8446 §6), and the details that stand for them.

use rustls::AlertDescription;

/// `AlertDescription`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alert(pub(crate) u8);

/// The code, the detail, and the name in the registry of TLS alerts at IANA.
const ALERTS: &[(u8, &str, &str)] = &[
    (0, "tls_closed", "close_notify"),
    (10, "tls_unexpected_message", "unexpected_message"),
    (20, "tls_bad_record", "bad_record_mac"),
    (21, "tls_bad_record", "decryption_failed"),
    (22, "tls_record_overflow", "record_overflow"),
    (40, "tls_handshake_failure", "handshake_failure"),
    (42, "tls_certificate_bad", "bad_certificate"),
    (43, "tls_certificate_unsupported", "unsupported_certificate"),
    (44, "tls_certificate_revoked", "certificate_revoked"),
    (45, "tls_certificate_expired", "certificate_expired"),
    (46, "tls_certificate_unknown", "certificate_unknown"),
    (47, "tls_illegal_parameter", "illegal_parameter"),
    (48, "tls_unknown_ca", "unknown_ca"),
    (49, "tls_access_denied", "access_denied"),
    (50, "tls_bad_message", "decode_error"),
    (51, "tls_bad_signature", "decrypt_error"),
    (70, "tls_no_shared_version", "protocol_version"),
    (71, "tls_insufficient_security", "insufficient_security"),
    (80, "tls_peer_internal", "internal_error"),
    (86, "tls_fallback", "inappropriate_fallback"),
    (90, "tls_canceled", "user_canceled"),
    (100, "tls_renegotiation_refused", "no_renegotiation"),
    (109, "tls_missing_extension", "missing_extension"),
    (110, "tls_unsupported_extension", "unsupported_extension"),
    (112, "tls_unknown_name", "unrecognized_name"),
    (
        113,
        "tls_certificate_status",
        "bad_certificate_status_response",
    ),
    (115, "tls_unknown_psk", "unknown_psk_identity"),
    (116, "tls_certificate_required", "certificate_required"),
    (
        120,
        "tls_no_application_protocol",
        "no_application_protocol",
    ),
];

impl Alert {
    pub(crate) const CLOSE_NOTIFY: Self = Self(0);
    pub(crate) const UNEXPECTED_MESSAGE: Self = Self(10);
    pub(crate) const BAD_RECORD_MAC: Self = Self(20);
    pub(crate) const RECORD_OVERFLOW: Self = Self(22);
    pub(crate) const ACCESS_DENIED: Self = Self(49);
    pub(crate) const DECODE_ERROR: Self = Self(50);
    pub(crate) const PROTOCOL_VERSION: Self = Self(70);
    pub(crate) const INTERNAL_ERROR: Self = Self(80);
    pub(crate) const USER_CANCELED: Self = Self(90);
    pub(crate) const NO_RENEGOTIATION: Self = Self(100);
    pub(crate) const UNRECOGNIZED_NAME: Self = Self(112);

    /// What a peer that is not believed any more is told.
    pub(crate) fn of(error: &rustls::Error) -> Self {
        if let rustls::Error::InvalidCertificate(why) = error {
            return Self(AlertDescription::from(why.clone()).into());
        }
        Self::ACCESS_DENIED
    }

    /// The detail of a fault that the alert tells of.
    pub(crate) fn detail(self) -> &'static str {
        self.find().map_or("tls_alert", |(_, detail, _)| detail)
    }

    /// Its name in the registry.
    pub(crate) fn name(self) -> String {
        let name = self.find().map(|(_, _, name)| (*name).to_owned());
        name.unwrap_or_else(|| format!("alert {}", self.0))
    }

    /// Two bytes: level, description.
    pub(crate) fn bytes(self) -> [u8; 2] {
        let is_warning = [
            Self::CLOSE_NOTIFY,
            Self::USER_CANCELED,
            Self::NO_RENEGOTIATION,
        ];
        [if is_warning.contains(&self) { 1 } else { 2 }, self.0]
    }

    /// A record of it before there are keys.
    pub(crate) fn plain_record(self) -> [u8; 7] {
        let [level, description] = self.bytes();
        [crate::record::kind::ALERT, 3, 3, 0, 2, level, description]
    }

    fn find(self) -> Option<&'static (u8, &'static str, &'static str)> {
        ALERTS.iter().find(|(code, ..)| *code == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_sorted_and_details_look_alike() {
        assert!(ALERTS.is_sorted_by(|one, next| one.0 < next.0));
        for (_, detail, name) in ALERTS {
            let is_plain = |text: &str| text.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
            assert!(
                detail.starts_with("tls_") && is_plain(detail) && is_plain(name),
                "{detail}"
            );
        }
        assert_eq!(
            (Alert(48).detail(), Alert(255).detail()),
            ("tls_unknown_ca", "tls_alert")
        );
        assert_eq!(Alert(255).name(), "alert 255");
    }
}
