//! A thread's engine, and what lies between it and the codecs: bytes that one connection writes in a row
//! leave in one piece, sealed where the target is spoken to over TLS.

use super::secure::Guard;
use crate::secure::Opened;
use engines::{Blocks, Buf, BufMut, Engine, Sock};
use tls::{Facts, Fault, Now};

/// The engine with an outbox before it.
pub(super) struct Net {
    pub(super) engine: Box<dyn Engine>,
    blocks: Blocks,
    /// Whose the bytes are.
    sock: Option<Sock>,
    bytes: Vec<u8>,
    guard: Option<Guard>,
    /// Room for what is sealed, and for what sessions send by themselves.
    sealed: Vec<u8>,
}

impl Net {
    /// With a guard, connections are secured.
    pub(super) fn new(engine: Box<dyn Engine>, guard: Option<Guard>) -> Self {
        Self {
            blocks: engine.blocks(),
            engine,
            sock: None,
            bytes: Vec::new(),
            guard,
            sealed: Vec::new(),
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
        self.out(sock);
        if self.is_secure(sock) {
            return self.flush_with(sock, &data);
        }
        self.flush();
        self.engine.send(sock, data);
    }

    /// Hands what was written to the engine.
    pub(super) fn flush(&mut self) {
        if let Some(sock) = self.sock.take()
            && !self.bytes.is_empty()
        {
            self.flush_with(sock, &[]);
        }
    }

    fn flush_with(&mut self, sock: Sock, data: &[u8]) {
        let (now, blocks) = (self.wall(), &self.blocks);
        let ready = match self.guard.as_mut().and_then(|guard| guard.find(sock)) {
            None => Ok(blocks.write(&self.bytes)),
            Some(session) => session.seal(now, &[&self.bytes, data], blocks, &mut self.sealed),
        };
        self.bytes.clear();
        match ready {
            Ok(ready) => self.engine.send(sock, ready),
            // Its keys are used up: the connection ends, and what is under way on it.
            Err(_) => self.engine.close(sock),
        }
    }

    /// A connection came about. True if a handshake begins on it, the end of which [`Self::open`] tells.
    pub(super) fn begin(&mut self, sock: Sock, place: u32) -> Result<bool, Fault> {
        let now = self.wall();
        let Some(guard) = &mut self.guard else {
            return Ok(false);
        };
        self.sealed.clear();
        guard.begin(sock, place, now, &mut self.sealed)?;
        self.engine.send(sock, self.blocks.write(&self.sealed));
        Ok(true)
    }

    /// Takes what is next in received bytes; none once they are used up.
    pub(super) fn open(&mut self, sock: Sock, data: &mut BufMut) -> Option<Result<Opened, Fault>> {
        let now = self.wall();
        let Some(session) = self.guard.as_mut().and_then(|guard| guard.find(sock)) else {
            let all = data.len();
            return (all > 0).then(|| Ok(Opened::Data(data.split_to(all))));
        };
        self.sealed.clear();
        let opened = session.open(now, data, &mut self.sealed);
        if !self.sealed.is_empty() {
            self.engine.send(sock, self.blocks.write(&self.sealed));
        }
        opened
    }

    /// What the handshake agreed on, if the workload's protocol goes with it.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn agreed(&mut self, sock: Sock) -> Result<Option<&Facts>, String> {
        let Some(guard) = &mut self.guard else {
            return Ok(None);
        };
        let alpn = guard.find(sock).and_then(|session| session.facts());
        let alpn = alpn.and_then(|facts| facts.alpn.clone());
        guard.check_protocol(alpn.as_deref())?;
        Ok(guard.find(sock).and_then(|session| session.facts()))
    }

    /// The connection's end says nothing about the end of what came: it is secured, and the peer did not
    /// say that it sends no more (RFC 8446 §6.1).
    pub(super) fn is_cut(&mut self, sock: Sock) -> bool {
        let session = self.guard.as_mut().and_then(|guard| guard.find(sock));
        session.is_some_and(|session| !session.is_closed())
    }

    /// Closes; what was written for it is dropped.
    pub(super) fn close(&mut self, sock: Sock) {
        if self.sock == Some(sock) {
            self.sock = None;
            self.bytes.clear();
        }
        self.forget(sock);
        self.engine.close(sock);
    }

    /// The socket is gone.
    pub(super) fn forget(&mut self, sock: Sock) {
        if let Some(guard) = &mut self.guard {
            guard.forget(sock);
        }
    }

    fn is_secure(&mut self, sock: Sock) -> bool {
        let guard = self.guard.as_mut();
        guard.is_some_and(|guard| guard.find(sock).is_some())
    }

    fn wall(&self) -> Now {
        self.engine.wall().0
    }
}
