//! Compares short strings.

/// Whether both are the same: up to 32 bytes without a call, by ends that may overlap.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0..4 => a.iter().zip(b).all(|(a, b)| a == b),
        4..8 => ends::<4>(a) == ends::<4>(b),
        8..16 => ends::<8>(a) == ends::<8>(b),
        16..=32 => ends::<16>(a) == ends::<16>(b),
        33.. => a == b,
    }
}

/// The first and the last `N` bytes.
#[inline]
fn ends<const N: usize>(bytes: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (bytes.first_chunk(), bytes.last_chunk())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        for len in 0..40 {
            let one = vec![b'a'; len];
            let mut other = one.clone();
            assert!(same(&one, &other));
            for at in 0..len {
                other[at] = b'b';
                assert!(!same(&one, &other), "{len} at {at}");
                other[at] = b'a';
            }
            other.push(b'a');
            assert!(!same(&one, &other));
        }
    }
}
