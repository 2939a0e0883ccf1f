//! `x-request-id`: a random UUID (RFC 9562 §5.4).

use engines::Rng;

/// A new identifier in lower-case hexadecimal with dashes.
pub(crate) fn generate(rng: &mut Rng) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut bits = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    // Version 4, variant 10.
    bits = bits & !(0xf << 76) | (4 << 76);
    bits = bits & !(0b11 << 62) | (0b10 << 62);
    let mut text = [b'-'; 36];
    for at in (0..36).rev().filter(|at| !matches!(at, 8 | 13 | 18 | 23)) {
        text[at] = HEX[(bits & 0xf) as usize];
        bits >>= 4;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_version_and_variant_in_place() {
        let id = generate(&mut Rng::seeded(1));
        assert_eq!(
            (id[8], id[13], id[14], id[18], id[23]),
            (b'-', b'-', b'4', b'-', b'-')
        );
        assert!(b"89ab".contains(&id[19]));
        assert_ne!(id, generate(&mut Rng::seeded(2)));
    }
}
