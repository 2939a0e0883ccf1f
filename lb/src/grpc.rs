//! gRPC over HTTP as its specification (`PROTOCOL-HTTP2.md` of grpc/grpc) writes it: which requests are
//! gRPC, their deadlines, and how an answer of the proxy itself says its status. Pure.

use std::time::Duration;

/// A `grpc-status`.
pub type Status = u8;

/// 2: nobody knows what went wrong.
pub const UNKNOWN: Status = 2;
/// 4: the deadline is over.
pub const DEADLINE_EXCEEDED: Status = 4;
/// 7: the caller may not do this.
pub const PERMISSION_DENIED: Status = 7;
/// 12: there is no such method.
pub const UNIMPLEMENTED: Status = 12;
/// 13: the message was not understood.
pub const INTERNAL: Status = 13;
/// 14: not now; another try may do.
pub const UNAVAILABLE: Status = 14;
/// 16: nobody knows who the caller is.
pub const UNAUTHENTICATED: Status = 16;

const MEDIA_TYPE: &[u8] = b"application/grpc";
/// Digits of a `grpc-timeout`.
const DIGITS_MAX: usize = 8;

/// Whether a `content-type` is gRPC's: `application/grpc`, alone or with a format behind `+` or a
/// parameter behind `;`. `application/grpc-web` is another protocol.
pub fn is_grpc(content_type: &[u8]) -> bool {
    let Some((media_type, rest)) = content_type.split_at_checked(MEDIA_TYPE.len()) else {
        return false;
    };
    // RFC 9110 §8.3.1: case does not count.
    media_type.eq_ignore_ascii_case(MEDIA_TYPE)
        && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
}

/// The time that a `grpc-timeout` gives: one to eight digits and a unit. Nothing if it is not that.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(number * 3600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The `grpc-status` of an answer that has an HTTP status only (`http-grpc-status-mapping.md` of
/// grpc/grpc).
pub fn status(http: u16) -> Status {
    match http {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// Appends a text as the value of a `grpc-message`: a byte that is not printable ASCII, or is `%`,
/// becomes `%` and two digits.
pub fn write_message(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(byte);
        } else {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
            out.extend_from_slice(&[b'%', high, low]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_tells_grpc_from_its_relatives() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json; charset=utf-8", true),
            ("application/grpc;x=y", true),
            ("application/grpc ; x=y", true),
            ("Application/GRPC+Proto", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/grp", false),
            ("text/application/grpc", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit_and_nothing_else() {
        for (value, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("003S", Some(Duration::from_secs(3))),
            ("100m", Some(Duration::from_millis(100))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("0S", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("123456789n", None),
            ("1", None),
            ("S", None),
            ("", None),
            ("1s", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            ("1 S", None),
            (" 1S", None),
            ("1SS", None),
            ("\u{661}S", None),
        ] {
            assert_eq!(timeout(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn an_http_status_has_its_grpc_status() {
        for (http, expected) in [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (429, 14),
            (502, 14),
            (503, 14),
            (504, 14),
            (408, 2),
            (418, 2),
            (431, 2),
            (500, 2),
            (200, 2),
        ] {
            assert_eq!(status(http), expected, "{http}");
        }
    }

    #[test]
    fn a_message_is_printable_ascii_whatever_it_says() {
        for (text, expected) in [
            (&b""[..], ""),
            (b"no healthy upstream", "no healthy upstream"),
            (b"100% !~", "100%25 !~"),
            (b"a\r\nb\0\x7f", "a%0D%0Ab%00%7F"),
            ("\u{e4}\u{20ac}".as_bytes(), "%C3%A4%E2%82%AC"),
            (b"\xff", "%FF"),
        ] {
            let mut out = b"> ".to_vec();
            write_message(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("> {expected}"));
        }
    }
}
