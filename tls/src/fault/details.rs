//! All details, for who counts faults in a fixed place for each.

/// Every [`crate::Fault::detail`] that there can be, sorted.
pub const DETAILS: &[&str] = &[
    "tls_access_denied",
    "tls_alert",
    "tls_bad_hello",
    "tls_bad_message",
    "tls_bad_name",
    "tls_bad_record",
    "tls_bad_signature",
    "tls_canceled",
    "tls_certificate_bad",
    "tls_certificate_chain_too_long",
    "tls_certificate_expired",
    "tls_certificate_hash",
    "tls_certificate_name",
    "tls_certificate_not_yet_valid",
    "tls_certificate_purpose",
    "tls_certificate_refused",
    "tls_certificate_required",
    "tls_certificate_revocation_unknown",
    "tls_certificate_revoked",
    "tls_certificate_san",
    "tls_certificate_status",
    "tls_certificate_unknown",
    "tls_certificate_unsupported",
    "tls_closed",
    "tls_early_data_too_long",
    "tls_empty_records",
    "tls_fallback",
    "tls_handshake_failure",
    "tls_handshake_too_long",
    "tls_hello_too_long",
    "tls_illegal_parameter",
    "tls_incompatible",
    "tls_insufficient_security",
    "tls_internal",
    "tls_key_updates",
    "tls_keys_used_up",
    "tls_misbehaved",
    "tls_missing_extension",
    "tls_no_application_protocol",
    "tls_no_hello",
    "tls_no_shared_cipher",
    "tls_no_shared_group",
    "tls_no_shared_signature",
    "tls_no_shared_version",
    "tls_no_staple",
    "tls_peer_internal",
    "tls_post_handshake_too_long",
    "tls_record_overflow",
    "tls_renegotiation",
    "tls_renegotiation_refused",
    "tls_sni_required",
    "tls_tickets",
    "tls_truncated",
    "tls_unexpected_message",
    "tls_unknown_ca",
    "tls_unknown_name",
    "tls_unknown_psk",
    "tls_unsupported_extension",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LIMITS;
    use std::{collections::BTreeSet, fs, path::Path};

    /// Details that stand in the sources of a folder, but for this file.
    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if !path.ends_with("fault/details.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let quoted = text.split('"').skip(1);
                let is_part = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
                let is_detail = |text: &&str| {
                    let rest = text.strip_prefix("tls_");
                    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_part))
                };
                found.extend(quoted.filter(is_detail).map(str::to_owned));
            }
        }
    }

    #[test]
    fn no_other_detail_stands_in_the_sources() {
        let mut found = BTreeSet::new();
        collect(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut found,
        );
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            DETAILS.iter().collect::<Vec<_>>()
        );
        assert!(DETAILS.is_sorted() && LIMITS.iter().all(|limit| DETAILS.contains(limit)));
    }
}
