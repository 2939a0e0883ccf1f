//! Integers with a prefix (RFC 7541 §5.1).

use super::HpackError;

/// The largest integer that is taken.
const MAX: u64 = 1 << 31;

/// Bytes behind the prefix: five hold every integer up to `MAX`, with room for leading zeros.
const CONTINUATION_MAX: usize = 5;

/// Takes an integer with a prefix of `prefix_bits` (1 to 8) off the front of `input`.
#[inline]
pub(super) fn take(input: &mut &[u8], prefix_bits: u32) -> Result<u32, HpackError> {
    // RFC 7541 §5.1: an integer that the block ends within.
    let (first, rest) = input.split_first().ok_or(HpackError::Truncated)?;
    *input = rest;
    let mask = u8::MAX >> (8 - prefix_bits);
    let prefix = first & mask;
    if prefix < mask {
        return Ok(u32::from(prefix));
    }
    take_continuation(input, prefix)
}

fn take_continuation(input: &mut &[u8], prefix: u8) -> Result<u32, HpackError> {
    let mut value = u64::from(prefix);
    for (at, byte) in input.iter().take(CONTINUATION_MAX).enumerate() {
        value += u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *input = &input[at + 1..];
            // RFC 7541 §5.1: integers beyond an implementation's limit are errors.
            let is_small = value <= MAX;
            return is_small
                .then_some(value as u32)
                .ok_or(HpackError::LargeInteger);
        }
    }
    // RFC 7541 §5.1: so are endless encodings, which may be attempts at an overflow.
    let is_endless = input.len() >= CONTINUATION_MAX;
    Err(if is_endless {
        HpackError::LargeInteger
    } else {
        HpackError::Truncated
    })
}

/// Appends an integer with a prefix of `prefix_bits` (1 to 8); `pattern` fills the bits before it.
#[inline]
pub(super) fn put(value: u32, prefix_bits: u32, pattern: u8, out: &mut Vec<u8>) {
    let mask = u8::MAX >> (8 - prefix_bits);
    if value < u32::from(mask) {
        out.push(pattern | value as u8);
    } else {
        out.push(pattern | mask);
        put_continuation(value - u32::from(mask), out);
    }
}

fn put_continuation(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_coded_as_in_appendix_c1() {
        for (value, prefix_bits, coded) in [
            (10, 5, &b"\x0a"[..]),
            (1337, 5, b"\x1f\x9a\x0a"),
            (42, 8, b"\x2a"),
            (31, 5, b"\x1f\x00"),
            (127, 7, b"\x7f\x00"),
            (1 << 31, 8, b"\xff\x81\xfe\xff\xff\x07"),
        ] {
            let mut out = Vec::new();
            put(value, prefix_bits, 0, &mut out);
            assert_eq!(out, coded);
            let mut input = coded;
            assert_eq!(take(&mut input, prefix_bits), Ok(value));
            assert_eq!(input, b"");
        }
    }

    #[test]
    fn large_and_endless_integers_are_refused() {
        for (coded, want) in [
            (&b""[..], Err(HpackError::Truncated)),
            (b"\x1f", Err(HpackError::Truncated)),
            (b"\x1f\x80", Err(HpackError::Truncated)),
            (b"\x1f\x80\x80\x80\x80", Err(HpackError::Truncated)),
            (b"\x1f\x80\x80\x80\x80\x00", Ok(31)),
            (b"\x1f\x80\x80\x80\x80\x80", Err(HpackError::LargeInteger)),
            (
                b"\x1f\x80\x80\x80\x80\x80\x00",
                Err(HpackError::LargeInteger),
            ),
            (b"\x1f\xe1\xff\xff\xff\x07", Ok(1 << 31)),
            (b"\x1f\xe2\xff\xff\xff\x07", Err(HpackError::LargeInteger)),
            (b"\x1f\xff\xff\xff\xff\x7f", Err(HpackError::LargeInteger)),
        ] {
            assert_eq!(take(&mut &coded[..], 5), want, "{}", coded.escape_ascii());
        }
    }
}
