//! The end of what a peer sends, and what that means for what it has sent before.

use super::{ConnKey, ConnPhase};
use crate::worker::Worker;
use codecs::Frame;
use engines::Buf;

impl Worker {
    /// All input was decoded: the time for the peer's FIN, and for the next request to count anew.
    pub(super) fn on_drained_input(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.peer_done && conn.phase == ConnPhase::Open {
            self.end_of_input(key);
        }
    }

    /// The peer has finished.
    pub(crate) fn on_finished(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        conn.reading = false;
        if conn.phase == ConnPhase::Handshaking {
            conn.peer_done = true;
            return self.on_cut_handshake(key);
        }
        if conn.phase == ConnPhase::Open && conn.peer_done {
            return;
        }
        let is_cut = conn.transport.on_eof().is_err() && !cfg!(planted = "lost_close_notify");
        self.on_input_end(key, is_cut);
    }

    /// No more input comes; `is_cut`: TLS did not say so.
    pub(super) fn on_input_end(&mut self, key: ConnKey, is_cut: bool) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        conn.peer_done = true;
        if is_cut {
            conn.note_cut();
        }
        match conn.phase {
            ConnPhase::Lingering => self.flush_and_close(key),
            ConnPhase::Open if !conn.held => self.end_of_input(key),
            ConnPhase::Connecting
            | ConnPhase::Flushing
            | ConnPhase::Handshaking
            | ConnPhase::Open => {}
        }
        self.mark_conn(key);
    }

    fn end_of_input(&mut self, key: ConnKey) {
        loop {
            let Some(conn) = self.net.conns.get_mut(key) else {
                return;
            };
            match conn.codec.eof() {
                // Only the end of the connection ends this message, and anybody may have made that.
                Ok(Some(Frame::Data { .. })) if conn.is_cut() => return self.drop_conn(key),
                Ok(Some(frame)) => self.on_frame(key, frame, Buf::default()),
                Ok(None) => break,
                Err(why) => return self.on_malformed(key, &why),
            }
        }
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        if conn.is_down() {
            // An answer under way still goes out; afterwards `after_answer` closes. Not where it depends on
            // what the client would still have to send: windows, and whether it wants the answer at all.
            if conn.codec.is_multiplexed() {
                self.lose_streams(key);
                self.flush_and_close(key);
            } else if conn.streams.is_empty() {
                self.flush_and_close(key);
            }
        } else if conn.codec.is_multiplexed()
            || conn.streams.is_empty()
            || conn.codec.life().is_closed()
        {
            self.drop_conn(key);
        }
    }

    /// The client is gone for all that it has asked.
    fn lose_streams(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let streams = std::mem::take(&mut conn.streams);
        for (_, stream) in streams.iter() {
            self.on_downstream_lost(*stream);
        }
    }
}
