//! Frames: headers, and the small ones that are written whole (RFC 9113 §4.1, §6).

use super::code::Code;

/// Bytes of a frame header.
pub(super) const HEADER: usize = 9;

/// The largest payload that we take (SETTINGS_MAX_FRAME_SIZE, the default and the least there is).
pub(super) const PAYLOAD_MAX: usize = 1 << 14;

/// The largest payload that we send, whatever a peer would take.
pub(super) const SENT_MAX: u32 = 1 << 16;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// A frame's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// RFC 9113 §5.5: ignored.
    #[default]
    Unknown,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Data => 0x0,
            Self::Headers => 0x1,
            Self::Priority => 0x2,
            Self::RstStream => 0x3,
            Self::Settings => 0x4,
            Self::PushPromise => 0x5,
            Self::Ping => 0x6,
            Self::GoAway => 0x7,
            Self::WindowUpdate => 0x8,
            Self::Continuation => 0x9,
            Self::Unknown => 0xff,
        }
    }
}

/// A frame header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) len: u32,
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) id: u32,
}

impl Header {
    pub(super) fn new(kind: Kind, flags: u8, id: u32, len: usize) -> Self {
        debug_assert!(len < 1 << 24 && id < 1 << 31);
        let len = len as u32;
        Self {
            len,
            kind,
            flags,
            id,
        }
    }

    #[inline]
    pub(super) fn read(bytes: &[u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, id @ ..] = *bytes;
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind: Kind::of(kind),
            flags,
            id: number(id),
        }
    }

    #[inline]
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let [_, a, b, c] = self.len.to_be_bytes();
        let [d, e, f, g] = self.id.to_be_bytes();
        [a, b, c, self.kind.byte(), self.flags, d, e, f, g]
    }

    pub(super) fn is_set(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// 31 bits; the reserved one is ignored (RFC 9113 §4.1, §6.8, §6.9).
pub(super) fn number(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

pub(super) fn write_settings_ack(out: &mut Vec<u8>) {
    out.extend_from_slice(&Header::new(Kind::Settings, ACK, 0, 0).bytes());
}

pub(super) fn write_ping(flags: u8, payload: &[u8; 8], out: &mut Vec<u8>) {
    out.extend_from_slice(&Header::new(Kind::Ping, flags, 0, 8).bytes());
    out.extend_from_slice(payload);
}

pub(super) fn reset(id: u32, code: Code) -> [u8; 13] {
    let mut bytes = [0; 13];
    bytes[..HEADER].copy_from_slice(&Header::new(Kind::RstStream, 0, id, 4).bytes());
    bytes[HEADER..].copy_from_slice(&code.0.to_be_bytes());
    bytes
}

pub(super) fn write_window_update(id: u32, increment: u32, out: &mut Vec<u8>) {
    debug_assert!((1..1 << 31).contains(&increment));
    out.extend_from_slice(&Header::new(Kind::WindowUpdate, 0, id, 4).bytes());
    out.extend_from_slice(&increment.to_be_bytes());
}

pub(super) fn write_goaway(last: u32, code: Code, out: &mut Vec<u8>) {
    out.extend_from_slice(&Header::new(Kind::GoAway, 0, 0, 8).bytes());
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        for byte in 0..=0x9 {
            let header = Header::new(
                Kind::of(byte),
                byte ^ 0x5,
                0x7fff_fff0 | u32::from(byte),
                70_000,
            );
            assert_eq!(Header::read(&header.bytes()), header);
            assert_eq!(header.bytes()[3], byte);
        }
    }

    #[test]
    fn the_reserved_bit_is_ignored() {
        let header = Header::read(&[0, 0, 1, 0xaa, 0, 0x80, 0, 0, 1]);
        assert_eq!((header.id, header.kind), (1, Kind::Unknown));
    }
}
