//! From received bytes to frames.

use super::{ConnKey, ConnPhase, Side};
use crate::worker::{Todo, Worker};
use codecs::{Detected, PROTOCOLS, Wait};
use engines::{Buf, BufMut};

impl Worker {
    /// Bytes arrived.
    pub(crate) fn on_received(&mut self, key: ConnKey, data: BufMut) {
        if self.net.is_secure(key) {
            self.on_sealed(key, data);
        } else {
            self.on_plain(key, data.freeze());
        }
    }

    /// Bytes of the protocol arrived.
    pub(super) fn on_plain(&mut self, key: ConnKey, data: Buf) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        match conn.phase {
            ConnPhase::Open => {}
            ConnPhase::Lingering => return self.on_lingering_bytes(key, data.len()),
            ConnPhase::Connecting | ConnPhase::Flushing | ConnPhase::Handshaking => return,
        }
        if conn.bound == self.turns && !conn.codec.is_multiplexed() {
            return self.on_unasked(key);
        }
        let is_resting = conn.streams.is_empty() && conn.discarding.is_none();
        if is_resting && !conn.has_inbox() && !conn.codec.is_multiplexed() {
            conn.since = self.now;
        }
        if conn.held {
            conn.append_inbox(&data);
            return self.mark_conn(key);
        }
        let input = if conn.has_inbox() {
            conn.append_inbox(&data);
            conn.take_inbox()
        } else {
            data
        };
        self.decode(key, input);
    }

    /// What a turn brings was there before anything is sent in it: these bytes are no answer to the
    /// request that this turn gave to the connection.
    fn on_unasked(&mut self, key: ConnKey) {
        if let Some(target) = self.net.conns.get(key).and_then(super::Conn::target) {
            self.cluster_stats(target.cluster).malformed.inc();
        }
        self.drop_conn(key);
    }

    /// The answer that held the connection's input is out.
    pub(crate) fn decode_held(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.phase != ConnPhase::Open || conn.held {
            return;
        }
        let input = conn.take_inbox();
        self.decode(key, input);
    }

    fn decode(&mut self, key: ConnKey, input: Buf) {
        if self.detect(key, &input) {
            self.decode_all(key, input);
        } else {
            self.keep(key, input);
            self.on_drained_input(key);
        }
        if let Some(conn) = self.net.conns.get_mut(key)
            && conn.codec.is_multiplexed()
        {
            conn.note_head(self.now);
        }
        self.todo.push_back(Todo::Control(key));
        self.mark_conn(key);
    }

    /// Finds out what a new connection speaks; false: more bytes are needed to tell. What nobody
    /// recognises is refused by the codec that it has.
    fn detect(&mut self, key: ConnKey, input: &[u8]) -> bool {
        let Some(conn) = self.net.conns.get_mut(key).filter(|c| c.is_undetected) else {
            return true;
        };
        let Side::Down { place, .. } = conn.side else {
            return true;
        };
        let answers = PROTOCOLS.iter().map(|one| (one, one.detect(input)));
        let found = answers
            .into_iter()
            .find(|(_, answer)| *answer != Detected::No);
        if let Some((_, Detected::NeedMore)) = found {
            return false;
        }
        conn.is_undetected = false;
        let http = self.epoch.http(place);
        if let Some((protocol, _)) = found
            && protocol.name() != super::agree::first_protocol(http.codec).name()
        {
            conn.codec = protocol.server(&http.limits);
        }
        self.greet(key);
        true
    }

    fn decode_all(&mut self, key: ConnKey, mut input: Buf) {
        loop {
            let Some(conn) = self.net.conns.get_mut(key) else {
                return;
            };
            if conn.phase != ConnPhase::Open {
                return self.on_lingering_bytes(key, input.len());
            }
            let step = match conn.codec.decode(self.now, &input, &mut self.net.heads) {
                Ok(step) => step,
                Err(why) => {
                    return self.on_malformed(key, &why);
                }
            };
            let idle = step.used == 0 && step.frame.is_none();
            if let Some(frame) = step.frame {
                let part = input.split_to(step.used);
                self.on_frame(key, frame, part);
            } else {
                input.skip(step.used);
            }
            match step.wait {
                Wait::Go if !idle => {}
                Wait::Go | Wait::More => {
                    self.keep(key, input);
                    return self.on_drained_input(key);
                }
                Wait::Hold => {
                    if self.hold(key) {
                        return self.keep(key, input);
                    }
                }
            }
        }
    }

    /// Holds the connection's input until its current answer is out; false if it is already.
    fn hold(&mut self, key: ConnKey) -> bool {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return true;
        };
        conn.held = !conn.streams.is_empty();
        conn.held
    }

    /// Keeps what cannot be decoded yet; what was kept before is not copied again.
    fn keep(&mut self, key: ConnKey, input: Buf) {
        if let Some(conn) = self.net.conns.get_mut(key) {
            conn.put_inbox(input);
        }
    }

    /// Lets the codec say what it has to, once the streams have seen what was decoded.
    pub(crate) fn write_control(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key).filter(|conn| conn.is_open()) else {
            return;
        };
        let is_multiplexed = conn.codec.is_multiplexed();
        if conn.is_down() || is_multiplexed {
            self.net.write(key, |codec, out| codec.control(out));
        }
        if is_multiplexed && !self.is_flooded(key) {
            self.check_life(key);
        }
    }

    /// A peer that asks for answers and does not take them is given up.
    fn is_flooded(&mut self, key: ConnKey) -> bool {
        let flooded = |conn: &super::Conn| conn.is_down() && conn.is_flooded();
        let is_over = self.net.conns.get(key).is_some_and(flooded);
        if is_over {
            self.stats.control_overflows.inc();
            self.drop_conn(key);
        }
        is_over
    }
}
