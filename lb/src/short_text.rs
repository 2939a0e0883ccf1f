//! A short text written without an allocation: a number, an address.

use std::{fmt, net::IpAddr, ops::Deref};

const LEN_MAX: usize = 64;

/// At most 64 bytes; what exceeds them is cut.
#[derive(Debug)]
pub(crate) struct ShortText {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl ShortText {
    const EMPTY: Self = Self {
        bytes: [0; LEN_MAX],
        len: 0,
    };

    /// The value as its `Display` writes it.
    pub(crate) fn of(value: impl fmt::Display) -> Self {
        let mut text = Self::EMPTY;
        // Writing fails only to say that the rest was cut.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{value}"));
        text
    }

    /// An address as its `Display` writes it. `fmt` takes ten times as long for the common kind, and
    /// every request is told its peer's.
    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        let IpAddr::V4(ip) = ip else {
            return Self::of(ip);
        };
        let mut text = Self::EMPTY;
        for (at, octet) in ip.octets().into_iter().enumerate() {
            let (digits, len) = OCTETS[usize::from(octet)];
            text.bytes[text.len..text.len + 4].copy_from_slice(&digits);
            text.len += usize::from(len) + usize::from(at < 3);
        }
        text
    }
}

/// The digits of each octet with a dot behind them, and how many they are.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let digits = [
            b'0' + (octet / 100) as u8,
            b'0' + (octet / 10 % 10) as u8,
            b'0' + (octet % 10) as u8,
        ];
        octets[octet] = match octet {
            0..10 => ([digits[2], b'.', 0, 0], 1),
            10..100 => ([digits[1], digits[2], b'.', 0], 2),
            _ => ([digits[0], digits[1], digits[2], b'.'], 3),
        };
        octet += 1;
    }
    octets
};

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

    #[test]
    fn an_address_is_written_as_it_is_shown() {
        for ip in [
            "0.0.0.0",
            "9.10.99.100",
            "127.0.0.1",
            "255.255.255.255",
            "::1",
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(*ShortText::of_ip(ip), *ip.to_string().as_bytes());
        }
    }
}
