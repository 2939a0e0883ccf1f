//! One direction of a stream: what came in, what has passed the filters, what is still to come.

use super::Leg;
use codecs::Fields;
use engines::{Buf, BufList};

/// One direction of a stream's body.
#[derive(Debug, Default)]
pub struct Half {
    /// Received, not yet through the filters.
    pub incoming: BufList,
    /// The source has ended the message.
    pub incoming_end: bool,
    /// Trailers, before or behind the filters like the data.
    pub trailers: Option<Fields>,
    /// Through the filters, not yet handed to the connection.
    pub ready: BufList,
    /// All of the message is in `ready` or was sent.
    pub ready_end: bool,
    /// The head was encoded.
    pub head_sent: bool,
    /// The end was encoded.
    pub end_sent: bool,
    /// Bytes of body that the engine is still to pass from source to target.
    pub passing: u64,
    /// Bytes of body received from the source.
    pub received_bytes: u64,
    /// Bytes of body handed to the target.
    pub sent_bytes: u64,
    /// The source, if it counts what it may send ahead.
    pub(super) window: Option<Leg>,
    /// Bytes of body that it was told are handed on.
    pub(super) released_bytes: u64,
}

impl Half {
    /// The message ended with its head.
    pub fn is_bare(&self) -> bool {
        self.incoming_end
            && self.received_bytes == 0
            && self.trailers.is_none()
            && self.ready.is_empty()
    }

    /// Bytes that wait here.
    pub fn buffered(&self) -> usize {
        self.incoming.len() + self.ready.len()
    }

    /// Takes a part of the body from its source.
    pub fn receive(&mut self, data: Buf, end: bool) {
        self.received_bytes += data.len() as u64;
        self.incoming.push(data);
        self.incoming_end |= end;
    }

    /// Takes note of a part of the body that went from source to target.
    pub fn note_passed(&mut self, bytes: u64) {
        self.passing = self.passing.saturating_sub(bytes);
        self.received_bytes += bytes;
        self.sent_bytes += bytes;
    }

    /// Without filters: all that came in is ready.
    pub fn pass(&mut self) {
        self.ready_end |= self.incoming_end;
        if self.ready.is_empty() && !self.incoming.is_empty() {
            std::mem::swap(&mut self.ready, &mut self.incoming);
        }
        while let Some(buf) = self.incoming.pop() {
            self.ready.push(buf);
        }
    }

    /// What waits leaves its receive block.
    pub fn settle(&mut self) {
        self.incoming.settle();
        self.ready.settle();
    }

    /// Empties the half for another message; its memory is kept.
    pub fn reset(&mut self) {
        self.abandon();
        (self.incoming_end, self.ready_end) = (false, false);
        (self.head_sent, self.end_sent) = (false, false);
        (self.passing, self.received_bytes, self.sent_bytes) = (0, 0, 0);
        (self.window, self.released_bytes) = (None, 0);
    }

    /// Drops what waits; nothing more is taken or sent.
    pub fn abandon(&mut self) {
        self.incoming.clear();
        self.ready.clear();
        self.trailers = None;
    }
}
