//! A connection's TLS: it lies between the engine and the codec, and nothing else knows of it. What a codec has written
//! in a turn is encrypted when it is handed to the engine, payloads and the heads around them in the same records.

use super::{ConnKey, ConnPhase, Net, Side, outbox::SLICES_MAX};
use crate::{
    transport_socket::Input,
    worker::{Todo, Worker},
};
use engines::{Buf, BufMut};
use tls::Fault;

impl Net {
    /// Whether what is sent on a connection is encrypted.
    pub(super) fn is_secure(&self, key: ConnKey) -> bool {
        self.conns
            .get(key)
            .is_some_and(|conn| conn.transport.is_secure())
    }

    /// Adds a payload to what was gathered for a connection with TLS.
    pub(super) fn queue_slice(&mut self, key: ConnKey, data: &Buf) {
        let at = self.outbox.bytes.len();
        self.outbox.slices.push((at, data.clone()));
        if let Some(conn) = self.conns.get_mut(key) {
            conn.transport.queue(data.len());
        }
        if self.outbox.slices.len() == SLICES_MAX {
            self.flush();
        }
    }

    /// Encrypts what was gathered for a connection and sends it.
    pub(super) fn seal(&mut self, key: ConnKey) {
        let outbox = std::mem::take(&mut self.outbox);
        let mut pieces = [&[][..]; 2 * SLICES_MAX + 1];
        let (mut from, mut count) = (0, 0);
        for (at, slice) in &outbox.slices {
            (pieces[count], pieces[count + 1]) = (&outbox.bytes[from..*at], slice);
            (from, count) = (*at, count + 2);
        }
        pieces[count] = &outbox.bytes[from..];
        if let Some((conn, mut io)) = self.split(key)
            && let Err(fault) = conn
                .transport
                .seal(conn.sock, &mut pieces[..=count], &mut io)
        {
            // Nothing can be said any more. `Closed` tells the worker, which takes the fault then.
            io.engine.close(conn.sock);
            conn.keep_fault(fault);
        }
        self.outbox = outbox;
    }

    /// What sending has come upon.
    pub(super) fn take_fault(&mut self, key: ConnKey) -> Option<Fault> {
        let fault = self.conns.get_mut(key)?.take_fault();
        fault.map(|fault| *fault)
    }

    /// Tells the peer that nothing more is sent, where the connection can.
    pub(super) fn say_end(&mut self, key: ConnKey) {
        self.flush();
        if let Some((conn, mut io)) = self.split(key) {
            conn.transport.close(conn.sock, &mut io);
        }
    }

    /// Half-closes a connection behind everything that was written.
    pub(crate) fn finish(&mut self, key: ConnKey) {
        self.say_end(key);
        if let Some(conn) = self.conns.get(key) {
            self.engine.finish(conn.sock);
        }
    }

    /// The next that bytes mean which a connection has received.
    fn next_input(&mut self, key: ConnKey, data: &mut BufMut) -> Option<Result<Input, Fault>> {
        // What was written before leaves before, whatever comes of these bytes.
        if self.gathers_for(key) {
            self.flush();
        }
        let (conn, mut io) = self.split(key)?;
        conn.transport.next_input(conn.sock, data, &mut io)
    }
}

impl Worker {
    /// Bytes arrived on a connection with TLS.
    pub(super) fn on_sealed(&mut self, key: ConnKey, mut data: BufMut) {
        loop {
            let Some(conn) = self.net.conns.get(key) else {
                return;
            };
            match conn.phase {
                ConnPhase::Handshaking | ConnPhase::Open => {}
                ConnPhase::Lingering => return self.on_lingering_bytes(key, data.len()),
                ConnPhase::Connecting | ConnPhase::Flushing => return,
            }
            match self.net.next_input(key, &mut data) {
                None => break,
                Some(Ok(Input::Data(part))) => self.on_plain(key, part),
                Some(Ok(Input::Established)) => self.on_established(key),
                Some(Ok(Input::Closed)) => self.on_input_end(key, false),
                Some(Err(fault)) => return self.on_fault(key, &fault),
            }
        }
        self.mark_conn(key);
    }

    /// A connection's TLS has failed; the alert that says so was sent.
    pub(super) fn on_fault(&mut self, key: ConnKey, fault: &Fault) {
        self.note_fault(key, fault);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        match conn.side {
            Side::Down { .. } => {
                let streams = std::mem::take(&mut conn.streams);
                for (_, stream) in streams.iter() {
                    self.on_downstream_lost(*stream);
                }
                self.linger(key);
            }
            Side::Up { .. } => self.part(key),
        }
    }

    /// Counts a fault, and keeps it for the log.
    pub(super) fn note_fault(&mut self, key: ConnKey, fault: &Fault) {
        self.stats.tls.count_fault(fault.detail);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let is_new = conn.phase == ConnPhase::Handshaking;
        conn.note_failure(fault.into());
        match conn.side {
            Side::Down { place, .. } => {
                let stats = self.listener_stats(place);
                stats.handshake_failures.add(is_new.into());
            }
            Side::Up { target, .. } => {
                let stats = self.cluster_stats(target.cluster);
                stats.handshake_failures.add(is_new.into());
            }
        }
    }

    /// A handshake is over.
    fn on_established(&mut self, key: ConnKey) {
        self.end_handshake(key);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let Some(facts) = conn.transport.facts().cloned() else {
            return;
        };
        self.stats.tls.count_handshake(&facts, conn.is_down());
        match conn.side {
            Side::Down { place, .. } => {
                (conn.phase, conn.since) = (ConnPhase::Open, self.now);
                self.agree_downstream(key, facts.alpn.as_deref(), place);
            }
            Side::Up { target, .. } => self.agree_upstream(key, target, facts.alpn.as_deref()),
        }
        self.todo.push_back(Todo::Control(key));
        self.mark_conn(key);
    }
}
