//! A connection's TLS: records in, plain input out, and the other way round.
//!
//! The session lies between the engine and the codec, and nothing else knows of it. What arrives is
//! decrypted in the block that it lies in and goes on as a slice of it; what a codec has written in a turn
//! is encrypted when it is handed to the engine, payloads and the heads around them in the same records.

use super::{ConnKey, ConnPhase, Net, Side, outbox::SLICES_MAX};
use crate::{
    secure,
    worker::{Todo, Worker},
};
use engines::{Buf, BufMut};
use tls::{Fault, Step, What};

impl Net {
    /// Whether what is sent on a connection is encrypted.
    pub(super) fn is_secure(&self, key: ConnKey) -> bool {
        self.conns.get(key).is_some_and(|conn| conn.tls.is_some())
    }

    /// Adds a payload to what was gathered for a connection with TLS.
    pub(super) fn queue_slice(&mut self, key: ConnKey, data: &Buf) {
        let at = self.outbox.bytes.len();
        self.outbox.slices.push((at, data.clone()));
        if let Some(conn) = self.conns.get_mut(key) {
            conn.queue(data.len());
        }
        if self.outbox.slices.len() == SLICES_MAX {
            self.flush();
        }
    }

    /// Encrypts what was gathered for a connection and sends it.
    pub(super) fn seal(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        let Some(session) = &mut conn.tls else { return };
        let mut pieces = [&[][..]; 2 * SLICES_MAX + 1];
        let (mut from, mut count, mut plain) = (0, 0, 0);
        for (at, slice) in &self.outbox.slices {
            (pieces[count], pieces[count + 1]) = (&self.outbox.bytes[from..*at], slice);
            (from, count) = (*at, count + 2);
            plain += slice.len();
        }
        pieces[count] = &self.outbox.bytes[from..];
        plain += self.outbox.bytes.len();
        if session.is_ended() || session.has_failed() {
            conn.unsent = conn.unsent.saturating_sub(plain);
            return;
        }
        let now = self.engine.wall().0;
        match secure::seal(
            session,
            now,
            &self.blocks,
            &mut self.short,
            &pieces[..=count],
        ) {
            Ok(sealed) => {
                // The plain bytes were counted as they were written.
                conn.unsent = (conn.unsent + sealed.len()).saturating_sub(plain);
                self.engine.send(conn.sock, sealed);
            }
            // Its keys are used up: nothing can be said any more. `Closed` tells the worker.
            Err(_) => self.engine.close(conn.sock),
        }
    }

    /// Sends what TLS itself has to say.
    pub(super) fn send_records(&mut self, key: ConnKey, records: &[u8]) {
        if let Some(conn) = self.conns.get_mut(key)
            && !records.is_empty()
        {
            conn.queue(records.len());
            self.engine.send(conn.sock, self.blocks.write(records));
        }
    }

    /// Tells the peer that nothing more is sent, where the connection can.
    pub(super) fn say_end(&mut self, key: ConnKey) {
        self.flush();
        let mut records = std::mem::take(&mut self.records);
        if let Some(session) = self.conns.get_mut(key).and_then(|conn| conn.tls.as_mut()) {
            session.close(&mut records);
        }
        self.send_records(key, &records);
        records.clear();
        self.records = records;
    }

    /// Half-closes a connection behind everything that was written.
    pub(crate) fn finish(&mut self, key: ConnKey) {
        self.say_end(key);
        if let Some(conn) = self.conns.get(key) {
            self.engine.finish(conn.sock);
        }
    }

    /// Gives received bytes to a connection's session, and sends what it answers.
    fn open_records(&mut self, key: ConnKey, data: &mut BufMut) -> Option<Result<Step, Fault>> {
        // What was written before leaves before, whatever comes of these bytes.
        if self.gathers_for(key) {
            self.flush();
        }
        let mut records = std::mem::take(&mut self.records);
        let now = self.engine.wall().0;
        let session = self.conns.get_mut(key).and_then(|conn| conn.tls.as_mut());
        let step = session.map(|session| session.receive(now, data, &mut records));
        self.send_records(key, &records);
        records.clear();
        self.records = records;
        step
    }
}

impl Worker {
    /// Bytes arrived on a connection with TLS.
    pub(super) fn on_sealed(&mut self, key: ConnKey, mut data: BufMut) {
        while !data.is_empty() {
            let Some(conn) = self.net.conns.get(key) else {
                return;
            };
            match conn.phase {
                ConnPhase::Handshaking | ConnPhase::Open => {}
                ConnPhase::Lingering => return self.on_lingering_bytes(key, data.len()),
                ConnPhase::Connecting | ConnPhase::Flushing => return,
            }
            let part = match self.net.open_records(key, &mut data) {
                None => return,
                Some(Err(fault)) => return self.on_fault(key, &fault),
                Some(Ok(step)) => (data.split_to(step.used), step.what),
            };
            match part {
                (_, What::Nothing) => {}
                (part, What::Data(at)) => {
                    let mut part = part.freeze();
                    part.truncate(at.end);
                    part.skip(at.start);
                    self.on_plain(key, part);
                }
                (_, What::Joined(joined)) => self.on_plain(key, Buf::from(joined)),
                (_, What::Established) => self.on_established(key),
                (_, What::Closed) => self.on_input_end(key, false),
            }
        }
        self.mark_conn(key);
    }

    /// A connection's TLS has failed; the alert that says so was sent.
    pub(super) fn on_fault(&mut self, key: ConnKey, fault: &Fault) {
        self.stats.tls.count_fault(fault.detail);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let is_new = conn.phase == ConnPhase::Handshaking;
        match conn.side {
            Side::Down { place, .. } => {
                let streams = std::mem::take(&mut conn.streams);
                self.listener_stats(place)
                    .handshake_failures
                    .add(is_new.into());
                for (_, stream) in streams.iter() {
                    self.on_downstream_lost(*stream);
                }
                self.linger(key);
            }
            Side::Up { target, .. } => {
                conn.note_fault(fault.detail);
                let stats = self.cluster_stats(target.cluster);
                stats.handshake_failures.add(is_new.into());
                self.part(key);
            }
        }
    }

    /// A handshake is over.
    fn on_established(&mut self, key: ConnKey) {
        self.end_handshake(key);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let facts = conn.tls.as_ref().and_then(|tls| tls.facts().cloned());
        let Some(facts) = facts else { return };
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
