//! Classes of bytes, and searches for them.
//!
//! The searches take blocks of 16 bytes, each in a few vector instructions: `is` has to be made of
//! comparisons alone for that.

/// Whether `is` holds for any of the bytes.
#[inline]
pub(crate) fn any(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    match bytes.len() {
        0..4 => bytes.iter().any(|byte| is(*byte)),
        4..8 => any_at_ends::<4>(bytes, is),
        8..16 => any_at_ends::<8>(bytes, is),
        16.. => {
            let (blocks, _) = bytes.as_chunks::<16>();
            blocks.iter().any(|block| any_of(block, &is)) || any_at_ends::<16>(bytes, is)
        }
    }
}

/// The first and the last `N` bytes: they overlap, which is cheaper than byte by byte.
#[inline]
fn any_at_ends<const N: usize>(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    let ends = [bytes.first_chunk::<N>(), bytes.last_chunk::<N>()];
    ends.into_iter().flatten().any(|block| any_of(block, &is))
}

#[inline]
fn any_of<const N: usize>(block: &[u8; N], is: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(false, |found, byte| found | is(*byte))
}

/// Where the first control character is, a tab among them.
pub(crate) fn find_control(bytes: &[u8]) -> Option<usize> {
    let is = |byte: u8| (byte < b' ') | (byte == 0x7f);
    let (blocks, _) = bytes.as_chunks::<16>();
    if let Some(n) = blocks.iter().position(|block| any_of(block, is)) {
        return Some(n * 16 + control_in(&blocks[n])?);
    }
    // What is before the end has no control character, so that the last block may overlap it.
    match (
        bytes.last_chunk::<16>(),
        bytes.first_chunk::<8>(),
        bytes.last_chunk::<8>(),
    ) {
        (Some(last), _, _) => Some(bytes.len() - 16 + control_in(last)?),
        (None, Some(first), Some(last)) => {
            let found = control_in_word(first);
            found.or_else(|| Some(bytes.len() - 8 + control_in_word(last)?))
        }
        (None, _, _) => bytes.iter().position(|byte| is(*byte)),
    }
}

fn control_in(block: &[u8; 16]) -> Option<usize> {
    let (words, _) = block.as_chunks::<8>();
    let found = control_in_word(&words[0]);
    found.or_else(|| Some(8 + control_in_word(&words[1])?))
}

#[inline]
fn control_in_word(word: &[u8; 8]) -> Option<usize> {
    let found = controls(u64::from_le_bytes(*word));
    (found != 0).then_some((found.trailing_zeros() / 8) as usize)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES * 0x80;

/// The highest bit of each byte that is a control character.
fn controls(word: u64) -> u64 {
    let low = word & (ONES * 0x7f);
    // No byte carries into the next: each sum is at most 0x7f + 0x60.
    let is_printed = low + ONES * 0x60;
    let is_delete = low + ONES;
    (!is_printed | is_delete) & !word & HIGH
}

/// A number in decimal; 20 digits are enough for any.
pub(crate) fn decimal_in(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[start..];
        }
    }
}

/// A control character that no field value may hold (RFC 9110 §5.5).
pub(crate) fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') | (byte == 0x7f)
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| is_token_byte(*byte))
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    lower_token_byte(byte) != 0
}

/// The lower-case form of a token's byte, 0 for any other.
pub(crate) fn lower_token_byte(byte: u8) -> u8 {
    LOWER[usize::from(byte)]
}

static LOWER: [u8; 256] = {
    let (members, mut table, mut byte) = (class(b"!#$%&'*+-.^_`|~"), [0; 256], 0);
    while byte < 128 {
        if members[byte] {
            table[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// A table of letters, digits and `marks`.
pub(crate) const fn class(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_found_wherever_it_is() {
        for len in 0..40 {
            assert!(find_control(&vec![0xff; len]).is_none());
            for at in 0..len {
                for byte in 0..=255 {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    let is = byte.is_ascii_control();
                    assert_eq!(
                        find_control(&bytes),
                        is.then_some(at),
                        "{byte} at {at} of {len}"
                    );
                    assert_eq!(any(&bytes, |byte| byte.is_ascii_control()), is);
                }
                let many = [vec![b' '; at], vec![0x1f], vec![0x7f; len - at]].concat();
                assert_eq!(find_control(&many), Some(at));
            }
        }
    }
}
