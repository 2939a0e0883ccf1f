//! Whom to believe: `CertificateValidationContext`.

use crate::config::{data, route::string_match, secrets::Fault};
use base64::prelude::*;
use std::{net::IpAddr, path::Path, sync::Arc};
use tls::{SanKind, SanMatcher, Trust};
use xds::api::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, SubjectAltNameMatcher,
        certificate_validation_context::TrustChainVerification, subject_alt_name_matcher::SanType,
    },
    r#type::matcher::v3::string_matcher::MatchPattern,
};

/// Where systems keep the certificates that they trust, as PEM.
const SYSTEM_ROOTS: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Names another file with them, as it does for OpenSSL.
const ROOTS_VARIABLE: &str = "SSL_CERT_FILE";

/// Finds what is wrong with a context whose files were read.
pub(in crate::config) fn check(from: &CertificateValidationContext) -> Result<(), Fault> {
    hashes(from)?;
    sans(from)?;
    depth(from)?;
    let trust = Trust {
        ca: bytes(from.trusted_ca.as_ref()),
        crl: bytes(from.crl.as_ref()),
        ..Trust::default()
    };
    trust.check().map_err(|error| Fault::of_setting(&error))
}

/// Any certificate will do.
pub(super) fn accepts_any(from: &CertificateValidationContext) -> bool {
    from.trust_chain_verification() == TrustChainVerification::AcceptUntrusted
}

/// A certificate is known by its hash or its key's.
pub(super) fn is_pinned(from: &CertificateValidationContext) -> bool {
    !from.verify_certificate_hash.is_empty() || !from.verify_certificate_spki.is_empty()
}

/// What sessions verify by; `roots`: the system's are believed where nobody else is named.
pub(super) fn trust(from: &CertificateValidationContext, roots: bool) -> Result<Trust, Fault> {
    let (certificate_hashes, spki_hashes) = hashes(from)?;
    let ca = match bytes(from.trusted_ca.as_ref()) {
        Some(ca) => Some(ca),
        None if from.system_root_certs.is_some() => Some(system_roots()?),
        None if roots && !is_pinned(from) && !accepts_any(from) => Some(system_roots()?),
        None => None,
    };
    Ok(Trust {
        ca,
        crl: bytes(from.crl.as_ref()),
        leaf_crl_only: from.only_verify_leaf_cert_crl,
        sans: sans(from)?,
        spki_hashes,
        certificate_hashes,
        depth_max: depth(from)?,
        accept_expired: from.allow_expired_certificate,
        accept_untrusted: accepts_any(from),
    })
}

fn bytes(source: Option<&DataSource>) -> Option<Vec<u8>> {
    match source.and_then(|source| source.specifier.as_ref()) {
        Some(Specifier::InlineBytes(bytes)) => Some(bytes.clone()),
        Some(
            Specifier::EnvironmentVariable(_) | Specifier::Filename(_) | Specifier::InlineString(_),
        )
        | None => None,
    }
}

fn system_roots() -> Result<Vec<u8>, Fault> {
    let wrong = |reason: String| Fault::new("trusted_ca", reason);
    if let Some(file) = std::env::var_os(ROOTS_VARIABLE) {
        let told = |error| wrong(format!("{ROOTS_VARIABLE}={}: {error}", file.display()));
        return data::read_file(Path::new(&file)).map_err(told);
    }
    let found = SYSTEM_ROOTS.iter().find(|file| Path::new(file).exists());
    let Some(file) = found else {
        let places = SYSTEM_ROOTS.join(", ");
        let reason = format!("is needed: none of {places} holds the system's root certificates");
        return Err(wrong(reason));
    };
    data::read_file(Path::new(file)).map_err(|error| wrong(format!("{file}: {error}")))
}

type Hashes = Vec<[u8; 32]>;

/// `verify_certificate_hash`, `verify_certificate_spki`.
fn hashes(from: &CertificateValidationContext) -> Result<(Hashes, Hashes), Fault> {
    let hash = |(index, text): (usize, &String)| {
        let field = format!("verify_certificate_hash[{index}]");
        hexadecimal(text).ok_or_else(|| Fault::new(&field, "is no SHA-256 in hexadecimal"))
    };
    let key = |(index, text): (usize, &String)| {
        let field = format!("verify_certificate_spki[{index}]");
        let bytes = BASE64_STANDARD.decode(text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| Fault::new(&field, "is no SHA-256 in base64"))
    };
    let of = from.verify_certificate_hash.iter().enumerate().map(hash);
    let keys = from.verify_certificate_spki.iter().enumerate().map(key);
    Ok((
        of.collect::<Result<_, _>>()?,
        keys.collect::<Result<_, _>>()?,
    ))
}

/// 32 bytes in hexadecimal, with or without colons between them.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let text = match text.len() {
        95 => text.split(':').filter(|byte| byte.len() == 2).collect(),
        _ => text.to_owned(),
    };
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// `max_verify_depth` counts the root, sessions do not.
fn depth(from: &CertificateValidationContext) -> Result<Option<u32>, Fault> {
    match from.max_verify_depth {
        None => Ok(None),
        Some(depth @ 1..=100) => Ok(Some(depth - 1)),
        Some(_) => Err(Fault::new(
            "max_verify_depth",
            "has to be between 1 and 100",
        )),
    }
}

/// `match_typed_subject_alt_names`.
fn sans(from: &CertificateValidationContext) -> Result<Vec<SanMatcher>, Fault> {
    let matchers = from.match_typed_subject_alt_names.iter().enumerate();
    let matchers = matchers.map(|(index, from)| {
        let field = format!("match_typed_subject_alt_names[{index}]");
        matcher(from).map_err(|(inner, reason)| Fault::new(&format!("{field}.{inner}"), reason))
    });
    matchers.collect()
}

fn matcher(from: &SubjectAltNameMatcher) -> Result<SanMatcher, (&'static str, String)> {
    let kind = match from.san_type() {
        SanType::Dns => SanKind::Dns,
        SanType::Email => SanKind::Email,
        SanType::IpAddress => SanKind::Ip,
        SanType::Uri => SanKind::Uri,
        SanType::Unspecified => return Err(("san_type", "is missing".into())),
    };
    let missing = || ("matcher", "is missing".to_owned());
    let matcher = from.matcher.as_ref().ok_or_else(missing)?;
    let text = string_match(matcher).map_err(|reason| ("matcher", reason))?;
    let matches: Arc<dyn Fn(&str) -> bool + Send + Sync> = match (&matcher.match_pattern, kind) {
        (Some(MatchPattern::Exact(name)), SanKind::Dns) => {
            return Ok(SanMatcher::dns(name));
        }
        (Some(MatchPattern::Exact(ip)), SanKind::Ip) => {
            let wrong = |_| ("matcher", format!("`{ip}` is not an IP address"));
            let ip: IpAddr = ip.parse().map_err(wrong)?;
            Arc::new(move |san| san.parse() == Ok(ip))
        }
        (_, SanKind::Dns | SanKind::Email | SanKind::Ip | SanKind::Uri) => {
            Arc::new(move |san| text.matches(san.as_bytes()))
        }
    };
    Ok(SanMatcher { kind, matches })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xds::api::envoy::r#type::matcher::v3::StringMatcher;

    fn san(kind: SanType, pattern: MatchPattern, ignore_case: bool) -> SubjectAltNameMatcher {
        SubjectAltNameMatcher {
            san_type: kind.into(),
            matcher: Some(StringMatcher {
                match_pattern: Some(pattern),
                ignore_case,
            }),
        }
    }

    #[test]
    fn a_name_is_matched_as_its_kind_asks() {
        let exact = |text: &str| MatchPattern::Exact(text.into());
        for (matcher, name, expected) in [
            (
                san(SanType::Dns, exact("api.x.com"), false),
                "API.x.com",
                true,
            ),
            (
                san(SanType::Dns, exact("api.x.com"), false),
                "*.x.com",
                true,
            ),
            (
                san(SanType::Dns, exact("a.api.x.com"), false),
                "*.x.com",
                false,
            ),
            (san(SanType::Dns, exact("x.com"), false), "*.com", false),
            (san(SanType::Dns, exact(".x.com"), false), "*.x.com", false),
            (
                san(SanType::IpAddress, exact("::1"), false),
                "0:0:0:0:0:0:0:1",
                true,
            ),
            (
                san(SanType::Uri, exact("spiffe://a/B"), false),
                "spiffe://a/b",
                false,
            ),
            (
                san(SanType::Uri, exact("spiffe://a/B"), true),
                "spiffe://a/b",
                true,
            ),
            (
                san(
                    SanType::Uri,
                    MatchPattern::Prefix("spiffe://a/".into()),
                    false,
                ),
                "spiffe://a/b",
                true,
            ),
            (
                san(SanType::Email, MatchPattern::Suffix("@X.com".into()), true),
                "a@x.com",
                true,
            ),
            (
                san(SanType::Email, MatchPattern::Contains("b@".into()), false),
                "a@x.com",
                false,
            ),
        ] {
            let compiled =
                super::matcher(&matcher).unwrap_or_else(|(_, reason)| panic!("{reason}"));
            assert_eq!((compiled.matches)(name), expected, "{matcher:?} {name}");
        }
    }

    #[test]
    fn hashes_are_read_in_their_forms() {
        let plain = "df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a";
        let pairs: Vec<_> = (0..32)
            .map(|i| plain[2 * i..2 * i + 2].to_uppercase())
            .collect();
        let of = |hash: &str, key: &str| CertificateValidationContext {
            verify_certificate_hash: vec![hash.to_owned()],
            verify_certificate_spki: vec![key.to_owned()],
            ..CertificateValidationContext::default()
        };
        let key = "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=";
        let (one, keys) = hashes(&of(plain, key)).unwrap();
        let (two, _) = hashes(&of(&pairs.join(":"), key)).unwrap();
        assert_eq!(
            (&one, one[0][..2].to_vec(), keys[0][0]),
            (&two, vec![0xdf, 0x6f], 0x36)
        );
        for (hash, key, field) in [
            (&plain[1..], key, "verify_certificate_hash[0]"),
            (plain, &key[4..], "verify_certificate_spki[0]"),
        ] {
            assert_eq!(hashes(&of(hash, key)).unwrap_err().field, field);
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let none = CertificateValidationContext::default;
        for (context, field) in [
            (
                CertificateValidationContext {
                    max_verify_depth: Some(0),
                    ..none()
                },
                "max_verify_depth",
            ),
            (
                CertificateValidationContext {
                    match_typed_subject_alt_names: vec![SubjectAltNameMatcher::default()],
                    ..none()
                },
                "match_typed_subject_alt_names[0].san_type",
            ),
            (
                CertificateValidationContext {
                    match_typed_subject_alt_names: vec![san(
                        SanType::IpAddress,
                        MatchPattern::Exact("x".into()),
                        false,
                    )],
                    ..none()
                },
                "match_typed_subject_alt_names[0].matcher",
            ),
        ] {
            assert_eq!(check(&context).unwrap_err().field, field);
        }
        let deep = CertificateValidationContext {
            max_verify_depth: Some(3),
            ..none()
        };
        assert_eq!(trust(&deep, false).unwrap().depth_max, Some(2));
    }
}
