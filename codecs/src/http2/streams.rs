//! The table of streams under way, and the states they are in (RFC 9113 §5.1).
//!
//! A stream is in the table from its head to the end of both directions. Ids only grow, so the table is
//! sorted by being filled at its end; a look-up is a binary search.

use super::flow::{ReceiveWindow, SendWindow};
use std::collections::VecDeque;

/// One stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) send: SendWindow,
    pub(super) receive: ReceiveWindow,
    /// Bytes of the head that was given out.
    pub(super) head_bytes: u32,
    flags: Flags,
    /// 1xx heads that came.
    pub(super) interims: u8,
    /// Bytes of body still to come by content-length.
    pub(super) body_left: Option<u64>,
}

const _: () = assert!(size_of::<Stream>() <= 48);

/// What is known of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// Nothing yet.
    pub(super) const NONE: Self = Self(0);
    /// The peer has sent END_STREAM.
    pub(super) const REMOTE_END: Self = Self(1 << 0);
    /// We have sent END_STREAM.
    pub(super) const LOCAL_END: Self = Self(1 << 1);
    /// Our (final) head is out.
    pub(super) const HEAD_SENT: Self = Self(1 << 2);
    /// The peer's (final) head came.
    pub(super) const HEAD_CAME: Self = Self(1 << 3);
    /// The request was HEAD: its answer has no body, whatever length it tells.
    pub(super) const IS_HEAD: Self = Self(1 << 4);
    /// CONNECT (RFC 9113 §8.5).
    pub(super) const IS_CONNECT: Self = Self(1 << 5);
    /// Extended CONNECT (RFC 8441).
    pub(super) const IS_EXTENDED: Self = Self(1 << 6);
    /// The client was told `100 Continue` by us.
    pub(super) const TOLD_CONTINUE: Self = Self(1 << 7);
    /// Both directions are bytes of another protocol.
    pub(super) const IS_TUNNEL: Self = Self(1 << 8);
    /// The codec refused the request by itself.
    pub(super) const IS_REFUSED: Self = Self(1 << 9);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Stream {
    pub(super) fn new(id: u32, send: u32, receive: u32, flags: Flags) -> Self {
        Self {
            id,
            send: SendWindow::new(send),
            receive: ReceiveWindow::new(receive),
            head_bytes: 0,
            flags,
            interims: 0,
            body_left: None,
        }
    }

    #[inline]
    pub(super) fn is(&self, flag: Flags) -> bool {
        self.flags.0 & flag.0 != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flags: Flags) {
        self.flags = self.flags.and(flags);
    }

    /// Both directions are over.
    pub(super) fn is_over(&self) -> bool {
        self.is(Flags::REMOTE_END) && self.is(Flags::LOCAL_END)
    }

    /// A body may be sent on it, windows aside.
    pub(super) fn is_sending(&self) -> bool {
        self.is(Flags::HEAD_SENT) && !self.is(Flags::LOCAL_END)
    }
}

/// Streams whose memory is kept while there are none.
const KEPT: usize = 8;

/// All streams of a connection.
#[derive(Debug, Default)]
pub(super) struct Streams(VecDeque<Stream>);

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one whose id is larger than all others.
    pub(super) fn push(&mut self, stream: Stream) {
        debug_assert!(self.0.back().is_none_or(|last| last.id < stream.id));
        self.0.push_back(stream);
    }

    #[inline]
    fn position(&self, id: u32) -> Option<usize> {
        // The latest is the one most often asked for.
        match self.0.back() {
            Some(last) if last.id == id => Some(self.0.len() - 1),
            Some(last) if last.id > id => self.0.binary_search_by_key(&id, |stream| stream.id).ok(),
            Some(_) | None => None,
        }
    }

    #[inline]
    pub(super) fn find(&self, id: u32) -> Option<&Stream> {
        self.position(id).map(|at| &self.0[at])
    }

    #[inline]
    pub(super) fn find_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.position(id).map(|at| &mut self.0[at])
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let removed = self.0.remove(self.position(id)?);
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0.shrink_to(KEPT);
        }
        removed
    }

    /// The first with an id above that.
    pub(super) fn next_above(&self, id: u32) -> Option<&Stream> {
        self.0.get(self.0.partition_point(|stream| stream.id <= id))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.0.iter_mut()
    }
}

/// Streams that we ended before their peer did. What still comes for them was under way, and is let
/// pass, as far as the stream's window went: a peer could go on for ever.
#[derive(Debug, Default)]
pub(super) struct Tombs(VecDeque<Tomb>);

#[derive(Clone, Copy, Debug)]
struct Tomb {
    id: u32,
    /// Bytes that may still come.
    window: u32,
}

/// Ended streams that are remembered beside as many as may be under way at a time. A peer opens no
/// stream in place of one before it knows that it ended: one that still sends on an older stream than
/// these has had the time of so many later resets to notice.
const TOMBS_MORE: usize = 128;

/// And no more than so many, however many streams are allowed: they are looked through one by one.
const TOMBS_MAX: usize = 4096;

/// Tombs whose memory is kept while there are none.
const TOMBS_KEPT: usize = 8;

impl Tombs {
    /// `window`: what the peer could send of it when it ended. `streams_max`: how many it may have.
    pub(super) fn bury(&mut self, id: u32, window: u32, streams_max: u32) {
        if self.has(id) {
            return;
        }
        let max = (streams_max as usize).saturating_add(TOMBS_MORE);
        if self.0.len() >= max.min(TOMBS_MAX) {
            self.0.pop_front();
        }
        self.0.push_back(Tomb { id, window });
    }

    /// Bytes of the stream came; false: more than could be under way, or there is no such tomb.
    pub(super) fn admit(&mut self, id: u32, len: u32) -> bool {
        let Some(tomb) = self.0.iter_mut().find(|tomb| tomb.id == id) else {
            return false;
        };
        let left = tomb.window.checked_sub(len);
        tomb.window = left.unwrap_or(0);
        left.is_some()
    }

    /// They are few, and asked for only by frames of streams that are no more.
    pub(super) fn has(&self, id: u32) -> bool {
        self.0.iter().any(|tomb| tomb.id == id)
    }

    /// The peer has ended it too.
    pub(super) fn forget(&mut self, id: u32) {
        self.0.retain(|tomb| tomb.id != id);
        if self.0.is_empty() && self.0.capacity() > TOMBS_KEPT {
            self.0.shrink_to(TOMBS_KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ids: &[u32]) -> Streams {
        let mut streams = Streams::default();
        for id in ids {
            streams.push(Stream::new(*id, 1, 1, Flags::NONE));
        }
        streams
    }

    #[test]
    fn streams_are_found_by_id_and_by_order() {
        let mut streams = table(&[1, 5, 7, 9]);
        assert!(streams.find(3).is_none() && streams.find(11).is_none());
        assert_eq!(streams.remove(7).map(|stream| stream.id), Some(7));
        assert!(streams.remove(7).is_none());
        let order: Vec<_> = [0, 1, 4, 5, 9]
            .iter()
            .map(|id| streams.next_above(*id).map(|stream| stream.id))
            .collect();
        assert_eq!(order, [Some(1), Some(5), Some(5), Some(9), None]);
    }

    #[test]
    fn an_empty_table_keeps_little() {
        let ids: Vec<u32> = (0..100).map(|n| n * 2 + 1).collect();
        let mut streams = table(&ids);
        ids.iter()
            .for_each(|id| assert!(streams.remove(*id).is_some()));
        assert!(streams.0.capacity() <= KEPT * 2);
    }

    #[test]
    fn only_the_latest_tombs_are_kept() {
        for (streams_max, kept) in [
            (1, TOMBS_MORE + 1),
            (100, TOMBS_MORE + 100),
            (u32::MAX, TOMBS_MAX),
        ] {
            let mut tombs = Tombs::default();
            (0..=kept as u32).for_each(|id| tombs.bury(id, 10, streams_max));
            assert!(!tombs.has(0) && tombs.has(1), "{streams_max}");
            tombs.forget(1);
            assert!(!tombs.has(1));
        }
    }

    #[test]
    fn tombs_one_at_a_time_take_no_new_memory_and_many_give_theirs_back() {
        let mut tombs = Tombs::default();
        let turn = |tombs: &mut Tombs| {
            tombs.bury(1, 10, 100);
            tombs.forget(1);
        };
        turn(&mut tombs);
        let info = allocation_counter::measure(|| (0..100).for_each(|_| turn(&mut tombs)));
        assert_eq!(info.count_total, 0);
        (0..200).for_each(|id| tombs.bury(id, 10, 100));
        (0..200).for_each(|id| tombs.forget(id));
        assert!(tombs.0.capacity() <= TOMBS_KEPT * 2);
    }

    #[test]
    fn a_tomb_admits_what_its_window_allowed() {
        let mut tombs = Tombs::default();
        tombs.bury(1, 10, 100);
        assert!(tombs.admit(1, 9) && tombs.admit(1, 1) && tombs.admit(1, 0));
        assert!(!tombs.admit(1, 1) && !tombs.admit(3, 0));
        tombs.bury(1, 10, 100);
        assert!(!tombs.admit(1, 1), "it ends only once");
    }
}
