//! Windows: a source that counts what it may send ahead is told what was handed on, once a turn.
//!
//! What a filter keeps, and what waits for the target's window or socket, is not handed on. So a reader
//! that stalls holds no more than its stream's window.

use super::{Stream, StreamKey};
use crate::{filter::Dir, worker::Worker};
use codecs::{Reason, http2::STALLED_WINDOW};

impl Worker {
    /// Opens the windows of a stream as far as its bytes were handed on, at the end of a turn.
    pub(crate) fn open_windows(&mut self, key: StreamKey) {
        for dir in [Dir::Request, Dir::Response] {
            let Some(stream) = self.streams.get(key) else {
                return;
            };
            if stream.half_ref(dir).window.is_none() {
                continue;
            }
            let (due, target) = match dir {
                Dir::Request => (stream.request_waiting(), stream.up.map(|up| up.conn)),
                Dir::Response => (stream.response_waiting(), Some(stream.down.conn)),
            };
            if !target.is_some_and(|conn| self.net.is_full(conn)) {
                self.release(key, dir, due as u64);
            }
        }
    }

    /// Opens the windows for all that came: whatever still waits is dropped, or soon will be.
    pub(super) fn release_all(&mut self, key: StreamKey, dir: Dir) {
        if !cfg!(planted = "lost_window") {
            self.release(key, dir, 0);
        }
    }

    /// Some of the answer waits for a window that its client does not open.
    pub(super) fn is_stalled(&self, key: StreamKey) -> bool {
        let Some(stream) = self.streams.get(key) else {
            return false;
        };
        let Some(conn) = self.net.conns.get(stream.down.conn) else {
            return false;
        };
        let waits = stream.response.head_sent && !stream.response.ready.is_empty();
        waits && !conn.is_full() && conn.codec.room(stream.down.id) == 0
    }

    /// The client let the window shut for the whole idle time.
    pub(super) fn give_stalled_up(&mut self, key: StreamKey) {
        self.stats.count_limit(STALLED_WINDOW);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.record.detail = STALLED_WINDOW;
        }
        self.reset_stream(key, Reason::Overload);
    }

    fn release(&mut self, key: StreamKey, dir: Dir, waiting: u64) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let half = stream.half(dir);
        let Some(source) = half.window else {
            return;
        };
        // Filters may have made more of it than came.
        let handed_on = half.received_bytes.saturating_sub(waiting);
        let due = handed_on.saturating_sub(half.released_bytes);
        if due == 0 {
            return;
        }
        half.released_bytes += due;
        self.net.write(source.conn, |codec, out| {
            codec.release(source.id, due as usize, out);
        });
    }
}

impl Stream {
    fn half_ref(&self, dir: Dir) -> &super::Half {
        match dir {
            Dir::Request => &self.request,
            Dir::Response => &self.response,
        }
    }
}
