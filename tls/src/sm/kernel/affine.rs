//! The S-box of SM4 as maps around the inversion that AES also uses, at compile time.
//!
//! `S(x) = POST·inv(PRE·x + PRE_ADD) + POST_ADD`, where `inv` is inversion in the field of AES. The
//! rounds keep each state byte `x` as `PRE·x` (the *domain*): then nothing stands before the inversion,
//! and what stands behind it is merged with the linear map of the round.
//!
//! That map is `L(b) = b ^ b<<<2 ^ b<<<10 ^ b<<<18 ^ b<<<24` (GB/T 32907 §6.2). A rotation by two takes
//! from each byte two parts, `<< 2` of its own and `>> 6` of its neighbour, so with `E` the unit matrix,
//!
//! ```text
//! L(b) = (E+S)b ^ (R+S)b<<<8 ^ (R+S)b<<<16 ^ (R+E)b<<<24       S: << 2, R: >> 6
//! ```
//!
//! and `E+S` is the sum of the other two: a round needs two products, [`NEAR`] and [`FAR`].

/// A linear map on bytes: row `i` selects the input bits that give output bit `i`.
#[derive(Clone, Copy)]
pub(super) struct Matrix([u8; 8]);

const PRE: Matrix = Matrix::from_quadword(0x4c28_7db9_1a22_505d);
/// What the S-box adds before the inversion; the round keys carry it.
pub(super) const PRE_ADD: u8 = 0x3e;
const POST: Matrix = Matrix::from_quadword(0xf3ab_34a9_74a6_b589);
const POST_ADD: u8 = 0xd3;

/// The linear part of the S-box of AES, which `aesenclast` applies behind the inversion.
const AES: Matrix = Matrix([0xf1, 0xe3, 0xc7, 0x8f, 0x1f, 0x3e, 0x7c, 0xf8]);
const AES_ADD: u8 = 0x63;

const SHIFT_LEFT_2: Matrix = Matrix([0, 0, 1, 2, 4, 8, 16, 32]);
const SHIFT_RIGHT_6: Matrix = Matrix([64, 128, 0, 0, 0, 0, 0, 0]);
const UNIT: Matrix = Matrix([1, 2, 4, 8, 16, 32, 64, 128]);

/// An affine map on bytes.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) linear: Matrix,
    pub(super) add: u8,
}

/// Into the domain, and out of it.
pub(super) const ENTER: Affine = Affine {
    linear: PRE,
    add: 0,
};
pub(super) const LEAVE: Affine = Affine {
    linear: PRE.inverse(),
    add: 0,
};

/// From the inverse to the byte of the S-box, outside the domain: for the key schedule.
pub(super) const SUBSTITUTE: Affine = Affine {
    linear: POST,
    add: POST_ADD,
};
/// The product that is added in place, and rotated by 8 and by 16. What the round adds stands here,
/// where it counts three times, that is once.
pub(super) const NEAR: Affine = Affine {
    linear: PRE.times(SHIFT_RIGHT_6.plus(SHIFT_LEFT_2)).times(POST),
    add: PRE.apply(POST_ADD.rotate_left(2)),
};
/// The product that is added in place, and rotated by 24.
pub(super) const FAR: Affine = Affine {
    linear: PRE.times(SHIFT_RIGHT_6.plus(UNIT)).times(POST),
    add: 0,
};

impl Affine {
    /// The same map for an input that went through the S-box of AES, not the inversion alone.
    pub(super) const fn after_aes(self) -> Self {
        let linear = self.linear.times(AES.inverse());
        Self {
            linear,
            add: self.add ^ linear.apply(AES_ADD),
        }
    }

    /// As two tables of 16 bytes, for the low and the high four bits; the sum is the result.
    pub(super) const fn tables(self) -> [[u8; 16]; 2] {
        let mut tables = [[0; 16]; 2];
        let mut nibble = 0;
        while nibble < 16 {
            tables[0][nibble as usize] = self.linear.apply(nibble) ^ self.add;
            tables[1][nibble as usize] = self.linear.apply(nibble << 4);
            nibble += 1;
        }
        tables
    }
}

impl Matrix {
    /// From the form of `gf2p8affineqb`: row `i` in byte `7 - i`.
    const fn from_quadword(rows: u64) -> Self {
        Self(rows.to_be_bytes())
    }

    /// In the form of `gf2p8affineqb`.
    pub(super) const fn quadword(self) -> i64 {
        i64::from_be_bytes(self.0)
    }

    const fn apply(self, byte: u8) -> u8 {
        let (mut out, mut bit) = (0, 0);
        while bit < 8 {
            out |= (((self.0[bit] & byte).count_ones() & 1) as u8) << bit;
            bit += 1;
        }
        out
    }

    /// `inner` first, then `self`.
    const fn times(self, inner: Self) -> Self {
        let mut columns = [0; 8];
        let mut bit = 0;
        while bit < 8 {
            columns[bit] = self.apply(inner.apply(1 << bit));
            bit += 1;
        }
        Self(columns).transpose()
    }

    const fn plus(self, other: Self) -> Self {
        Self((u64::from_be_bytes(self.0) ^ u64::from_be_bytes(other.0)).to_be_bytes())
    }

    const fn inverse(self) -> Self {
        let mut columns = [0; 8];
        let mut byte = 1;
        while byte != 0 {
            let image: u8 = self.apply(byte);
            if image.is_power_of_two() {
                columns[image.trailing_zeros() as usize] = byte;
            }
            byte = byte.wrapping_add(1);
        }
        Self(columns).transpose()
    }

    const fn transpose(self) -> Self {
        let mut rows = [0; 8];
        let mut at = 0;
        while at < 64 {
            rows[at / 8] |= ((self.0[at % 8] >> (at / 8)) & 1) << (at % 8);
            at += 1;
        }
        Self(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inversion in GF(2)\[x\]/(x^8 + x^4 + x^3 + x + 1).
    fn inverse(byte: u8) -> u8 {
        (0..=255)
            .find(|&other| product(byte, other) == 1)
            .unwrap_or(0)
    }

    fn product(a: u8, b: u8) -> u8 {
        let wide = (0..8)
            .filter(|bit| b >> bit & 1 == 1)
            .fold(0, |sum, bit| sum ^ u16::from(a) << bit);
        let reduced = (8..15).rev().fold(wide, |wide, bit| match wide >> bit & 1 {
            1 => wide ^ 0x11b << (bit - 8),
            _ => wide,
        });
        reduced.to_le_bytes()[0]
    }

    const ENTER_KEY: Affine = Affine {
        linear: PRE,
        add: PRE_ADD,
    };

    fn apply(map: Affine, byte: u8) -> u8 {
        map.linear.apply(byte) ^ map.add
    }

    #[test]
    fn the_maps_give_the_s_box() {
        // GB/T 32907 table 1: first and last row.
        let first = [
            0xd6, 0x90, 0xe9, 0xfe, 0xcc, 0xe1, 0x3d, 0xb7, 0x16, 0xb6, 0x14, 0xc2, 0x28, 0xfb,
            0x2c, 0x05,
        ];
        let last = [
            0x18, 0xf0, 0x7d, 0xec, 0x3a, 0xdc, 0x4d, 0x20, 0x79, 0xee, 0x5f, 0x3e, 0xd7, 0xcb,
            0x39, 0x48,
        ];
        let s_box = |byte| apply(SUBSTITUTE, inverse(apply(ENTER_KEY, byte)));
        assert_eq!((0..16).map(s_box).collect::<Vec<_>>(), first);
        assert_eq!((0xf0..=0xff).map(s_box).collect::<Vec<_>>(), last);
    }

    #[test]
    fn the_products_of_a_round_are_its_linear_map() {
        for byte in 0..=255_u8 {
            let bytes = [
                byte,
                byte.wrapping_mul(7),
                byte ^ 0x5a,
                byte.wrapping_add(99),
            ];
            let inverses = bytes.map(|byte| inverse(apply(ENTER_KEY, byte)));
            let word = |map| u32::from_le_bytes(inverses.map(|inverse| apply(map, inverse)));
            let b: u32 = word(SUBSTITUTE);
            let (near, far): (u32, u32) = (word(NEAR), word(FAR));
            let linear = [2, 10, 18, 24]
                .iter()
                .fold(b, |sum, &by| sum ^ b.rotate_left(by));
            let sum = near ^ far ^ near.rotate_left(8) ^ near.rotate_left(16) ^ far.rotate_left(24);
            assert_eq!(
                sum.to_le_bytes(),
                linear.to_le_bytes().map(|byte| apply(ENTER, byte))
            );
        }
    }

    #[test]
    fn the_tables_are_the_map_behind_the_s_box_of_aes() {
        for map in [NEAR, FAR, SUBSTITUTE] {
            let [low, high] = map.after_aes().tables();
            for inverse in 0..=255 {
                let aes = AES.apply(inverse) ^ AES_ADD;
                let looked_up = low[usize::from(aes & 15)] ^ high[usize::from(aes >> 4)];
                assert_eq!(looked_up, apply(map, inverse));
            }
        }
    }

    #[test]
    fn what_enters_the_domain_leaves_it() {
        (0..=255).for_each(|byte| assert_eq!(apply(LEAVE, apply(ENTER, byte)), byte));
    }
}
