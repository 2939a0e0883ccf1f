//! SETTINGS (RFC 9113 §6.5): what a peer told us, and what we tell it.

use super::code::Wrong;
use super::flow::{WINDOW_DEFAULT, WINDOW_MAX};
use super::frame::{Header, Kind, PAYLOAD_MAX};

/// Bytes of one setting.
pub(super) const ENTRY: usize = 6;

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// RFC 8441 §3.
const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;

/// Streams that a server is taken to accept before it said so. RFC 9113 §6.5.2 has no limit there, but
/// what is beyond one is refused, after a round trip and perhaps again and again; one goes out so that
/// nobody waits for a server that waits for a request.
const STREAMS_UNTOLD: u32 = 1;

/// What the peer told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) table_bytes: u32,
    pub(super) streams_max: u32,
    /// What it is to be once all of a frame came.
    streams_told: u32,
    /// The window that a stream begins with.
    pub(super) window: u32,
    /// And what it is to be then.
    window_told: u32,
    pub(super) frame_max: u32,
    pub(super) takes_connect: bool,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            table_bytes: super::hpack::TABLE_BYTES_DEFAULT,
            streams_max: STREAMS_UNTOLD,
            // What the first SETTINGS frame leaves out has no limit.
            streams_told: u32::MAX,
            window: WINDOW_DEFAULT,
            window_told: WINDOW_DEFAULT,
            frame_max: PAYLOAD_MAX as u32,
            takes_connect: false,
        }
    }
}

impl Peer {
    /// A frame is over: how much all streams' windows change (RFC 9113 §6.9.2).
    pub(super) fn take_changes(&mut self) -> i64 {
        self.streams_max = self.streams_told;
        let before = std::mem::replace(&mut self.window, self.window_told);
        i64::from(self.window) - i64::from(before)
    }

    /// Takes one setting of a peer that is a server, or a client.
    pub(super) fn set(&mut self, entry: &[u8; ENTRY], is_server: bool) -> Result<(), Wrong> {
        let [a, b, value @ ..] = *entry;
        let value = u32::from_be_bytes(value);
        match u16::from_be_bytes([a, b]) {
            HEADER_TABLE_SIZE => self.table_bytes = value,
            // RFC 9113 §6.5.2: 0 or 1, and a server must not say 1.
            ENABLE_PUSH if value > 1 || value == 1 && is_server => {
                return Err(Wrong::protocol("http2-invalid-enable-push"));
            }
            MAX_CONCURRENT_STREAMS => self.streams_told = value,
            // RFC 9113 §6.5.2: above 2^31 - 1 it is a FLOW_CONTROL_ERROR.
            INITIAL_WINDOW_SIZE if value > WINDOW_MAX => {
                return Err(Wrong::flow("http2-invalid-initial-window"));
            }
            INITIAL_WINDOW_SIZE => self.window_told = value,
            // RFC 9113 §6.5.2: 2^14 to 2^24 - 1.
            MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                return Err(Wrong::protocol("http2-invalid-max-frame-size"));
            }
            MAX_FRAME_SIZE => self.frame_max = value,
            // RFC 8441 §3: 0 or 1, and not back to 0.
            ENABLE_CONNECT_PROTOCOL if value > 1 || value == 0 && self.takes_connect => {
                return Err(Wrong::protocol("http2-invalid-enable-connect"));
            }
            ENABLE_CONNECT_PROTOCOL => self.takes_connect = value == 1,
            // RFC 9113 §6.5.2: unknown settings are ignored; MAX_HEADER_LIST_SIZE is advice.
            _ => {}
        }
        Ok(())
    }
}

/// What we tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) is_client: bool,
    pub(super) table_bytes: u32,
    pub(super) streams_max: u32,
    pub(super) window: u32,
    pub(super) head_bytes_max: u32,
    pub(super) allows_connect: bool,
}

impl Ours {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let is_server = !self.is_client;
        let entries = [
            (HEADER_TABLE_SIZE, self.table_bytes, true),
            (ENABLE_PUSH, 0, self.is_client),
            (MAX_CONCURRENT_STREAMS, self.streams_max, is_server),
            (INITIAL_WINDOW_SIZE, self.window, true),
            (MAX_HEADER_LIST_SIZE, self.head_bytes_max, true),
            (ENABLE_CONNECT_PROTOCOL, 1, is_server && self.allows_connect),
        ];
        let told = entries.iter().filter(|(_, _, is_told)| *is_told);
        let len = told.clone().count() * ENTRY;
        out.extend_from_slice(&Header::new(Kind::Settings, 0, 0, len).bytes());
        for (name, value, _) in told {
            out.extend_from_slice(&name.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: u16, value: u32, is_server: bool) -> Result<Peer, &'static str> {
        let mut entry = [0; ENTRY];
        entry[..2].copy_from_slice(&name.to_be_bytes());
        entry[2..].copy_from_slice(&value.to_be_bytes());
        let mut peer = Peer::default();
        let set = peer.set(&entry, is_server);
        set.map(|()| peer).map_err(|wrong| wrong.detail)
    }

    #[test]
    fn values_are_held_to_their_range() {
        for (name, value, is_server, is_good) in [
            (ENABLE_PUSH, 0, true, true),
            (ENABLE_PUSH, 1, true, false),
            (ENABLE_PUSH, 1, false, true),
            (ENABLE_PUSH, 2, false, false),
            (INITIAL_WINDOW_SIZE, WINDOW_MAX, false, true),
            (INITIAL_WINDOW_SIZE, WINDOW_MAX + 1, false, false),
            (MAX_FRAME_SIZE, 16_383, false, false),
            (MAX_FRAME_SIZE, 16_384, false, true),
            (MAX_FRAME_SIZE, 16_777_215, false, true),
            (MAX_FRAME_SIZE, 16_777_216, false, false),
            (ENABLE_CONNECT_PROTOCOL, 2, true, false),
            (0xff, u32::MAX, false, true),
        ] {
            assert_eq!(
                set(name, value, is_server).is_ok(),
                is_good,
                "{name} {value}"
            );
        }
        assert!(set(ENABLE_CONNECT_PROTOCOL, 1, true).unwrap().takes_connect);
    }
}
