//! Receiving from streams and bound sockets.

use super::{
    SimEngine,
    agenda::Timer,
    entry::End,
    socket::{NetKey, Readable},
};
use crate::{Buf, BufMut, Datagram, Event, SlotKey, Sock, buf::Group, lessee::Park};
use std::{io, time::Duration};

/// Blocks, or datagrams, received from a socket in one turn.
const BLOCKS_IN_TURN: usize = 4;

impl SimEngine {
    pub(super) fn receive(&mut self, sock: Sock, key: NetKey, events: &mut Vec<Event>) {
        for _ in 0..BLOCKS_IN_TURN {
            let Some(entry) = self.entries.get_mut(sock) else {
                return;
            };
            if !entry.is_receiving() {
                return;
            }
            if !entry.is_wanted {
                entry.late_blocks -= 1;
            }
            if !entry.unread.is_empty() {
                let unread = std::mem::take(&mut entry.unread);
                self.hand_over(sock, BufMut::from(unread), events);
                continue;
            }
            let readable = self.net.world().readable(key);
            match readable {
                Readable::Nothing => return,
                Readable::Bytes(bytes) => self.read(sock, key, bytes, events),
                Readable::End => self.tell_end(sock, events),
                Readable::Error(code) => {
                    return self.fail(sock, io::Error::from_raw_os_error(code));
                }
            }
        }
        self.mark(sock);
    }

    /// Reads into one block, or parks until there is one.
    fn read(&mut self, sock: Sock, key: NetKey, available: usize, events: &mut Vec<Event>) {
        self.start_drought_by_chance();
        let Some(mut block) = self.lease(sock) else {
            return;
        };
        let size = block.len();
        let mut world = self.net.world();
        let bytes = world.cut_receive(available.min(size));
        world.read(key, &mut block[..bytes]);
        if cfg!(planted = "lost_byte") && bytes == size {
            world.read(key, &mut [0][..available.saturating_sub(bytes).min(1)]);
        }
        drop(world);
        block.truncate(bytes);
        if let Some(entry) = self.entries.get_mut(sock) {
            entry.lessee.note_size(bytes, size);
        }
        self.hand_over(sock, block, events);
    }

    fn lease(&mut self, sock: Sock) -> Option<BufMut> {
        let lessee = &mut self.entries.get_mut(sock)?.lessee;
        let leased = lessee.lease(sock.to_bits(), &self.blocks, self.quota, &mut self.counters);
        if leased.is_none() {
            self.net.world().seat(self.id).parked += 1;
        }
        if lessee.parked == Some(Park::Blocks) {
            self.starved.push(sock);
        }
        leased
    }

    /// Takes all free blocks but the reserve away for a while, if the network wants it so.
    fn start_drought_by_chance(&mut self) {
        let mut world = self.net.world();
        if !self.hoard.is_empty() || !world.faults.droughts.strikes(&mut world.rng) {
            return;
        }
        let longest = world.faults.drought_max;
        let lasts = world.draw_between(Duration::ZERO, longest);
        drop(world);
        for group in [Group::Small, Group::Large] {
            while let Some(index) = self.blocks.take_free(group) {
                self.hoard.push((group, index));
            }
        }
        self.add_timer(lasts, Timer::Drought);
    }

    /// Gives the blocks back.
    pub(super) fn end_drought(&mut self) {
        for (group, index) in self.hoard.drain(..) {
            drop(self.blocks.claim(group, index, 0, u64::MAX));
        }
    }

    fn hand_over(&mut self, sock: Sock, data: BufMut, events: &mut Vec<Event>) {
        if self.is_relayed(sock) {
            self.pass_on(sock, data);
        } else {
            events.push(Event::Received { sock, data });
        }
    }

    fn tell_end(&mut self, sock: Sock, events: &mut Vec<Event>) {
        if let Some(entry) = self.entries.get_mut(sock) {
            entry.end = End::Told;
        }
        if self.is_relayed(sock) {
            self.end_relay(sock);
        } else {
            events.push(Event::Finished { sock });
        }
    }

    pub(super) fn serve_datagrams(&mut self, sock: Sock, key: NetKey, events: &mut Vec<Event>) {
        self.send_datagrams(sock, key);
        for _ in 0..BLOCKS_IN_TURN {
            let Some(entry) = self.entries.get_mut(sock) else {
                return;
            };
            if !entry.is_receiving() {
                return;
            }
            if !entry.is_wanted {
                entry.late_blocks -= 1;
            }
            let Some(packet) = self.net.world().take_packet(key) else {
                return;
            };
            let datagram = Datagram {
                peer: packet.from,
                local: Some(packet.to),
                data: Buf::from(packet.data),
            };
            events.push(Event::Datagram { sock, datagram });
        }
        self.mark(sock);
    }

    /// Asks for receiving or accepting, or for none.
    pub(super) fn want(&mut self, sock: Sock, wanted: bool) {
        let (quota, net) = (self.quota, self.net.clone());
        let Some(entry) = self.live(sock) else { return };
        if entry.relay.is_some() {
            return;
        }
        let was_wanted = std::mem::replace(&mut entry.is_wanted, wanted);
        let mut world = net.world();
        if wanted {
            entry.late_blocks = 0;
        } else if was_wanted && world.faults.late_receives.strikes(&mut world.rng) {
            entry.late_blocks = world.rng.between(1, quota.min(3).into()) as u8;
        }
        drop(world);
        self.mark(sock);
    }
}
