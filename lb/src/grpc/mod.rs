//! gRPC over HTTP as its specification (`PROTOCOL-HTTP2.md` of grpc/grpc) writes it: which requests are
//! gRPC, their deadlines, and how an answer of the proxy itself says its status. Pure.

mod outcome;

pub use outcome::{Outcome, camel_name, snake_name};

use codecs::Head;
use std::time::Duration;

/// A `grpc-status`.
pub type Status = u8;

/// How many statuses the specification has: 0 to 16.
pub const STATUSES: usize = 17;

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

/// The `content-type` of an answer that the proxy makes itself.
pub const CONTENT_TYPE: &[u8] = MEDIA_TYPE;

/// Whether a request is gRPC: a POST of its `content-type`.
pub fn is_request(head: &Head) -> bool {
    head.method() == b"POST" && head.fields.get(b"content-type").is_some_and(is_grpc)
}

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

/// A time as the value of a `grpc-timeout`, in the finest unit from milliseconds on that holds it.
/// A rest of a unit is dropped, but nothing is written as 0 that is not.
pub fn timeout_text(time: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let millis = time.as_millis().max(u128::from(!time.is_zero()));
    let units = [(1, 'm'), (1000, 'S'), (60_000, 'M'), (3_600_000, 'H')];
    let fitting = units.iter().find(|(unit, _)| millis / unit <= MOST);
    let (unit, letter) = fitting.unwrap_or(&units[3]);
    format!("{}{letter}", (millis / unit).min(MOST))
}

/// The HTTP status that stands for a `grpc-status` where the client speaks no gRPC (as
/// `google/rpc/code.proto` pairs them).
pub fn http_status(status: Status) -> u16 {
    match status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        DEADLINE_EXCEEDED => 504,
        5 => 404,
        6 | 10 => 409,
        PERMISSION_DENIED => 403,
        8 => 429,
        UNIMPLEMENTED => 501,
        UNAVAILABLE => 503,
        UNAUTHENTICATED => 401,
        _ => 500,
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
    fn a_status_has_an_http_status_for_others() {
        for (status, expected) in [
            (0, 200),
            (1, 499),
            (2, 500),
            (3, 400),
            (4, 504),
            (5, 404),
            (6, 409),
            (7, 403),
            (8, 429),
            (9, 400),
            (10, 409),
            (11, 400),
            (12, 501),
            (13, 500),
            (14, 503),
            (15, 500),
            (16, 401),
        ] {
            assert_eq!(http_status(status), expected, "{status}");
        }
    }

    #[test]
    fn a_written_timeout_has_eight_digits_at_most_and_reads_as_no_more() {
        for (time, expected) in [
            (Duration::ZERO, "0m"),
            (Duration::from_micros(5), "1m"),
            (Duration::from_millis(250), "250m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_millis(100_000_999), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::from_secs(99_999_999 * 60 + 60), "1666666H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(timeout_text(time), expected);
            let read = timeout(expected.as_bytes()).unwrap();
            assert!(read <= time.max(Duration::from_millis(1)), "{expected}");
        }
    }

    #[test]
    fn a_request_is_grpc_by_its_method_and_its_content_type() {
        for (method, content_type, expected) in [
            ("POST", "application/grpc+proto", true),
            ("GET", "application/grpc", false),
            ("POST", "application/grpc-web", false),
            ("POST", "text/plain", false),
        ] {
            let mut head = Head::default();
            head.set_method(method.as_bytes());
            assert!(!is_request(&head));
            head.fields.append(b"content-type", content_type.as_bytes());
            assert_eq!(is_request(&head), expected, "{method} {content_type}");
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
