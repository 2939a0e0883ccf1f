//! Huffman coding of strings (RFC 7541 §5.2).

use super::HpackError;
use super::huffman_table::{
    BYTE_CODES, BYTE_LENGTHS, EOS, LEN_MAX, RANGES, SORTED, STEP_BITS, STEPS,
};

/// Most bytes that a coded string of `len` bytes can mean, and room for the last step.
pub(super) fn decoded_len_max(len: usize) -> usize {
    // The shortest code has five bits.
    len * 8 / 5 + 2
}

/// Bytes that `bytes` take when coded, the padding included.
pub(super) fn encoded_len(bytes: &[u8]) -> usize {
    let bits = bytes
        .iter()
        .map(|byte| usize::from(BYTE_LENGTHS[usize::from(*byte)]))
        .sum::<usize>();
    bits.div_ceil(8)
}

/// Appends `bytes` coded, which are `encoded_len` bytes.
pub(super) fn encode(bytes: &[u8], encoded_len: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_len + size_of::<u64>(), 0);
    let mut output = Output {
        room: out,
        at: start,
        word: 0,
        bits: 0,
    };
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        let [a, b, c, d] = four.map(code);
        let (first, second) = (a.then(b), c.then(d));
        if first.len + second.len <= PUT_MAX {
            output.put(first.then(second));
        } else {
            [a, b, c, d].into_iter().for_each(|code| output.put(code));
        }
    }
    for byte in rest {
        output.put(code(*byte));
    }
    // §5.2: the padding is the beginning of EOS, ones.
    if output.bits > 0 {
        let padding = 8 - output.bits;
        output.put(Code {
            bits: (1 << padding) - 1,
            len: padding,
        });
    }
    out.truncate(start + encoded_len);
}

/// Bits that may be put at once.
const PUT_MAX: u32 = 56;

/// A code, or several, in the low bits.
#[derive(Clone, Copy)]
struct Code {
    bits: u64,
    len: u32,
}

#[inline]
fn code(byte: u8) -> Code {
    Code {
        bits: u64::from(BYTE_CODES[usize::from(byte)]),
        len: u32::from(BYTE_LENGTHS[usize::from(byte)]),
    }
}

impl Code {
    /// This code and another behind it, at most 64 bits.
    #[inline]
    fn then(self, next: Self) -> Self {
        Self {
            bits: self.bits << next.len | next.bits,
            len: self.len + next.len,
        }
    }
}

/// Where codes are written to.
struct Output<'a> {
    room: &'a mut [u8],
    at: usize,
    /// Fewer than eight bits that are not written for good, on top.
    word: u64,
    bits: u32,
}

impl Output<'_> {
    /// `code`: 1 to `PUT_MAX` bits.
    #[inline]
    fn put(&mut self, code: Code) {
        self.word |= code.bits << (64 - code.len) >> self.bits;
        self.bits += code.len;
        if let Some(place) = self.room.get_mut(self.at..self.at + 8) {
            place.copy_from_slice(&self.word.to_be_bytes());
        }
        self.at += (self.bits / 8) as usize;
        // At most 63 bits are there, so at most seven bytes go.
        self.word <<= self.bits / 8 * 8;
        self.bits %= 8;
    }
}

/// Decodes `coded` to the front of `out`, which has `decoded_len_max` bytes; tells how many it took.
pub(super) fn decode(coded: &[u8], out: &mut [u8]) -> Result<usize, HpackError> {
    let mut input = Bits {
        rest: coded,
        word: 0,
        bits: 0,
    };
    let mut len = 0;
    loop {
        input.refill();
        if input.bits < STEP_BITS {
            return decode_end(&input, len, out);
        }
        while input.bits >= STEP_BITS {
            let step = STEPS[(input.word >> (64 - STEP_BITS)) as usize];
            if step.first_bits == 0 {
                input.refill();
                let byte = long(&mut input)?;
                put(out, len, [byte, 0]);
                len += 1;
            } else {
                put(out, len, step.symbols);
                len += 1 + usize::from(step.bits != step.first_bits);
                input.skip(u32::from(step.bits));
            }
        }
    }
}

#[inline]
fn put(out: &mut [u8], at: usize, two: [u8; 2]) {
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&two);
    }
}

/// The last bits, fewer than a step takes.
fn decode_end(input: &Bits<'_>, mut len: usize, out: &mut [u8]) -> Result<usize, HpackError> {
    let mut left = input.bits;
    let mut word = input.word;
    loop {
        let padded = word | u64::MAX >> left;
        let step = STEPS[(padded >> (64 - STEP_BITS)) as usize];
        let bits = u32::from(step.first_bits);
        if bits == 0 || bits > left {
            return check_padding(padded, left).map(|()| len);
        }
        put(out, len, [step.symbols[0], 0]);
        len += 1;
        word <<= bits;
        left -= bits;
    }
}

/// `padded`: the last `bits` bits, which are no symbol, and ones behind them.
fn check_padding(padded: u64, bits: u32) -> Result<(), HpackError> {
    // RFC 7541 §5.2: padding strictly longer than 7 bits is an error.
    if bits > 7 {
        return Err(HpackError::LongPadding);
    }
    // RFC 7541 §5.2: padding other than the most significant bits of EOS is an error.
    if padded != u64::MAX {
        return Err(HpackError::WrongPadding);
    }
    Ok(())
}

/// A symbol whose code is longer than a step.
#[cold]
fn long(input: &mut Bits<'_>) -> Result<u8, HpackError> {
    let padded = input.word | u64::MAX.checked_shr(input.bits).unwrap_or(0);
    for len in STEP_BITS + 1..=LEN_MAX as u32 {
        let range = RANGES[len as usize];
        let nth = ((padded >> (64 - len)) as u32).wrapping_sub(range.code);
        if nth >= range.count {
            continue;
        }
        if len > input.bits {
            break;
        }
        let symbol = SORTED[(range.place + nth) as usize];
        // RFC 7541 §5.2: a string that contains EOS is an error.
        if symbol == EOS {
            return Err(HpackError::EndOfString);
        }
        input.skip(len);
        return Ok(symbol as u8);
    }
    // What is left has no whole symbol and is longer than a step, so longer than padding may be.
    Err(HpackError::LongPadding)
}

/// Bits of a string, the next ones on top of `word`.
struct Bits<'a> {
    rest: &'a [u8],
    word: u64,
    /// How many bits of `word` are taken off `rest`; below them are zeros, or what `rest` begins with.
    bits: u32,
}

impl Bits<'_> {
    /// Afterwards there are at least 56 bits, or all that are left.
    #[inline]
    fn refill(&mut self) {
        if let Some(next) = self.rest.first_chunk::<8>() {
            self.word |= u64::from_be_bytes(*next) >> self.bits;
            let bytes = (63 - self.bits) / 8;
            self.rest = &self.rest[bytes as usize..];
            self.bits += bytes * 8;
        } else {
            while self.bits <= 56
                && let [next, rest @ ..] = self.rest
            {
                self.word |= u64::from(*next) << (56 - self.bits);
                self.rest = rest;
                self.bits += 8;
            }
        }
    }

    #[inline]
    fn skip(&mut self, bits: u32) {
        self.word <<= bits;
        self.bits -= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(bytes, encoded_len(bytes), &mut out);
        assert_eq!(out.len(), encoded_len(bytes));
        out
    }

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut out = vec![0; decoded_len_max(coded.len())];
        let len = decode(coded, &mut out)?;
        out.truncate(len);
        Ok(out)
    }

    #[test]
    fn strings_of_the_rfc_are_coded_as_there() {
        for (text, coded) in [
            (
                "www.example.com",
                &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
            ),
            ("no-cache", b"\xa8\xeb\x10\x64\x9c\xbf"),
            ("302", b"\x64\x02"),
            ("307", b"\x64\x0e\xff"),
            ("", b""),
        ] {
            assert_eq!(encoded(text.as_bytes()), coded);
            assert_eq!(decoded(coded).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn every_pair_of_bytes_survives() {
        for pair in 0..=u16::MAX {
            let bytes = pair.to_be_bytes();
            assert_eq!(decoded(&encoded(&bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn every_byte_survives_at_every_place() {
        for len in 1..40 {
            for byte in 0..=u8::MAX {
                let mut bytes = vec![b'e'; len];
                for at in 0..len {
                    bytes[at] = byte;
                    assert_eq!(decoded(&encoded(&bytes)).unwrap(), bytes);
                    bytes[at] = [b'0', b'X', b'|'][at % 3];
                }
            }
        }
    }

    #[test]
    fn wrong_endings_are_refused() {
        for (coded, want) in [
            (&b"\xff"[..], HpackError::LongPadding),
            (b"\xff\xff", HpackError::LongPadding),
            (b"\xff\xff\xff", HpackError::LongPadding),
            (b"\xff\xff\xff\xff", HpackError::EndOfString),
            (b"\xff\xff\xff\xfc", HpackError::EndOfString),
            (b"\xff\xff\xff\xf8", HpackError::WrongPadding),
            (b"\x00", HpackError::WrongPadding),
            (b"\x06", HpackError::WrongPadding),
            (b"\x64\x0e\xff\xff", HpackError::LongPadding),
            (b"\x64\x0e\xfe", HpackError::WrongPadding),
            (b"\x07\xff\xff\xff\xff", HpackError::EndOfString),
            (b"\xfe", HpackError::LongPadding),
        ] {
            assert_eq!(decoded(coded), Err(want), "{}", coded.escape_ascii());
        }
        assert_eq!(decoded(b"\x07").unwrap(), b"0");
    }
}
