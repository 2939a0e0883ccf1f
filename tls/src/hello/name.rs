//! Names of hosts.

use std::net::IpAddr;

/// A name from `server_name` in lower case and without a final dot; `None`: an address, which has no place there
/// (RFC 6066 §3) but is sent by some clients.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Box<str>>, &'static str> {
    const INVALID: &str = "server_name is not a host name";
    let text = str::from_utf8(bytes).map_err(|_| INVALID)?;
    if text.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() || name.len() > 253 || !name.split('.').all(is_label) {
        return Err(INVALID);
    }
    Ok(Some(name.to_ascii_lowercase().into()))
}

/// RFC 1123 §2.1, with the underscore that names in use have.
fn is_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=63).contains(&label.len())
        && label.bytes().all(is_inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_normalised() {
        let long = format!("{}.example", "a".repeat(64));
        for (name, want) in [
            ("Example.COM", Some(Some("example.com"))),
            ("example.com.", Some(Some("example.com"))),
            ("_x-y.a1.b", Some(Some("_x-y.a1.b"))),
            ("xn--bcher-kva.example", Some(Some("xn--bcher-kva.example"))),
            ("192.0.2.1", Some(None)),
            ("2001:db8::1", Some(None)),
            ("", None),
            (".", None),
            ("a..b", None),
            ("a.b..", None),
            ("-a.example", None),
            ("a-.example", None),
            ("*.example", None),
            ("a b", None),
            ("bücher.example", None),
            ("a\0.example", None),
            (long.as_str(), None),
        ] {
            let found = read(name.as_bytes()).ok();
            assert_eq!(found.as_ref().map(Option::as_deref), want, "{name:?}");
        }
        assert!(read(b"\xff.example").is_err());
    }
}
