//! The end of a turn: what it has changed is brought in line, once, however many events changed it.
//!
//! Between two waits an engine does nothing and no time passes, so what a connection or a stream is like
//! when the turn ends is all that counts.

use crate::{conn::ConnKey, stream::StreamKey, tcp::TunnelKey, worker::Worker};
use engines::SlotKey;

/// What has changed since the turn began.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    conns: Vec<ConnKey>,
    streams: Vec<StreamKey>,
    tunnels: Vec<TunnelKey>,
}

impl Worker {
    /// The connection's receiving and its alarm are to follow its state.
    pub(crate) fn mark_conn(&mut self, key: ConnKey) {
        if let Some(conn) = self.net.conns.get_mut(key)
            && !std::mem::replace(&mut conn.is_marked, true)
        {
            self.marked.conns.push(key);
        }
    }

    /// What waits in the stream is to leave its receive block, and its alarm is to follow its state;
    /// its connections are marked with it.
    pub(crate) fn mark_stream(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key)
            && !std::mem::replace(&mut stream.is_marked, true)
        {
            self.marked.streams.push(key);
        }
    }

    /// The tunnel is to be left to the engine.
    pub(crate) fn mark_tunnel(&mut self, key: TunnelKey) {
        self.marked.tunnels.push(key);
    }

    /// Does what was put off to the end of the turn.
    pub(crate) fn settle_marked(&mut self) {
        let mut streams = std::mem::take(&mut self.marked.streams);
        for key in streams.drain(..) {
            self.pass_bulk(key);
            self.open_windows(key);
            self.settle_stream(key);
        }
        debug_assert!(self.marked.streams.is_empty(), "settling marks no stream");
        self.marked.streams = streams;
        let mut tunnels = std::mem::take(&mut self.marked.tunnels);
        for key in tunnels.drain(..) {
            self.relay_tunnel(key);
        }
        self.marked.tunnels = tunnels;
        let mut conns = std::mem::take(&mut self.marked.conns);
        for key in conns.drain(..) {
            self.sync_conn(key);
        }
        debug_assert!(
            self.marked.conns.is_empty(),
            "nothing is marked as it is settled"
        );
        self.marked.conns = conns;
    }

    fn settle_stream(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.is_marked = false;
        stream.request.settle();
        stream.response.settle();
        if let Some(chain) = &mut stream.chain {
            chain.settle();
        }
        let deadline = stream.next_deadline();
        let (down, up) = (stream.down.conn, stream.up.map(|up| up.conn));
        self.wheels.streams.set(key.index(), deadline);
        self.mark_conn(down);
        if let Some(up) = up {
            self.mark_conn(up);
        }
    }
}
