//! Request targets (RFC 9112 §3.2) and authorities (RFC 9110 §7.2).

use super::bad;
use crate::bytes::{any, class};
use crate::{Head, Malformed};
use std::net::Ipv6Addr;

/// Fills the target slots of a head. `host` was checked.
pub(super) fn fill(
    method: &[u8],
    target: &[u8],
    host: &[u8],
    head: &mut Head,
) -> Result<(), Malformed> {
    if any(target, |byte| !is_target(byte)) {
        return Err(bad("invalid-target"));
    }
    if method == b"CONNECT" {
        return fill_authority(target, head);
    }
    match target {
        [b'/', ..] => {
            head.set_authority(host);
            head.set_path(target);
            Ok(())
        }
        b"*" if method == b"OPTIONS" => {
            head.set_authority(host);
            head.set_path(b"*");
            Ok(())
        }
        _ => fill_absolute(method, target, head),
    }
}

/// The authority-form of CONNECT, which has no default port (RFC 9110 §9.3.6).
fn fill_authority(target: &[u8], head: &mut Head) -> Result<(), Malformed> {
    if !is_authority(target) || !has_port(target) {
        return Err(bad("invalid-connect-target"));
    }
    head.set_authority(target);
    Ok(())
}

/// The absolute-form; its authority replaces Host (RFC 9112 §3.2.2).
fn fill_absolute(method: &[u8], target: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let (scheme, rest) = split_scheme(target).ok_or(bad("invalid-target"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    if !is_authority(authority) {
        return Err(bad("invalid-authority"));
    }
    head.set_scheme(scheme);
    head.set_authority(authority);
    match path {
        [] if method == b"OPTIONS" => head.set_path(b"*"),
        [] => head.set_path(b"/"),
        [b'/', ..] => head.set_path(path),
        query => head.set_path(&[b"/", query].concat()),
    }
    Ok(())
}

fn split_scheme(target: &[u8]) -> Option<(&'static [u8], &[u8])> {
    [(&b"http"[..], 4), (b"https", 5)]
        .into_iter()
        .find_map(|(scheme, len)| {
            let (name, rest) = target.split_at_checked(len)?;
            let rest = rest.strip_prefix(b"://")?;
            name.eq_ignore_ascii_case(scheme).then_some((scheme, rest))
        })
}

/// Bytes of a target: visible ASCII without a fragment. Characters that RFC 3986 wants encoded but
/// that clients send bare (`|`, `"`, `{` …) are let through.
pub(crate) fn is_target(byte: u8) -> bool {
    (byte > b' ') & (byte < 0x7f) & (byte != b'#')
}

/// `host [ ":" port ]`, no user information, nothing empty.
pub(crate) fn is_authority(value: &[u8]) -> bool {
    let host = match value {
        [b'[', rest @ ..] => ipv6_len(rest).map(|len| len + 1),
        _ => name_len(value),
    };
    let rest = host.map(|len| &value[len..]);
    rest.is_some_and(|rest| rest.is_empty() || is_port(rest))
}

pub(crate) fn has_port(authority: &[u8]) -> bool {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    colon.is_some_and(|at| is_port(&authority[at..]))
}

/// A colon and 1 to 65535.
fn is_port(rest: &[u8]) -> bool {
    let [b':', digits @ ..] = rest else {
        return false;
    };
    if !(1..=5).contains(&digits.len()) {
        return false;
    }
    let mut port = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return false;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    (1..=65535).contains(&port)
}

/// Length of an address in brackets, the closing one included.
fn ipv6_len(rest: &[u8]) -> Option<usize> {
    let len = rest.iter().position(|byte| *byte == b']')?;
    let text = str::from_utf8(&rest[..len]).ok()?;
    text.parse::<Ipv6Addr>().is_ok().then_some(len + 1)
}

/// Length of a registered name or IPv4 address. The comma is refused: a list would be two hosts to
/// some.
fn name_len(value: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| !NAME[usize::from(*byte)];
    let mut len = 0;
    loop {
        let rest = &value[len..];
        match rest.iter().position(is_end) {
            None => len = value.len(),
            Some(n) => {
                len += n;
                if let [b'%', high, low, ..] = rest[n..]
                    && high.is_ascii_hexdigit()
                    && low.is_ascii_hexdigit()
                {
                    len += 3;
                    continue;
                }
            }
        }
        return (len > 0).then_some(len);
    }
}

static NAME: [bool; 256] = class(b"-._~!$&'()*+;=");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_checked() {
        for good in [
            "a",
            "a.b:80",
            "a_b",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:65535",
            "a%20b",
            "x.",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:8a",
            "a:1:2",
            "u@a",
            "a/b",
            "a b",
            "a,b",
            "[::1",
            "[::1]x",
            "[::1]x:80",
            "[]",
            "[v1.a]",
            "[fe80::1%25eth0]",
            "a%2",
            "a%zz",
            "a\\b",
            "a?b",
            "\u{e9}",
            "[::1]:",
            "1::2",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn targets_fill_the_slots() {
        for (method, target, want) in [
            ("GET", "/", Some(("", "host", "/"))),
            ("GET", "/a?b=|c", Some(("", "host", "/a?b=|c"))),
            ("OPTIONS", "*", Some(("", "host", "*"))),
            ("GET", "*", None),
            ("GET", "http://a", Some(("http", "a", "/"))),
            ("GET", "HTTPS://a:1/b?c", Some(("https", "a:1", "/b?c"))),
            ("GET", "http://a?b", Some(("http", "a", "/?b"))),
            ("OPTIONS", "http://a", Some(("http", "a", "*"))),
            ("OPTIONS", "http://a/", Some(("http", "a", "/"))),
            ("CONNECT", "a:443", Some(("", "a:443", ""))),
            ("CONNECT", "a", None),
            ("CONNECT", "/", None),
            ("CONNECT", "[::1]", None),
            ("CONNECT", "http://a:1/", None),
            ("GET", "a:443", None),
            ("GET", "a", None),
            ("GET", "http://u@a/", None),
            ("GET", "http:///b", None),
            ("GET", "http:/b", None),
            ("GET", "ftp://a/", None),
            ("GET", "/a#b", None),
            ("GET", "/\u{e9}", None),
            ("GET", "/a\tb", None),
            ("GET", "", None),
        ] {
            let mut head = Head::default();
            let filled = fill(method.as_bytes(), target.as_bytes(), b"host", &mut head);
            let slots = (head.scheme(), head.authority(), head.path());
            let want = want.map(|(s, a, p)| (s.as_bytes(), a.as_bytes(), p.as_bytes()));
            assert_eq!(filled.ok().map(|()| slots), want, "{method} {target}");
        }
    }
}
