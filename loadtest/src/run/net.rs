//! A thread's engine, and the bytes that codecs wrote for it: what one connection writes in a row leaves
//! in one piece.

use engines::{Blocks, Buf, Engine, Sock};

/// The engine with an outbox before it.
pub(super) struct Net {
    pub(super) engine: Box<dyn Engine>,
    blocks: Blocks,
    /// Whose the bytes are.
    sock: Option<Sock>,
    bytes: Vec<u8>,
}

impl Net {
    pub(super) fn new(engine: Box<dyn Engine>) -> Self {
        Self {
            blocks: engine.blocks(),
            engine,
            sock: None,
            bytes: Vec::new(),
        }
    }

    /// Where what is meant for `sock` is written.
    pub(super) fn out(&mut self, sock: Sock) -> &mut Vec<u8> {
        if self.sock != Some(sock) {
            self.flush();
            self.sock = Some(sock);
        }
        &mut self.bytes
    }

    /// Sends bytes behind what was written; they are not copied.
    pub(super) fn send(&mut self, sock: Sock, data: Buf) {
        self.flush();
        self.engine.send(sock, data);
    }

    /// Hands what was written to the engine.
    pub(super) fn flush(&mut self) {
        if let Some(sock) = self.sock.take()
            && !self.bytes.is_empty()
        {
            self.engine.send(sock, self.blocks.write(&self.bytes));
            self.bytes.clear();
        }
    }

    /// Closes; what was written for it is dropped.
    pub(super) fn close(&mut self, sock: Sock) {
        if self.sock == Some(sock) {
            self.sock = None;
            self.bytes.clear();
        }
        self.engine.close(sock);
    }
}
