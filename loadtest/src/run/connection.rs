//! One of the connections that a load keeps: a place in which one socket follows another.

use super::{exchange::Exchange, limits, unread::Unread};
use crate::{grpc, serve::pattern};
use codecs::{Codec, Life, StreamId};
use engines::{Buf, Sock};
use std::collections::VecDeque;

/// Bodies up to this size are copied behind their heads rather than sent as a piece of their own.
const COPIED_BYTES_MAX: u64 = 1024;
/// A body is handed to the engine in pieces of at most so many bytes.
const PIECE_BYTES: u64 = 64 << 10;

/// A place for a connection.
pub(super) struct Connection {
    pub(super) phase: Phase,
    pub(super) codec: Box<dyn Codec>,
    /// Requests under way in the order in which they were sent, which is that of their ids and of
    /// their intended starts.
    pub(super) exchanges: VecDeque<Exchange>,
    uploads: VecDeque<Upload>,
    /// The beginning of what is not complete yet.
    pub(super) inbox: Vec<u8>,
    /// Bytes that the kernel did not take yet; over TLS about, as what it took is counted sealed.
    pub(super) unsent: usize,
    /// What came and counts as read only later, at the rate that was asked for.
    pub(super) unread: Unread,
    /// Requests that may still start on this connection.
    pub(super) left: u64,
    /// Answers that came on this connection.
    pub(super) answers: u64,
    /// Connections in a row on which no answer came.
    pub(super) fruitless: u32,
    /// Reading rests until then; 0: it does not.
    pub(super) paused_ns: u64,
    /// What was read is paid for, at the rate that was asked for, at that time.
    pub(super) paid_ns: u64,
    /// When the wheel looks at it; `u64::MAX`: not at all.
    pub(super) armed_ns: u64,
    /// The first connection of this place came about or failed.
    pub(super) is_settled: bool,
    /// It is in the list of idle ones, of those with room.
    pub(super) is_listed: [bool; 2],
}

/// Where a place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting {
        sock: Sock,
        since_ns: u64,
    },
    /// No socket; one is opened at that time (never: `u64::MAX`).
    Down {
        until_ns: u64,
    },
    /// There is a connection, and a handshake of TLS on it.
    Securing {
        sock: Sock,
        since_ns: u64,
        connected_ns: u64,
    },
    Open {
        sock: Sock,
    },
}

/// A body on its way.
#[derive(Clone, Copy, Debug)]
struct Upload {
    id: StreamId,
    at: u64,
    bytes: u64,
    /// It is a message of gRPC, and this goes before it.
    prefix: Option<[u8; grpc::PREFIX_BYTES]>,
}

impl Upload {
    /// Less room than this is none: a prefix is not cut.
    fn least(&self) -> usize {
        self.prefix.map_or(1, |prefix| prefix.len())
    }
}

/// A piece of a body that the codec lets go.
pub(super) enum Piece {
    /// It was copied into the outbox.
    Copied,
    /// To be sent as it is; what follows goes behind it.
    Sent(Buf, codecs::Inline<14>),
}

impl Connection {
    pub(super) fn new(codec: Box<dyn Codec>) -> Self {
        Self {
            phase: Phase::Down { until_ns: 0 },
            codec,
            exchanges: VecDeque::new(),
            uploads: VecDeque::new(),
            inbox: Vec::new(),
            unsent: 0,
            unread: Unread::default(),
            left: u64::MAX,
            answers: 0,
            fruitless: 0,
            paused_ns: 0,
            paid_ns: 0,
            armed_ns: u64::MAX,
            is_settled: false,
            is_listed: [false; 2],
        }
    }

    /// A new socket begins.
    pub(super) fn restart(&mut self, codec: Box<dyn Codec>, sock: Sock, now_ns: u64, left: u64) {
        let since_ns = now_ns;
        self.phase = Phase::Connecting { sock, since_ns };
        self.codec = codec;
        self.uploads.clear();
        self.inbox.clear();
        self.unread.clear();
        (self.unsent, self.left, self.answers) = (0, left, 0);
        (self.paused_ns, self.paid_ns) = (0, 0);
    }

    pub(super) fn sock(&self) -> Option<Sock> {
        match self.phase {
            Phase::Connecting { sock, .. }
            | Phase::Securing { sock, .. }
            | Phase::Open { sock } => Some(sock),
            Phase::Down { .. } => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// Another request may start on it now.
    pub(super) fn has_room(&self, streams: usize) -> bool {
        self.is_open()
            && self.exchanges.len() < streams
            && self.left > 0
            && matches!(self.codec.life(), Life::Open { streams: 1.. })
    }

    /// Nothing more can come of it.
    pub(super) fn is_over(&self) -> bool {
        match self.codec.life() {
            Life::Closed | Life::Over => true,
            Life::Draining => self.exchanges.is_empty(),
            Life::Open { .. } => self.left == 0 && self.exchanges.is_empty(),
        }
    }

    /// When the place has something to do by itself.
    pub(super) fn deadline_ns(&self, timeout_ns: u64) -> u64 {
        match self.phase {
            Phase::Connecting { since_ns, .. } | Phase::Securing { since_ns, .. } => {
                since_ns.saturating_add(timeout_ns)
            }
            Phase::Down { until_ns } => until_ns,
            Phase::Open { .. } => {
                let oldest = self.exchanges.front();
                let timeout = oldest.map_or(u64::MAX, |e| e.intended_ns.saturating_add(timeout_ns));
                match self.paused_ns {
                    0 => timeout,
                    until => timeout.min(until),
                }
            }
        }
    }

    /// Where the exchange is.
    pub(super) fn find(&self, id: StreamId) -> Option<usize> {
        match self.exchanges.front() {
            Some(first) if first.id == id => Some(0),
            Some(_) => (self
                .exchanges
                .binary_search_by_key(&id, |exchange| exchange.id))
            .ok(),
            None => None,
        }
    }

    /// A body follows the head; with `is_message` as one message of gRPC.
    pub(super) fn add_upload(&mut self, id: StreamId, bytes: u64, is_message: bool) {
        let len = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.uploads.push_back(Upload {
            id,
            at: 0,
            bytes,
            prefix: is_message.then(|| grpc::prefix(len)),
        });
    }

    /// True if the exchange's body was still on its way.
    pub(super) fn drop_upload(&mut self, id: StreamId) -> bool {
        let before = self.uploads.len();
        self.uploads.retain(|upload| upload.id != id);
        self.uploads.len() < before
    }

    pub(super) fn has_uploads(&self) -> bool {
        !self.uploads.is_empty()
    }

    /// Takes the next piece of a body, if there is one and the peer takes it. Short ones are written to
    /// `out` at once, as is what goes before a long one.
    pub(super) fn next_piece(&mut self, out: &mut Vec<u8>) -> Option<Piece> {
        if self.unsent >= limits::UNSENT_BYTES_MAX {
            return None;
        }
        let (index, room) = (self.uploads.iter().enumerate())
            .map(|(index, upload)| (index, self.codec.room(upload.id), upload.least()))
            .find(|(_, room, least)| room >= least)
            .map(|(index, room, _)| (index, room as u64))?;
        let upload = &mut self.uploads[index];
        if let Some(prefix) = upload.prefix.take() {
            return Some(self.begin_message(index, prefix, room, out));
        }
        let data = pattern::slice(
            upload.at,
            (upload.bytes - upload.at).min(room).min(PIECE_BYTES) as usize,
        );
        upload.at += data.len() as u64;
        let (id, end) = (upload.id, upload.at == upload.bytes);
        if end {
            self.uploads.remove(index);
        }
        let wrap = self.codec.data(id, &data, end);
        out.extend_from_slice(&wrap.before);
        self.unsent += wrap.before.len() + data.len() + wrap.after.len();
        if data.len() as u64 > COPIED_BYTES_MAX {
            return Some(Piece::Sent(data, wrap.after));
        }
        out.extend_from_slice(&data);
        out.extend_from_slice(&wrap.after);
        Some(Piece::Copied)
    }

    /// The prefix of a message, and the message with it if it is short.
    fn begin_message(
        &mut self,
        index: usize,
        prefix: [u8; grpc::PREFIX_BYTES],
        room: u64,
        out: &mut Vec<u8>,
    ) -> Piece {
        let upload = &mut self.uploads[index];
        let mut piece = [0; grpc::PREFIX_BYTES + COPIED_BYTES_MAX as usize];
        piece[..prefix.len()].copy_from_slice(&prefix);
        let mut len = prefix.len();
        if upload.bytes <= COPIED_BYTES_MAX && len as u64 + upload.bytes <= room {
            let data = pattern::slice(0, upload.bytes as usize);
            piece[len..len + data.len()].copy_from_slice(&data);
            len += data.len();
            upload.at = upload.bytes;
        }
        let (id, end) = (upload.id, upload.at == upload.bytes);
        if end {
            self.uploads.remove(index);
        }
        let wrap = self.codec.data(id, &piece[..len], end);
        for part in [&*wrap.before, &piece[..len], &*wrap.after] {
            out.extend_from_slice(part);
            self.unsent += part.len();
        }
        Piece::Copied
    }

    /// So many bytes were taken; they are read, at that many bytes a second, by `paid_ns`.
    pub(super) fn pay(&mut self, now_ns: u64, bytes: usize, rate: u64) {
        let cost_ns = (bytes as u128 * 1_000_000_000 / u128::from(rate)) as u64;
        self.paid_ns = self.paid_ns.max(now_ns).saturating_add(cost_ns);
    }
}
