//! The random calls: each on a socket for which it makes sense, and noted in the model.

use super::{
    lab::{End, Family},
    model::{Half, Link, Side, State},
    pattern::bytes,
    random::{ENGINES, Kept, Run},
    world::World,
};
use engines::Buf;
use std::mem;

/// Connections open at once.
const LINKS_MAX: usize = 24;

impl<W: World> Run<W> {
    pub(super) fn call(&mut self) {
        match self.rng.below(100) {
            0..8 => self.connect(),
            8..12 => self.connect_over_unix(),
            12..45 => self.send(),
            45..62 => self.resume_or_pause(),
            62..67 => self.finish(),
            67..71 => self.close(),
            71..79 => self.detach(),
            79..83 => self.relay(),
            83..88 => self.pass(),
            88..94 => self.keep_or_release(),
            _ => self.send_kept(),
        }
    }

    /// One of the ends of which `holds`.
    fn pick(&mut self, holds: impl Fn(&Half) -> bool) -> Option<Side> {
        let sides = self.model.sides_with(holds);
        let chosen = self.rng.below(sides.len() as u64) as usize;
        sides.get(chosen).copied()
    }

    fn has_room(&self) -> bool {
        let open = self.model.sides_with(|half| half.state != State::Closed);
        open.len() < 2 * LINKS_MAX
    }

    fn connect(&mut self) {
        if !self.has_room() {
            return;
        }
        let to = self.rng.below(ENGINES as u64) as usize;
        let at = self.rng.below(ENGINES as u64) as usize;
        let target = self.listeners[to].1.clone();
        let client = self.lab.connect(at, &target);
        self.add_link(client, None, Some(to));
    }

    fn connect_over_unix(&mut self) {
        if !self.has_room() {
            return;
        }
        let [from, to] = [(); 2].map(|()| self.rng.below(ENGINES as u64) as usize);
        let listener = self.lab.listen(to, Family::Abstract);
        self.lab.resume(listener);
        let (client, server) = self.lab.pair_by(from, listener);
        self.lab.close(listener);
        self.catch_up();
        self.add_link(client, Some(server), None);
    }

    fn add_link(&mut self, client: End, server: Option<End>, listener: Option<usize>) {
        self.model.links.push(Link {
            halves: [Some(Half::new(client)), server.map(Half::new)],
            listener,
            carries_leases: false,
            is_broken: false,
        });
    }

    fn send(&mut self) {
        let Some(side) = self.pick(Half::may_send) else {
            return;
        };
        let most = [20, 3000, 30_000, 400_000][self.rng.below(4) as usize];
        let len = 1 + self.rng.below(most) as usize;
        let data = bytes(self.rng.next_u64(), len);
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.queued.extend_from_slice(&data);
        let end = half.end;
        let blocks = self.lab.blocks(end.at);
        let buf = if self.rng.chance(1, 2) {
            blocks.write(&data)
        } else {
            Buf::from(data)
        };
        self.lab.send(end, buf);
    }

    fn resume_or_pause(&mut self) {
        let may = |half: &Half| half.state == State::Open && half.passes_to.is_none();
        let Some(side) = self.pick(may) else { return };
        let Some(half) = self.model.half(side) else {
            return;
        };
        let end = half.end;
        if self.rng.chance(2, 3) {
            self.lab.resume(end);
        } else {
            self.lab.pause(end);
        }
    }

    fn finish(&mut self) {
        let may = |half: &Half| half.state == State::Open && half.takes_from.is_none();
        let Some(side) = self.pick(may) else { return };
        self.finish_one(side);
    }

    pub(super) fn finish_one(&mut self, side: Side) {
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.has_finished = true;
        let end = half.end;
        self.lab.finish(end);
    }

    fn close(&mut self) {
        let Some(side) = self.pick(|half| half.state != State::Closed) else {
            return;
        };
        self.close_one(side);
    }

    pub(super) fn close_one(&mut self, side: Side) {
        let Some(half) = self.model.half(side) else {
            return;
        };
        let end = half.end;
        self.model.on_close(side);
        if self.rng.chance(1, 3) {
            self.lab.abort(end);
        } else {
            self.lab.close(end);
        }
        self.lab.release(end);
    }

    fn detach(&mut self) {
        let may = |half: &Half| half.state == State::Open && !half.is_relayed();
        let Some(side) = self.pick(may) else { return };
        // Nobody reads on a socket that leaves: what its peer sends would stand still until it left.
        let peer = self.model.half(side.peer()).map(|half| half.end);
        let sends = peer.is_some_and(|end| self.lab.log[end].is_sending());
        if sends || self.model.is_moving(side.link) {
            return;
        }
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.state = State::Leaving;
        let end = half.end;
        self.lab.engine(end.at).detach(end.sock);
    }

    /// Relays between two connections that have an end at the same engine.
    fn relay(&mut self) {
        let Some((from, to)) = self.pick_two() else {
            return;
        };
        self.relay_one(from, to);
        if self.rng.chance(2, 3) {
            self.relay_one(to, from);
        }
    }

    /// Ends of two connections at one engine that may be relayed.
    fn pick_two(&mut self) -> Option<(Side, Side)> {
        let may = |half: &Half| half.state == State::Open && !half.is_relayed() && !half.is_cut;
        let from = self.pick(may)?;
        let at = self.model.half(from).map(|half| half.end.at)?;
        let to = self.pick(|half| may(half) && half.end.at == at)?;
        let is_free = |side: Side| {
            let used = self.is_relayed(side.link) || self.model.links[side.link].carries_leases;
            !used && !self.model.is_moving(side.link)
        };
        (from.link != to.link && is_free(from) && is_free(to)).then_some((from, to))
    }

    /// Passes some of what an end has still to receive on to another connection.
    fn pass(&mut self) {
        self.catch_up();
        let Some((from, to)) = self.pick_two() else {
            return;
        };
        let has_finished = |half: &Half| half.has_finished;
        if self.model.half(to).is_none_or(has_finished) {
            return;
        }
        let before = self.model.half(from).map_or(0, |half| half.received.len());
        let queued = self.model.half(from.peer()).map(|half| &half.queued[..]);
        let coming = queued.and_then(|queued| queued.get(before..));
        let coming = coming.unwrap_or_default();
        let len = 1 + self.rng.below(coming.len() as u64) as usize;
        let Some(bytes) = coming.get(..len).map(<[u8]>::to_vec) else {
            return;
        };
        if [from, to].map(|side| self.model.links[side.link].is_broken) != [false; 2] {
            return;
        }
        let Some(target) = self.model.half_mut(to) else {
            return;
        };
        target.queued.extend_from_slice(&bytes);
        target.awaits = Some(from);
        let target = target.end;
        let Some(source) = self.model.half_mut(from) else {
            return;
        };
        let (source, half) = (source.end, source);
        half.passes = Some((to, bytes, self.lab.log[source].relayed));
        self.lab.pass(source, target, len as u64);
    }

    fn is_relayed(&self, link: usize) -> bool {
        let mut halves = self.model.links[link].halves.iter().flatten();
        halves.any(Half::is_relayed)
    }

    fn relay_one(&mut self, from: Side, to: Side) {
        let is_over = |half: &Half| half.was_told_end;
        let has_finished = |half: &Half| half.has_finished;
        if self.model.half(from).is_some_and(is_over)
            || self.model.half(to).is_some_and(has_finished)
        {
            return;
        }
        let broken = [from, to].map(|side| self.model.links[side.link].is_broken);
        for side in [from, to] {
            self.model.links[side.link].is_broken |= broken.contains(&true);
        }
        let Some(target) = self.model.half_mut(to) else {
            return;
        };
        target.takes_from = Some(from);
        let target = target.end;
        let Some(source) = self.model.half_mut(from) else {
            return;
        };
        source.passes_to = Some((to, source.received.len()));
        source.relayed_before = self.lab.log[source.end].relayed;
        let source = source.end;
        self.lab.relay(source, target);
    }

    fn keep_or_release(&mut self) {
        let Some(side) = self.pick(|half| half.state == State::Open) else {
            return;
        };
        let Some(half) = self.model.half(side) else {
            return;
        };
        let end = half.end;
        let held = mem::take(&mut self.lab.log.at(end).held);
        let (at, link) = (end.at, side.link);
        let kept = held.into_iter().map(|lease| Kept { at, link, lease });
        self.kept.extend(kept);
        if self.rng.chance(1, 2) {
            self.lab.log.at(end).asked.hold ^= true;
        } else if self.kept.len() > 4 {
            self.kept.drain(..self.kept.len() / 2);
        }
    }

    /// Sends a lease on that was received elsewhere.
    ///
    /// Only on a later connection, and on none that is relayed: leases that wait for each other's
    /// sockets to receive would wait for ever.
    fn send_kept(&mut self) {
        let Some(Kept { at, link, lease }) = self.kept.pop() else {
            return;
        };
        let may = |half: &Half| half.end.at == at && half.may_send();
        let Some(side) = self.pick(may) else { return };
        if side.link <= link || self.is_relayed(side.link) || self.model.is_moving(side.link) {
            return;
        }
        self.model.links[side.link].carries_leases = true;
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.queued.extend_from_slice(&lease);
        let end = half.end;
        self.lab.send(end, lease.freeze());
    }
}
