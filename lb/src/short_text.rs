//! A short text written without an allocation: a number, an address.

use std::{fmt, ops::Deref};

const LEN_MAX: usize = 64;

/// At most 64 bytes; what exceeds them is cut.
#[derive(Debug)]
pub(crate) struct ShortText {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl ShortText {
    /// The value as its `Display` writes it.
    pub(crate) fn of(value: impl fmt::Display) -> Self {
        let mut text = Self {
            bytes: [0; LEN_MAX],
            len: 0,
        };
        // Writing fails only to say that the rest was cut.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{value}"));
        text
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let len = part.len().min(room.len());
        room[..len].copy_from_slice(&part.as_bytes()[..len]);
        self.len += len;
        if len == part.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

impl Deref for ShortText {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_and_cut_at_the_end() {
        assert_eq!(&*ShortText::of(1234), b"1234");
        let long = "x".repeat(100);
        assert_eq!(&*ShortText::of(&long), "x".repeat(LEN_MAX).as_bytes());
    }
}
