//! Sections to `Head` and `Fields`: start lines, and what they and the fields mean together.

use super::fields::{self, Special};
use super::lines::Lines;
use super::resume::Resume;
use super::scan::Bounds;
use super::{bad, refused, target};
use crate::bytes::{any, is_control, is_token_byte};
use crate::{Fields, Head, Length, Malformed, Version};

/// The methods that change how an answer is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    Connect,
    Head,
    #[default]
    Other,
}

impl Method {
    pub(super) fn of(head: &Head) -> Self {
        match head.method() {
            b"CONNECT" => Self::Connect,
            b"HEAD" => Self::Head,
            _ => Self::Other,
        }
    }
}

/// What a head says of its connection; the rest is in `Head`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

impl Facts {
    fn of(special: &Special<'_>) -> Self {
        Self {
            close: special.close,
            keep_alive: special.keep_alive,
            expects_continue: special.expects_continue,
        }
    }
}

/// Reads a request's head off the front of `input`: its length, once it is complete.
pub(super) fn request(
    scan: &mut Resume,
    input: &[u8],
    bounds: Bounds,
    head: &mut Head,
) -> Result<Option<(usize, Facts)>, Malformed> {
    let mut special = Special::default();
    let mut lines = Lines::new(true, &mut head.fields, |kind, value| {
        special.add(kind, value)
    });
    let Some(section) = lines.read(scan, input, bounds)? else {
        return Ok(None);
    };
    if section.lines == 0 {
        return Err(bad("repeated-empty-line"));
    }
    let (method, target, version) = request_line(&input[..section.first])?;
    lines.finish()?;
    let is_http_10 = version == Version::Http10;
    head.version = version;
    head.set_method(method);
    target::fill(method, target, special.checked_host(is_http_10)?, head)?;
    head.length = special.body_length(version)?;
    if method == b"CONNECT" && head.length != Length::None {
        return Err(bad("connect-with-body"));
    }
    special.finish(&mut head.fields);
    // RFC 9110 §7.8: HTTP/1.0 cannot upgrade, and ignoring the wish is always allowed. We do
    // where it could not be told where the new protocol begins.
    if let Some(upgrade) = special.upgrade()
        && !is_http_10
        && !matches!(method, b"CONNECT" | b"HEAD")
        && head.length == Length::None
    {
        head.set_upgrade(upgrade);
    }
    Ok(Some((section.len, Facts::of(&special))))
}

/// Reads an answer's head off the front of `input`: its length, once it is complete. `Head.length` is
/// what the fields say, whether or not a body follows.
pub(super) fn answer(
    scan: &mut Resume,
    input: &[u8],
    bounds: Bounds,
    head: &mut Head,
) -> Result<Option<(usize, Facts)>, Malformed> {
    let mut special = Special::default();
    let mut lines = Lines::new(true, &mut head.fields, |kind, value| {
        special.add(kind, value)
    });
    let Some(section) = lines.read(scan, input, bounds)? else {
        return Ok(None);
    };
    let (version, status) = status_line(&input[..section.first])?;
    lines.finish()?;
    head.version = version;
    head.status = status;
    head.length = special.body_length(version)?;
    special.finish(&mut head.fields);
    if let Some(upgrade) = special.upgrade() {
        head.set_upgrade(upgrade);
    }
    Ok(Some((section.len, Facts::of(&special))))
}

/// Reads a trailer section off the front of `input`: its length, once it is complete.
pub(super) fn trailers(
    scan: &mut Resume,
    input: &[u8],
    bounds: Bounds,
    into: &mut Fields,
) -> Result<Option<usize>, Malformed> {
    let refuse = |kind, _: &[u8]| match fields::refuses_trailer(kind) {
        true => Err(bad("forbidden-trailer")),
        false => Ok(()),
    };
    let mut lines = Lines::new(false, into, refuse);
    let Some(section) = lines.read(scan, input, bounds)? else {
        return Ok(None);
    };
    lines.finish()?;
    into.retain(|name, _| fields::keeps_trailer(name));
    Ok(Some(section.len))
}

/// RFC 9112 §3: exactly one space between method, target and version.
fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], Version), Malformed> {
    let is_end = |byte: &u8| !is_token_byte(*byte);
    let (method, rest) = line.split_at(line.iter().position(is_end).unwrap_or(line.len()));
    let rest = match rest {
        _ if method.is_empty() => return Err(bad("invalid-method")),
        [b' ', rest @ ..] => rest,
        [] => rest,
        [_, ..] => return Err(bad("invalid-method")),
    };
    let (target, word) = match rest.iter().rposition(|byte| *byte == b' ') {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    if target.is_empty() || any(target, |byte| byte == b' ') {
        return Err(bad("invalid-request-line"));
    }
    let version = version(word.ok_or(bad("http-0.9"))?)?;
    Ok((method, target, version))
}

/// RFC 9112 §4. The reason phrase is dropped; servers that leave out the space before it are common.
fn status_line(line: &[u8]) -> Result<(Version, u16), Malformed> {
    let (version, rest) = line.split_at_checked(8).ok_or(bad("invalid-status-line"))?;
    let version = self::version(version)?;
    let [b' ', hundreds @ b'1'..=b'9', tens, ones, reason @ ..] = rest else {
        return Err(bad("invalid-status-line"));
    };
    let is_spaced = reason.is_empty() || reason[0] == b' ';
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() || !is_spaced || any(reason, is_control) {
        return Err(bad("invalid-status-line"));
    }
    let digit = |byte: u8| u16::from(byte - b'0');
    Ok((
        version,
        digit(*hundreds) * 100 + digit(*tens) * 10 + digit(*ones),
    ))
}

fn version(word: &[u8]) -> Result<Version, Malformed> {
    match word {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(refused(505, "unsupported-version"))
        }
        _ => Err(bad("invalid-version")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes_max: 1 << 16,
        lines_max: 300,
        first_line_status: 414,
    };

    fn parse_request(input: &[u8]) -> Result<(Head, Facts), (u16, &'static str)> {
        let mut head = Head::default();
        match request(&mut Resume::default(), input, BOUNDS, &mut head) {
            Ok(read) => Ok((head, read.unwrap().1)),
            Err(why) => Err((why.status, why.detail)),
        }
    }

    fn parse_answer(input: &str) -> Result<u16, &'static str> {
        let mut head = Head::default();
        let read = answer(&mut Resume::default(), input.as_bytes(), BOUNDS, &mut head);
        read.map(|_| head.status).map_err(|why| why.detail)
    }

    #[test]
    fn every_byte_of_a_name_and_of_a_value_is_judged_as_the_rfc_does() {
        for byte in 0..=255_u8 {
            let name = [
                b"GET / HTTP/1.1\r\nhost: a\r\nx",
                &[byte][..],
                b"y: 1\r\n\r\n",
            ]
            .concat();
            assert_eq!(
                parse_request(&name).is_ok(),
                is_token_byte(byte) || byte == b':'
            );
            let value = [
                b"GET / HTTP/1.1\r\nhost: a\r\nx: 1",
                &[byte][..],
                b"2\r\n\r\n",
            ]
            .concat();
            let is_text = byte == b'\t' || byte >= b' ' && byte != 0x7f;
            assert_eq!(parse_request(&value).is_ok(), is_text, "{byte}");
            let method = [b"X", &[byte][..], b" / HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
            assert_eq!(
                parse_request(&method).is_ok(),
                is_token_byte(byte),
                "{byte}"
            );
        }
    }

    #[test]
    fn request_lines_are_strict() {
        for (line, want) in [
            ("GET / HTTP/1.2", (505, "unsupported-version")),
            ("PRI * HTTP/2.0", (505, "unsupported-version")),
            ("GET / http/1.1", (400, "invalid-version")),
            ("GET / HTTP/1.10", (400, "invalid-version")),
            ("GET / HTTP/1", (400, "invalid-version")),
            ("GET /", (400, "http-0.9")),
            ("GET", (400, "invalid-request-line")),
            ("GET  / HTTP/1.1", (400, "invalid-request-line")),
            ("GET /  HTTP/1.1", (400, "invalid-request-line")),
            ("GET / HTTP/1.1 ", (400, "invalid-request-line")),
            ("GET /a b HTTP/1.1", (400, "invalid-request-line")),
            (" GET / HTTP/1.1", (400, "invalid-method")),
            ("GET\t/ HTTP/1.1", (400, "invalid-method")),
            ("G@T / HTTP/1.1", (400, "invalid-method")),
        ] {
            let input = format!("{line}\r\nhost: a\r\n\r\n");
            let got = parse_request(input.as_bytes()).map(|_| ());
            assert_eq!(got, Err(want), "{line}");
        }
    }

    #[test]
    fn hop_by_hop_fields_stay_here() {
        let input = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-hop, te, upgrade\r\nX-Hop: 1\r\n\
            TE: gzip, trailers\r\nUpgrade: websocket\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\n\
            X-Kept:  v \t\r\n\r\n";
        let (head, _) = parse_request(input).unwrap();
        let fields: Vec<_> = head.fields.iter().collect();
        assert_eq!(fields, [(&b"x-kept"[..], &b"v"[..]), (b"te", b"trailers")]);
        assert_eq!(
            (head.upgrade(), head.authority()),
            (&b"websocket"[..], &b"a"[..])
        );
    }

    #[test]
    fn many_fields_are_split_as_few_are() {
        for count in [0, 31, 32, 33, 128, 129, 250] {
            let fields = "a: b\r\n".repeat(count);
            let input = format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
            let (head, _) = parse_request(input.as_bytes()).unwrap();
            assert_eq!(head.fields.len(), count);
        }
    }

    #[test]
    fn status_lines_are_strict() {
        for (line, want) in [
            ("HTTP/1.1 200 OK", Ok(200)),
            ("HTTP/1.0 200", Ok(200)),
            ("HTTP/1.1 999 \u{e9} x", Ok(999)),
            ("HTTP/1.1 20", Err("invalid-status-line")),
            ("HTTP/1.1 2000", Err("invalid-status-line")),
            ("HTTP/1.1 099 x", Err("invalid-status-line")),
            ("HTTP/1.1 2x0 x", Err("invalid-status-line")),
            ("HTTP/1.1  200 x", Err("invalid-status-line")),
            ("HTTP/1.1 200 \u{1}", Err("invalid-status-line")),
            ("HTTP/2.0 200 x", Err("unsupported-version")),
            ("http/1.1 200 x", Err("invalid-version")),
            ("ICY 200 x", Err("invalid-version")),
            ("x", Err("invalid-status-line")),
        ] {
            assert_eq!(parse_answer(&format!("{line}\r\n\r\n")), want, "{line}");
        }
    }
}
