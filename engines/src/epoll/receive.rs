//! Receiving from streams: a block is leased when there is something to read into it.

use super::Reactor;
use crate::{BufMut, Event, SlotKey, Sock, lessee::Park};
use std::{io, mem};

/// Receives from one socket in one turn.
pub(super) const RECEIVES_MAX: usize = 4;

/// Whether to go on with a socket.
pub(super) enum Next {
    Again,
    Stop,
}

impl Reactor {
    pub(super) fn serve_receive(&mut self, sock: Sock, events: &mut Vec<Event>) {
        match self.socks.get(sock) {
            Some(entry) if entry.relay.is_some() => self.serve_relay(sock, events),
            Some(_) => self.receive(sock, events),
            None => {}
        }
    }

    /// Receives what there is, up to the socket's share of a turn.
    pub(super) fn receive(&mut self, sock: Sock, events: &mut Vec<Event>) {
        for _ in 0..RECEIVES_MAX {
            if let Next::Stop = self.receive_once(sock, events) {
                return;
            }
        }
        self.mark_later(sock);
    }

    fn receive_once(&mut self, sock: Sock, events: &mut Vec<Event>) -> Next {
        let Some(entry) = self.socks.get_mut(sock) else {
            return Next::Stop;
        };
        if !entry.receives() {
            return Next::Stop;
        }
        if entry.has_unread() {
            let unread = mem::take(&mut entry.rare_mut().unread);
            entry.settle();
            self.hand_over(sock, BufMut::from(unread), events);
            return Next::Again;
        }
        if !entry.readable {
            return Next::Stop;
        }
        let (owner, counters) = (sock.to_bits(), &mut self.counters);
        let leased = entry
            .lessee
            .lease(owner, &self.blocks, self.quota, counters);
        let Some(block) = leased else {
            if entry.lessee.parked == Some(Park::Blocks) {
                self.starved.push(sock);
            }
            return Next::Stop;
        };
        let bulk = &mut self.bulk;
        bulk.lease(block, &mut entry.lessee, owner, &self.blocks, self.quota);
        let received = entry.with_fd(|fd| bulk.receive(fd));
        match received {
            Ok(0) => {
                entry.ended = true;
                self.tell_end(sock, events);
                Next::Stop
            }
            Ok(bytes) => {
                entry.lessee.note_size(bytes, bulk.first());
                // A block that was not filled is the last, as a rule.
                entry.readable = bytes == bulk.room() || entry.reads_stop_short;
                let mut bulk = mem::take(&mut self.bulk);
                bulk.filled(bytes)
                    .for_each(|block| self.hand_over(sock, block, events));
                self.bulk = bulk;
                Next::Again
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                entry.readable = false;
                Next::Stop
            }
            Err(error) => {
                self.fail(sock, error);
                Next::Stop
            }
        }
    }

    fn hand_over(&mut self, sock: Sock, data: BufMut, events: &mut Vec<Event>) {
        match self.socks.get(sock) {
            Some(entry) if entry.relay.is_some() => self.pass_on(sock, data),
            Some(_) => events.push(Event::Received { sock, data }),
            None => {}
        }
    }

    fn tell_end(&mut self, sock: Sock, events: &mut Vec<Event>) {
        match self.socks.get(sock) {
            Some(entry) if entry.relay.is_some() => self.on_relay_end(sock),
            Some(_) => events.push(Event::Finished { sock }),
            None => {}
        }
    }
}
