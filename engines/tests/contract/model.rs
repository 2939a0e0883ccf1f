//! The reference: connections as pairs of byte streams, and what may be told of them.
//!
//! While both ends live, each reads a prefix of what the other one queued, and all of it when it is
//! told the end. An end of a relay passes the stream on that its own peer queued.

use super::{
    lab::End,
    log::{Log, Seen},
};
use engines::Carried;

/// Names one end: a connection, and which side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) link: usize,
    pub(crate) half: usize,
}

impl Side {
    pub(crate) fn peer(self) -> Self {
        let half = 1 - self.half;
        Self { half, ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// `detach` was called.
    Leaving,
    Closed,
}

/// One end of a connection, through all engines that had it.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) end: End,
    pub(crate) state: State,
    /// Everything queued by calls.
    pub(crate) queued: Vec<u8>,
    pub(crate) has_finished: bool,
    pub(crate) received: Vec<u8>,
    pub(crate) was_told_end: bool,
    /// As a relay's source: its target, and how much was received before.
    pub(crate) passes_to: Option<(Side, usize)>,
    /// How much was told to have been relayed before that.
    pub(crate) relayed_before: u64,
    /// As a relay's target: its source.
    pub(crate) takes_from: Option<Side>,
    /// As the source of a relay with an end: its target, the bytes that are to pass, and how many
    /// were told to have passed before.
    pub(crate) passes: Option<(Side, Vec<u8>, u64)>,
    /// As its target: its source.
    pub(crate) awaits: Option<Side>,
    /// What it is to send was cut: nothing may come behind it.
    pub(crate) is_cut: bool,
}

impl Half {
    pub(crate) fn new(end: End) -> Self {
        Self {
            end,
            state: State::Open,
            queued: Vec::new(),
            has_finished: false,
            received: Vec::new(),
            was_told_end: false,
            passes_to: None,
            relayed_before: 0,
            takes_from: None,
            passes: None,
            awaits: None,
            is_cut: false,
        }
    }

    pub(crate) fn is_relayed(&self) -> bool {
        self.others().next().is_some()
    }

    /// More may be queued on it by calls.
    pub(crate) fn may_send(&self) -> bool {
        let takes = self.takes_from.is_some() || self.awaits.is_some();
        self.state == State::Open && !self.has_finished && !takes && !self.is_cut
    }

    /// The ends that it is relayed to and from.
    fn others(&self) -> impl Iterator<Item = Side> {
        let targets = [
            self.passes_to.map(|(to, _)| to),
            self.passes.as_ref().map(|(to, ..)| *to),
        ];
        let sources = [self.takes_from, self.awaits];
        targets.into_iter().chain(sources).flatten()
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    /// The side that connected, and the one that was accepted, once it was.
    pub(crate) halves: [Option<Half>; 2],
    /// The listener whose accept is awaited: two connections to different ones may come from the
    /// same address.
    pub(crate) listener: Option<usize>,
    /// Leases of other connections were sent on it.
    pub(crate) carries_leases: bool,
    /// A side was closed: streams may end anywhere.
    pub(crate) is_broken: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) links: Vec<Link>,
}

impl Model {
    pub(crate) fn half(&self, side: Side) -> Option<&Half> {
        self.links[side.link].halves[side.half].as_ref()
    }

    pub(crate) fn half_mut(&mut self, side: Side) -> Option<&mut Half> {
        self.links[side.link].halves[side.half].as_mut()
    }

    /// All ends that exist.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let links = 0..self.links.len();
        let all = links.flat_map(|link| [0, 1].map(|half| Side { link, half }));
        all.filter(|side| self.half(*side).is_some()).collect()
    }

    /// The ends of which `holds`.
    pub(crate) fn sides_with(&self, holds: impl Fn(&Half) -> bool) -> Vec<Side> {
        let mut all = self.sides();
        all.retain(|side| self.half(*side).is_some_and(&holds));
        all
    }

    /// True while a socket of the connection, or of one that it is relayed to, is on its way between
    /// engines: it does not read, and so another one there might never leave.
    pub(crate) fn is_moving(&self, link: usize) -> bool {
        let halves = self.links[link].halves.iter().flatten();
        let others = halves.flat_map(Half::others);
        let links = others.map(|side| side.link).chain([link]);
        let mut halves = links.flat_map(|link| self.links[link].halves.iter().flatten());
        halves.any(|half| half.state == State::Leaving)
    }

    /// Notes that a side is closed, and with it what a relay hangs on it.
    pub(crate) fn on_close(&mut self, side: Side) {
        self.links[side.link].is_broken = true;
        for side in [side, side.peer()] {
            let Some(half) = self.half(side) else {
                continue;
            };
            let others: Vec<_> = half.others().collect();
            for other in others {
                self.links[other.link].is_broken = true;
                if let Some(half) = self.half_mut(other) {
                    half.is_cut |= half.awaits.is_some();
                }
            }
        }
        if let Some(half) = self.half_mut(side) {
            half.state = State::Closed;
        }
    }

    /// Compares what a side was told since the last time; returns what carries it, if it left.
    pub(crate) fn catch_up(&mut self, side: Side, log: &mut Log) -> Option<Carried> {
        let half = self.half_mut(side)?;
        let seen = log.at(half.end);
        let checked = half.received.len();
        let passed = seen.relayed;
        if let Some((to, bytes, _)) = half
            .passes
            .take_if(|(_, bytes, before)| passed == *before + bytes.len() as u64)
        {
            half.received.extend(bytes);
            if let Some(target) = self.half_mut(to) {
                target.awaits = None;
            }
        }
        let half = self.half_mut(side)?;
        let seen = log.at(half.end);
        half.received.append(&mut seen.received);
        half.was_told_end |= seen.finished;
        let failed = half.state != State::Closed && seen.has_failed();
        let carried = seen.carried.take();
        if failed {
            let why = &seen.closed;
            assert!(self.links[side.link].is_broken, "{side:?} failed: {why:?}");
            self.on_close(side);
        }
        self.check(side, checked);
        carried
    }

    fn check(&self, side: Side, checked: usize) {
        let Some(half) = self.half(side) else { return };
        let received = &half.received;
        let Some(writer) = self.half(side.peer()) else {
            return assert!(received.is_empty(), "{side:?} received from nobody");
        };
        let own = &writer.queued;
        let passed = self.passed_on(writer);
        let (first, second) = received.split_at(received.len().min(own.len()));
        let from = checked.min(first.len());
        assert!(first[from..] == own[from..first.len()], "{side:?} differs");
        let from = checked.saturating_sub(own.len());
        assert!(second.len() <= passed.len(), "{side:?} received too much");
        assert!(
            second[from..] == passed[from..second.len()],
            "{side:?} differs"
        );
        if half.was_told_end && !self.links[side.link].is_broken && half.passes_to.is_none() {
            let all = own.len() + passed.len();
            assert!(self.may_end(writer), "{side:?} was told an end too early");
            assert_eq!(received.len(), all, "{side:?} was told an end too early");
        }
    }

    /// The bytes that come to a relay's target from its source.
    fn passed_on(&self, target: &Half) -> &[u8] {
        let Some(source) = target.takes_from else {
            return &[];
        };
        let before = self.half(source).and_then(|half| half.passes_to);
        let origin = self.half(source.peer()).map(|half| &half.queued[..]);
        &origin.unwrap_or_default()[before.map_or(0, |(_, before)| before)..]
    }

    /// True when what `writer` sends ends.
    fn may_end(&self, writer: &Half) -> bool {
        let Some(source) = writer.takes_from else {
            return writer.has_finished;
        };
        self.half(source.peer())
            .is_some_and(|half| half.has_finished)
    }

    /// True when nothing more is to be told of an unbroken connection's side.
    pub(crate) fn is_done(&self, side: Side, seen: &Seen) -> bool {
        let Some(half) = self.half(side) else {
            return false;
        };
        let passed = half.passes_to.is_none_or(|(_, before)| {
            let origin = self.half(side.peer()).map_or(0, |half| half.queued.len());
            seen.relayed - half.relayed_before == (origin - before) as u64
        });
        half.was_told_end && passed && seen.sent == seen.asked.sent_bytes
    }
}
