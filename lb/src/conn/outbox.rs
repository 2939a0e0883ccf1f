//! The connections of a worker with what encodes and carries their bytes. What is encoded for a
//! connection is gathered in one outbox and leaves in one piece, short payloads copied in between, long
//! ones as slices of their own.

use super::{Conn, ConnKey};
use crate::{
    limits,
    transport_socket::{Io, Scratch},
};
use codecs::{Codec, Heads, StreamId};
use engines::{Blocks, Buf, Class, Engine, Slots};

/// Payloads up to this many bytes are copied between the heads around them rather than sent as a piece
/// of their own.
const COPIED_BYTES_MAX: usize = 1024;

/// Payloads gathered for a connection with TLS before they are encrypted.
pub(super) const SLICES_MAX: usize = 8;

/// A worker's engine and connections.
pub(crate) struct Net {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) blocks: Blocks,
    pub(crate) conns: Slots<ConnKey, Conn>,
    pub(crate) heads: Heads,
    pub(super) outbox: Outbox,
    pub(super) scratch: Scratch,
}

/// Encoded bytes of one connection that are not yet handed to the engine.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    conn: Option<ConnKey>,
    pub(super) bytes: Vec<u8>,
    /// Under TLS: payloads to be encrypted where they stand, each before the byte at that place.
    pub(super) slices: Vec<(usize, Buf)>,
}

impl Outbox {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.slices.is_empty()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.slices.clear();
    }
}

impl Net {
    pub(crate) fn new(engine: Box<dyn Engine>) -> Self {
        Self {
            blocks: engine.blocks(),
            engine,
            conns: Slots::default(),
            heads: Heads::default(),
            outbox: Outbox::default(),
            scratch: Scratch::default(),
        }
    }

    /// What transport sockets send with.
    pub(crate) fn io(&mut self) -> Io<'_> {
        Io {
            engine: &mut *self.engine,
            blocks: &self.blocks,
            scratch: &mut self.scratch,
        }
    }

    /// A connection, and what it sends with.
    pub(super) fn split(&mut self, key: ConnKey) -> Option<(&mut Conn, Io<'_>)> {
        let conn = self.conns.get_mut(key)?;
        let io = Io {
            engine: &mut *self.engine,
            blocks: &self.blocks,
            scratch: &mut self.scratch,
        };
        Some((conn, io))
    }

    /// The connection is gone, and with it what was meant for it.
    pub(crate) fn forget(&mut self, key: ConnKey) {
        if self.outbox.conn == Some(key) {
            self.outbox.conn = None;
            self.outbox.clear();
        }
    }

    /// Something waits in the outbox for that connection.
    pub(super) fn gathers_for(&self, key: ConnKey) -> bool {
        self.outbox.conn == Some(key) && !self.outbox.is_empty()
    }

    /// Lets a connection's codec write.
    pub(crate) fn write<T>(
        &mut self,
        key: ConnKey,
        encode: impl FnOnce(&mut dyn Codec, &mut Vec<u8>) -> T,
    ) -> Option<T> {
        if self.outbox.conn != Some(key) {
            self.flush();
        }
        let conn = self.conns.get_mut(key)?;
        self.outbox.conn = Some(key);
        let before = self.outbox.bytes.len();
        let result = encode(&mut *conn.codec, &mut self.outbox.bytes);
        conn.transport.queue(self.outbox.bytes.len() - before);
        Some(result)
    }

    /// Sends a part of a body in the connection's framing. `is_shared`: what it came by carries others,
    /// which slow readers of this one must not keep from being received.
    pub(crate) fn write_data(
        &mut self,
        key: ConnKey,
        id: StreamId,
        data: &Buf,
        end: bool,
        is_shared: bool,
    ) {
        let copied = must_copy(data);
        let wrap = self.write(key, |codec, out| {
            let wrap = codec.data(id, data, end);
            out.extend_from_slice(&wrap.before);
            if copied {
                out.extend_from_slice(data);
                out.extend_from_slice(&wrap.after);
            }
            wrap
        });
        let Some(wrap) = wrap.filter(|_| !copied) else {
            return;
        };
        if self.is_secure(key) {
            self.queue_slice(key, data);
        } else {
            self.send_slice(key, data, is_shared);
        }
        if !wrap.after.is_empty() {
            self.write(key, |_, out| out.extend_from_slice(&wrap.after));
        }
    }

    /// Sends a part of a body as it lies in memory, behind what was gathered.
    fn send_slice(&mut self, key: ConnKey, data: &Buf, is_shared: bool) {
        self.flush();
        if let Some(conn) = self.conns.get_mut(key) {
            let own = match is_shared && data.is_crowded() {
                true => Buf::copy_of(data),
                false => data.clone(),
            };
            conn.transport.queue(data.len());
            if own.is_leased() {
                conn.pinned = u32::try_from(conn.transport.unsent()).unwrap_or(u32::MAX);
            }
            conn.is_committed = true;
            self.engine.send(conn.sock, own);
        }
    }

    /// Whether what a connection has not sent yet may pin half of the receive blocks that one socket may
    /// have: a slice that is not copied is at least a quarter of its block.
    pub(crate) fn pins_many(&self, key: ConnKey) -> bool {
        let pinned = self.conns.get(key).map_or(0, |conn| conn.pinned);
        let slices = pinned as usize * 4 / self.blocks.block_bytes(Class::Large) + 1;
        pinned > 0 && slices * 2 > self.blocks.socket_max()
    }

    /// Bytes that a stream may wait with to be sent on that connection before its source is no longer
    /// read: its share, where many wait.
    pub(crate) fn stream_bytes_max(&self, to: Option<ConnKey>) -> usize {
        let streams = to
            .and_then(|key| self.conns.get(key))
            .map_or(1, |conn| conn.streams.len());
        let share = limits::CONN_BYTES_MAX / streams.max(1);
        share.clamp(limits::STREAM_BYTES_MIN, limits::STREAM_BYTES_MAX)
    }

    /// Whether a connection carries many streams.
    pub(crate) fn is_multiplexed(&self, key: ConnKey) -> bool {
        self.conns
            .get(key)
            .is_some_and(|conn| conn.codec.is_multiplexed())
    }

    /// No more should be queued on a connection now.
    pub(crate) fn is_full(&self, key: ConnKey) -> bool {
        self.conns.get(key).is_some_and(Conn::is_full)
    }

    /// Hands what was gathered to the engine.
    pub(crate) fn flush(&mut self) {
        if let Some(key) = self.outbox.conn.take()
            && !self.outbox.is_empty()
            && let Some(conn) = self.conns.get_mut(key)
        {
            conn.is_committed = true;
            if conn.transport.is_secure() {
                self.seal(key);
            } else {
                let bytes = self.blocks.write(&self.outbox.bytes);
                self.engine.send(conn.sock, bytes);
            }
        }
        self.outbox.clear();
    }
}

/// The copy rules, all of them: a slice is copied if it is short, if it pins a block of which it is less
/// than a quarter, or if its block belongs to the reserve.
fn must_copy(data: &Buf) -> bool {
    data.len() <= COPIED_BYTES_MAX
        || data.is_reserve()
        || (data.is_leased() && data.len() * 4 < data.pinned())
}
