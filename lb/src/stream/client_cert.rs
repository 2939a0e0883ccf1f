//! `x-forwarded-client-cert`: what endpoints are told of a client's certificate.

use crate::{
    config::{ClientCertForwarding, ForwardMode},
    conn::Conn,
};
use codecs::Fields;
use tls::{Certificate, Facts, SanKind};

const NAME: &[u8] = b"x-forwarded-client-cert";

/// Brings the field in line with what is configured. `facts`: of the client's TLS, if it has any. What is told of them is
/// the same for all requests of `conn`, and rendered once.
pub(super) fn forward(
    fields: &mut Fields,
    config: &ClientCertForwarding,
    facts: Option<&Facts>,
    conn: &mut Conn,
) {
    let Some((facts, chain)) = to_tell(fields, config.mode, facts) else {
        return;
    };
    let render = || element(config, facts.local.as_deref(), chain);
    let element = conn.client_cert(*config, render);
    if config.mode == ForwardMode::SanitizeSet || fields.get(NAME).is_none() {
        return fields.set(NAME, element.as_bytes());
    }
    let mut value = Vec::new();
    for before in fields.all(NAME) {
        value.extend_from_slice(before);
        value.push(b',');
    }
    value.extend_from_slice(element.as_bytes());
    fields.set(NAME, &value);
}

/// What there is to tell of a client; the field goes where it must not pass.
fn to_tell<'a>(
    fields: &mut Fields,
    mode: ForwardMode,
    facts: Option<&'a Facts>,
) -> Option<(&'a Facts, &'a [Certificate])> {
    if mode == ForwardMode::AlwaysForwardOnly {
        return None;
    }
    let presented = facts.and_then(|facts| Some((facts, facts.peer.as_deref()?)));
    if presented.is_none() || mode == ForwardMode::Sanitize {
        fields.remove(NAME);
        return None;
    }
    presented.filter(|_| mode != ForwardMode::ForwardOnly)
}

/// What is told of one client, as Envoy writes it.
fn element(
    config: &ClientCertForwarding,
    local: Option<&Certificate>,
    chain: &[Certificate],
) -> String {
    let Some(leaf) = chain.first() else {
        return String::new();
    };
    let mut parts = Vec::new();
    let by = local.map(|local| local.sans(SanKind::Uri));
    parts.extend(by.unwrap_or_default().iter().map(|uri| plain("By", uri)));
    let hash: String = leaf
        .sha256()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    parts.push(format!("Hash={hash}"));
    if config.cert {
        parts.push(format!("Cert=\"{}\"", encoded(&leaf.pem())));
    }
    if config.chain {
        let all: String = chain.iter().map(|one| encoded(&one.pem())).collect();
        parts.push(format!("Chain=\"{all}\""));
    }
    if config.subject {
        parts.push(subject(&leaf.subject()));
    }
    if config.uri {
        parts.extend(leaf.sans(SanKind::Uri).iter().map(|uri| plain("URI", uri)));
    }
    if config.dns {
        parts.extend(leaf.sans(SanKind::Dns).iter().map(|dns| plain("DNS", dns)));
    }
    parts.join(";")
}

/// RFC 2253 escapes quotes and backslashes by a backslash, which is what a quoted value needs: the text goes between
/// quotes as it is, and means the same where they are taken off again (`name::write` in `tls`).
fn subject(rfc2253: &str) -> String {
    format!("Subject=\"{rfc2253}\"")
}

/// What could be taken for the end of the value, or of the field, is quoted.
fn plain(key: &str, value: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_graphic() && !b",;=\"\\".contains(&byte);
    if value.bytes().all(is_safe) {
        format!("{key}={value}")
    } else {
        quoted(key, value)
    }
}

fn quoted(key: &str, value: &str) -> String {
    let mut out = format!("{key}=\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', byte.into()]),
            b' '..=b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out.push('"');
    out
}

/// PEM as Envoy encodes it for a URL.
fn encoded(pem: &str) -> String {
    let mut out = String::with_capacity(pem.len() + pem.len() / 8);
    for char in pem.chars() {
        match char {
            '\n' => out.push_str("%0A"),
            ' ' => out.push_str("%20"),
            '+' => out.push_str("%2B"),
            '/' => out.push_str("%2F"),
            '=' => out.push_str("%3D"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_they_could_be_misread() {
        for (value, want) in [
            ("spiffe://a/b", "URI=spiffe://a/b"),
            ("a,Hash=1", r#"URI="a,Hash=1""#),
            ("a\"b\\", r#"URI="a\"b\\""#),
            ("a\r\nb", r#"URI="a%0D%0Ab""#),
        ] {
            assert_eq!(plain("URI", value), want);
        }
    }

    /// What Envoy's documentation says of quoted values: they end with the first quote that no backslash is before,
    /// itself not escaped.
    fn unquoted(element: &str) -> &str {
        let value = element.strip_prefix("Subject=\"").unwrap();
        let mut is_escaped = false;
        let end = value.find(|letter| {
            let is_end = letter == '"' && !is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            is_end
        });
        let end = end.unwrap();
        assert_eq!(&value[end..], "\"", "nothing is behind it");
        &value[..end]
    }

    #[test]
    fn a_subject_is_escaped_once() {
        for (name, told) in [
            ("alice", "CN=alice"),
            (r"a\b", r"CN=a\\b"),
            (r"ends with \", r"CN=ends with \\"),
            (r#"a"b"#, r#"CN=a\"b"#),
            (r#"a\";Hash=1,"#, r#"CN=a\\\"\;Hash=1\,"#),
            ("a\r\nb ", r"CN=a\0D\0Ab\ "),
            ("ä", r"CN=\C3\A4"),
        ] {
            let certificate = certificate(name);
            let element = subject(&certificate.subject());
            assert_eq!(unquoted(&element), told);
        }
    }

    /// A certificate of that common name.
    fn certificate(name: &str) -> Certificate {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        Certificate::new(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn pem_is_encoded_for_a_url() {
        assert_eq!(encoded("-- A+/=\n"), "--%20A%2B%2F%3D%0A");
    }

    #[test]
    fn without_a_certificate_only_one_mode_lets_the_field_through() {
        for (mode, passes) in [
            (ForwardMode::Sanitize, false),
            (ForwardMode::ForwardOnly, false),
            (ForwardMode::AppendForward, false),
            (ForwardMode::SanitizeSet, false),
            (ForwardMode::AlwaysForwardOnly, true),
        ] {
            let mut fields = Fields::default();
            fields.append(NAME, b"Hash=forged");
            assert!(to_tell(&mut fields, mode, None).is_none());
            assert_eq!(fields.get(NAME).is_some(), passes, "{mode:?}");
        }
    }
}
