//! The Huffman code (RFC 7541 appendix B), made from the lengths of its codes.
//!
//! The code is canonical: codes count up, first by length, then by symbol. So the lengths say it all,
//! and codes of one length are found by subtraction.

/// Symbols: the bytes, and EOS.
const SYMBOLS: usize = 257;

/// End of string; never sent as a whole (§5.2).
pub(super) const EOS: u16 = 256;

/// Lengths of the shortest and of the longest code, in bits.
const LEN_MIN: usize = 5;
pub(super) const LEN_MAX: usize = 30;

/// Bits that one step of the decoder looks at.
pub(super) const STEP_BITS: u32 = 12;

/// Length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Length of the code of each byte, in bits.
pub(super) static BYTE_LENGTHS: [u8; 256] = {
    let mut lengths = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        lengths[byte] = LENGTHS[byte];
        byte += 1;
    }
    lengths
};

/// Code of each byte, in the low bits.
pub(super) static BYTE_CODES: [u32; 256] = {
    let mut codes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        codes[byte] = CODES[byte];
        byte += 1;
    }
    codes
};

const CODES: [u32; SYMBOLS] = {
    let mut codes = [0; SYMBOLS];
    let mut place = 0;
    let mut len = LEN_MIN;
    while len <= LEN_MAX {
        let range = &RANGES[len];
        let mut n = 0;
        while n < range.count {
            codes[SORTED[range.place as usize + n as usize] as usize] = range.code + n;
            n += 1;
        }
        place += range.count;
        len += 1;
    }
    assert!(place as usize == SYMBOLS);
    codes
};

/// Symbols by the length of their codes, then by value.
pub(super) static SORTED: [u16; SYMBOLS] = {
    let mut sorted = [0; SYMBOLS];
    let mut place = 0;
    let mut len = LEN_MIN;
    while len <= LEN_MAX {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == len {
                sorted[place] = symbol as u16;
                place += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    sorted
};

/// The codes of one length.
#[derive(Clone, Copy)]
pub(super) struct Range {
    /// The first code.
    pub(super) code: u32,
    /// How many there are.
    pub(super) count: u32,
    /// Where their symbols begin in `SORTED`.
    pub(super) place: u32,
}

/// The codes of each length.
pub(super) static RANGES: [Range; LEN_MAX + 1] = {
    let none = Range {
        code: 0,
        count: 0,
        place: 0,
    };
    let mut ranges = [none; LEN_MAX + 1];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        ranges[LENGTHS[symbol] as usize].count += 1;
        symbol += 1;
    }
    let mut len = LEN_MIN;
    while len <= LEN_MAX {
        let shorter = ranges[len - 1];
        ranges[len].code = (shorter.code + shorter.count) << 1;
        ranges[len].place = shorter.place + shorter.count;
        len += 1;
    }
    // The last code is EOS, all ones: no bits are left that mean nothing.
    let longest = ranges[LEN_MAX];
    assert!(longest.code + longest.count == 1 << LEN_MAX);
    ranges
};

/// What the next `STEP_BITS` bits begin with: one symbol, or two that fit in whole.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) symbols: [u8; 2],
    /// Bits of the first symbol; 0: its code is longer than a step.
    pub(super) first_bits: u8,
    /// Bits of all symbols.
    pub(super) bits: u8,
}

pub(super) static STEPS: [Step; 1 << STEP_BITS] = {
    let none = Step {
        symbols: [0; 2],
        first_bits: 0,
        bits: 0,
    };
    let mut steps = [none; 1 << STEP_BITS];
    let mut place = 0;
    while place < SYMBOLS && (LENGTHS[SORTED[place] as usize] as u32) <= STEP_BITS {
        let symbol = SORTED[place] as u8;
        let len = LENGTHS[symbol as usize];
        let one = Step {
            symbols: [symbol, 0],
            first_bits: len,
            bits: len,
        };
        let first = CODES[symbol as usize] << (STEP_BITS - len as u32);
        let mut n = 0;
        while n < 1 << (STEP_BITS - len as u32) {
            steps[first as usize + n] = with_second(one, n as u32);
            n += 1;
        }
        place += 1;
    }
    steps
};

/// Adds the symbol whose code `rest` begins with, which are the bits behind the first symbol.
const fn with_second(one: Step, rest: u32) -> Step {
    let left = STEP_BITS - one.bits as u32;
    let mut len = LEN_MIN;
    while len as u32 <= left {
        let range = RANGES[len];
        let code = rest >> (left - len as u32);
        if code >= range.code && code - range.code < range.count {
            let second = SORTED[(range.place + code - range.code) as usize] as u8;
            return Step {
                symbols: [one.symbols[0], second],
                first_bits: one.first_bits,
                bits: one.bits + len as u8,
            };
        }
        len += 1;
    }
    one
}
