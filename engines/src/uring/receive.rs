//! Receiving from streams: arming, parking, delivering.
//!
//! A receive is multishot and takes its blocks from the ring of the socket's class. Where that ring is
//! empty, a socket without a lease gets one block of the reserve; others are parked until blocks come
//! home. Filled blocks over the socket's quota wait unleased in its stash. An idle socket holds no
//! block.
//!
//! A flow that is bulk awaits readiness and receives into several leased blocks by one call. (A receive
//! in the ring that may fill several provided buffers, a bundle, takes more of them than it is allowed
//! to: 37 instead of 1 were seen on Linux 6.18. Before 6.16 it may also leave one in the middle partly
//! filled.)

use super::{
    Uring,
    blocks::Filled,
    entry::{End, Entry, Inlet, Op, Phase},
    rest::Idle,
};
use crate::{
    BufMut, Event, SlotKey, Sock,
    buf::Group,
    lessee::{Budget, Park, Turn},
};
use io_uring::{cqueue, opcode, squeue, types::Fd};
use std::{io, mem};

/// Balance of full blocks over others from which on the receive in flight is ended to go on with large
/// blocks, or by readiness.
const FULL_BLOCKS_URGENT: u8 = 8;

impl Uring {
    /// Starts or ends the receive in flight, as wanted.
    pub(super) fn pump_receive(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        let inlet = &entry.inlet;
        let armed = entry.flight.has(Op::Recv);
        if inlet.wanted && (entry.has_stored() || entry.owes_end()) {
            self.mark_ready(sock);
        } else if !inlet.wanted || inlet.end != End::No {
            self.cancel(sock, Op::Recv);
            self.cancel(sock, Op::PollIn);
        } else if inlet.awaits_readable() && !armed {
            self.pump_poll_in(sock);
        } else if !armed && inlet.lessee.parked.is_none() {
            self.start_receive(sock);
        }
    }

    fn start_receive(&mut self, sock: Sock) {
        let quota = self.quota;
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if entry.inlet.lessee.leases >= quota {
            entry.inlet.lessee.parked = Some(Park::Quota);
            self.counters.quota_reached += 1;
            return;
        }
        entry.inlet.idle = Idle::No;
        if entry.inlet.lessee.is_bulk() && self.rings.free_for_bulk() {
            return self.mark_ready(sock);
        }
        let own = Group::from(entry.inlet.lessee.class);
        let fd = Fd(entry.raw());
        let one_block = |group: Group| {
            opcode::Recv::new(fd, std::ptr::null_mut(), 0)
                .buf_group(group as u16)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
        };
        let operation = if self.rings.lent(own) > 0 && own == Group::Large {
            // The kernel would go on filling blocks, as many as there are bytes, before it can be told
            // that whoever they are for does not take them.
            entry.inlet.group = own;
            one_block(own)
        } else if self.rings.lent(own) > 0 {
            entry.inlet.group = own;
            opcode::RecvMulti::new(fd, own as u16).build()
        } else if entry.inlet.lessee.is_served_by_reserve() && self.rings.lent(Group::Reserve) > 0 {
            // One block only: it has to come home before there is another.
            entry.inlet.group = Group::Reserve;
            one_block(Group::Reserve)
        } else {
            return self.starve(sock);
        };
        self.counters.rearms += 1;
        self.sweep.on_armed(self.clock.now);
        // SAFETY: the kernel writes to provided blocks only, which the pool keeps mapped.
        unsafe { self.push(sock, Op::Recv, operation) };
    }

    /// Parks the socket until blocks come home.
    fn starve(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock) {
            entry.inlet.lessee.parked = Some(Park::Blocks);
            self.starved.push(sock);
            self.counters.blocks_exhausted += 1;
        }
    }

    /// Lends what came home and lets go on who waited for it.
    pub(super) fn lend(&mut self) {
        let (socks, dirty, quota) = (&mut self.socks, &mut self.dirty, self.quota);
        self.rings.lend(|owner| {
            let sock = Sock::from_bits(owner);
            let Some(entry) = socks.get_mut(sock) else {
                return;
            };
            if entry.inlet.lessee.on_home(quota) && !mem::replace(&mut entry.dirty, true) {
                dirty.push(sock);
            }
        });
        self.feed_starved();
    }

    /// Re-arms at most as many parked sockets as there are blocks. More could go on, as idle ones
    /// take none; they do at the next `wait`, which does not block meanwhile.
    fn feed_starved(&mut self) {
        let (socks, dirty, rings) = (&mut self.socks, &mut self.dirty, &self.rings);
        let budget = Budget::new(|group| rings.lent(group).into());
        self.starved.feed(budget, |sock, budget| {
            let starving = |e: &&mut Entry| e.inlet.lessee.parked == Some(Park::Blocks);
            let Some(entry) = socks.get_mut(*sock).filter(starving) else {
                return Turn::Over;
            };
            if !entry.inlet.lessee.take_share(budget) {
                return Turn::Waits;
            }
            if !mem::replace(&mut entry.dirty, true) {
                dirty.push(*sock);
            }
            Turn::Over
        });
    }

    /// True when a parked socket could go on at once.
    pub(super) fn can_feed(&self) -> bool {
        self.starved.iter().any(|sock| {
            self.socks.get(*sock).is_some_and(|entry| {
                let own = self.rings.lent(entry.inlet.lessee.class.into()) > 0;
                own || entry.inlet.lessee.is_served_by_reserve()
                    && self.rings.lent(Group::Reserve) > 0
            })
        })
    }

    pub(super) fn on_received(
        &mut self,
        sock: Sock,
        completion: &cqueue::Entry,
        events: &mut Vec<Event>,
    ) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        let result = completion.result();
        if let Some(index) = cqueue::buffer_select(completion.flags()) {
            entry.inlet.idle = Idle::No;
            let (group, bytes) = (entry.inlet.group, result.max(0) as u32);
            if entry.is_open() {
                let room = self.rings.blocks().bytes_of(group);
                entry.inlet.lessee.note_size(bytes as usize, room as usize);
            }
            let filled = self.rings.take_back(group, index, bytes);
            self.on_filled(sock, filled, events);
        }
        match result {
            1.. => {}
            0 => self.on_end(sock),
            code => self.on_receive_error(sock, -code),
        }
        if !cqueue::more(completion.flags()) {
            self.mark_dirty(sock);
        }
    }

    fn on_end(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock)
            && entry.inlet.end == End::No
        {
            entry.inlet.end = End::Seen;
            self.mark_ready(sock);
        }
    }

    fn on_receive_error(&mut self, sock: Sock, code: i32) {
        match code {
            libc::ENOBUFS => {
                let starving = |e: &Entry| e.is_open() && e.inlet.lessee.parked.is_none();
                if self.socks.get(sock).is_some_and(starving) {
                    self.on_ring_empty(sock);
                }
            }
            // The descriptor does not block, and so the receive did not wait.
            libc::EAGAIN => self.await_readable(sock),
            libc::ECANCELED | libc::EINTR => {}
            _ => self.fail(sock, io::Error::from_raw_os_error(code)),
        }
    }

    fn await_readable(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock) {
            (entry.inlet.nonblocking, entry.inlet.readable) = (true, false);
        }
    }

    /// The ring of the socket's class ran empty: the reserve serves who holds nothing.
    fn on_ring_empty(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        let from_reserve = entry.inlet.group == Group::Reserve;
        let reserve = self.rings.lent(Group::Reserve) > 0;
        if entry.inlet.lessee.is_served_by_reserve() && reserve && !from_reserve {
            self.counters.blocks_exhausted += 1;
            return; // Armed anew at the next flush.
        }
        self.starve(sock);
    }

    /// Takes a block that the kernel filled.
    fn on_filled(&mut self, sock: Sock, filled: Filled, events: &mut Vec<Event>) {
        let owner = sock.to_bits();
        let quota = self.quota;
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if entry.is_ending() || filled.bytes == 0 {
            entry.inlet.lessee.leases += 1;
            return drop(self.rings.claim(filled, owner));
        }
        if filled.group == Group::Reserve {
            self.counters.reserve_receives += 1;
        }
        if entry.phase == Phase::Leaving {
            return entry.rare_mut().stash.push_back(filled);
        }
        if !entry.has_stored() && entry.inlet.lessee.leases < quota {
            entry.inlet.lessee.leases += 1;
            let leases = entry.inlet.lessee.leases;
            let data = self.rings.claim(filled, owner);
            data.note_leases(leases);
            self.hand_over(sock, data, events);
        } else {
            entry.rare_mut().stash.push_back(filled);
        }
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        let held = usize::from(entry.inlet.lessee.leases) + entry.stashed();
        if held >= usize::from(quota) && entry.inlet.lessee.parked.is_none() {
            entry.inlet.lessee.parked = Some(Park::Quota);
            self.counters.quota_reached += 1;
            self.cancel(sock, Op::Recv);
        } else if entry.inlet.is_outgrown(self.rings.free_for_bulk()) {
            self.cancel(sock, Op::Recv);
        }
    }

    /// Receives bulk once, when it is its turn: it is readable and nothing else is under way.
    fn receive_bulk(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let (owner, quota) = (sock.to_bits(), self.quota);
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        let inlet = &mut entry.inlet;
        let is_turn = inlet.readable && inlet.end == End::No && inlet.lessee.parked.is_none();
        if !is_turn || !inlet.lessee.is_bulk() || entry.flight.has(Op::Recv) {
            return;
        }
        let (mut bulk, blocks) = (mem::take(&mut self.bulk), self.rings.blocks());
        if bulk.lease_more(&mut entry.inlet.lessee, owner, blocks, quota) {
            match entry.with_fd(|fd| bulk.receive(fd)) {
                Ok(0) => self.on_end(sock),
                Ok(bytes) => {
                    entry.inlet.lessee.note_size(bytes, bulk.first());
                    entry.inlet.readable = bytes == bulk.room();
                    for block in bulk.filled(bytes) {
                        self.hand_over(sock, block, events);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    entry.inlet.readable = false;
                }
                Err(error) => self.fail(sock, error),
            }
        }
        self.bulk = bulk;
        self.mark_dirty(sock);
    }

    /// Delivers stored bytes up to the quota: to the caller or to the relay's target.
    pub(super) fn deliver_stored(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let owner = sock.to_bits();
        loop {
            let full = self.is_full(events);
            let Some(entry) = self.socks.get_mut(sock) else {
                return;
            };
            // A relay may have come to its end meanwhile.
            if !entry.has_stored() || !entry.inlet.wanted {
                return entry.settle();
            }
            let rare = entry.rare_mut();
            if !rare.unread.is_empty() {
                let unread = mem::take(&mut rare.unread);
                self.hand_over(sock, BufMut::from(unread), events);
                continue;
            }
            if entry.inlet.lessee.leases >= self.quota || full {
                return;
            }
            let Some(filled) = entry.rare_mut().stash.pop_front() else {
                return;
            };
            entry.inlet.lessee.leases += 1;
            let leases = entry.inlet.lessee.leases;
            let data = self.rings.claim(filled, owner);
            data.note_leases(leases);
            self.hand_over(sock, data, events);
        }
    }

    fn hand_over(&mut self, sock: Sock, data: BufMut, events: &mut Vec<Event>) {
        match self.socks.get(sock) {
            Some(entry) if entry.relay.is_some() => self.pass_on(sock, data),
            Some(_) => events.push(Event::Received { sock, data }),
            None => {}
        }
    }

    /// Serves a stream that has something to deliver.
    pub(super) fn serve_stream(&mut self, sock: Sock, events: &mut Vec<Event>) {
        if self.is_splicing(sock) {
            return self.serve_splice(sock);
        }
        let wanted = |e: &Entry| e.inlet.wanted;
        if !self.socks.get(sock).is_some_and(wanted) {
            return;
        }
        self.deliver_stored(sock, events);
        if self.is_full(events) {
            return self.mark_ready(sock);
        }
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if entry.stashed() > 0 && entry.inlet.lessee.parked.is_none() {
            entry.inlet.lessee.parked = Some(Park::Quota);
        }
        if entry.owes_end() {
            entry.inlet.end = End::Told;
            if entry.relay.is_some() {
                self.on_relay_end(sock);
            } else {
                events.push(Event::Finished { sock });
            }
        } else if !entry.has_stored() {
            self.receive_bulk(sock, events);
            self.mark_dirty(sock);
        }
    }
}

impl Inlet {
    /// Receives only when there is something: it rests, would not wait, or is bulk.
    fn awaits_readable(&self) -> bool {
        (self.nonblocking || self.idle == Idle::Rests || self.lessee.is_bulk()) && !self.readable
    }

    /// The receive in flight takes small blocks where large ones are due, or one where many are.
    fn is_outgrown(&self, free_for_bulk: bool) -> bool {
        let is_small = self.group != Group::from(self.lessee.class);
        let is_single = free_for_bulk && self.lessee.is_bulk();
        self.lessee.full_blocks >= FULL_BLOCKS_URGENT && (is_small || is_single)
    }
}
