//! How far a relay is: what it moved, how much of that was told, and its end.

use crate::{Event, Sock};
use std::time::Duration;

/// Progress is told at least so often (the contract allows a second).
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(500);
/// A flow that moved so much, or that is to move so much, is bulk.
const BULK_BYTES: u64 = 256 << 10;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Bytes that wait in the target's queue.
    queued: usize,
    /// Bytes that left in all, or that are to leave.
    weight: u64,
    /// Bytes still to be taken from the source; none where that has no end.
    left: Option<u64>,
    /// Bytes that left since the last report.
    unreported: u64,
    /// A report is scheduled.
    scheduled: bool,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Flowing,
    /// The source's end was seen; the target sends what is left.
    Ending,
    /// The target is half-closed.
    Ended,
    Told,
}

impl Tally {
    /// Of a relay that ends after so many bytes, unless `None`.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        Self {
            weight: bytes.unwrap_or(0),
            left: bytes,
            ..Self::default()
        }
    }

    /// The flow is worth a pipe.
    pub(crate) fn is_bulk(&self) -> bool {
        self.weight >= BULK_BYTES
    }

    /// The relay ends by itself.
    pub(crate) fn is_bounded(&self) -> bool {
        self.left.is_some()
    }

    /// How much may be taken from the source now.
    pub(crate) fn room(&self) -> usize {
        let left = self.left.and_then(|left| usize::try_from(left).ok());
        left.unwrap_or(usize::MAX)
    }

    /// `bytes` came from the source; returns how many of them are the relay's.
    pub(crate) fn take(&mut self, bytes: usize) -> usize {
        let own = bytes.min(self.room());
        if let Some(left) = &mut self.left {
            *left -= own as u64;
        }
        own
    }

    /// Nothing more is to be taken from the source.
    pub(crate) fn has_all(&self) -> bool {
        self.left == Some(0)
    }

    /// A relay that ends by itself has ended: all is taken, or the source has ended, and of that
    /// nothing waits in the target's queue or in a pipe, which holds `piped`.
    pub(crate) fn is_complete(&self, piped: usize) -> bool {
        let is_over = self.has_all() || self.progress == Progress::Ending;
        self.is_bounded() && is_over && self.queued + piped == 0
    }

    /// `bytes` more are in the target's queue.
    pub(crate) fn on_queued(&mut self, bytes: usize) {
        self.queued += bytes;
    }

    /// Nothing waits in the target's queue.
    pub(crate) fn is_drained(&self) -> bool {
        self.queued == 0
    }

    /// `bytes` more left, from the queue or past it while it is empty; true when a report is to be scheduled.
    pub(crate) fn on_left(&mut self, bytes: usize) -> bool {
        self.queued = self.queued.saturating_sub(bytes);
        self.weight = self.weight.saturating_add(bytes as u64);
        self.unreported += bytes as u64;
        !std::mem::replace(&mut self.scheduled, true)
    }

    /// The scheduled report is due.
    pub(crate) fn on_period_end(&mut self) {
        self.scheduled = false;
    }

    /// The source has ended, and all that it sent is on its way.
    pub(crate) fn on_source_end(&mut self) {
        self.progress = Progress::Ending;
    }

    /// The target is half-closed; true when that is the relay's end, which is then to be told.
    pub(crate) fn on_half_closed(&mut self) -> bool {
        let ends = self.progress == Progress::Ending && !self.is_bounded();
        if ends {
            self.progress = Progress::Ended;
        }
        ends
    }

    /// Tells the due progress and the end.
    pub(crate) fn tell(&mut self, from: Sock, events: &mut Vec<Event>) {
        let ended = self.progress == Progress::Ended;
        if self.unreported > 0 && (ended || !self.scheduled) {
            let bytes = std::mem::take(&mut self.unreported);
            events.push(Event::Relayed { from, bytes });
        }
        if ended {
            self.progress = Progress::Told;
            events.push(Event::Finished { sock: from });
        }
    }

    /// Tells all that left, whether it is due or not.
    pub(crate) fn tell_all(&mut self, from: Sock, events: &mut Vec<Event>) {
        let bytes = std::mem::take(&mut self.unreported);
        if bytes > 0 {
            events.push(Event::Relayed { from, bytes });
        }
    }

    /// Tells what a complete relay has to: the rest, and the source's end if that came first.
    pub(crate) fn tell_complete(&mut self, from: Sock, events: &mut Vec<Event>) {
        self.tell_all(from, events);
        if self.progress == Progress::Ending && !self.has_all() {
            events.push(Event::Finished { sock: from });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlotKey;

    #[test]
    fn progress_is_told_when_due_and_at_the_end_before_it() {
        let (mut tally, mut events) = (Tally::default(), Vec::new());
        let from = Sock::from_parts(1, 0);
        assert!(tally.on_left(3) && !tally.on_left(4));
        tally.tell(from, &mut events);
        assert!(events.is_empty(), "not due yet");
        tally.on_period_end();
        tally.tell(from, &mut events);
        assert!(matches!(events[..], [Event::Relayed { bytes: 7, .. }]));
        assert!(tally.on_left(5));
        assert!(!tally.on_half_closed(), "the source goes on");
        tally.on_source_end();
        assert!(tally.on_half_closed() && !tally.on_half_closed());
        tally.tell(from, &mut events);
        tally.tell(from, &mut events);
        assert!(matches!(
            events[1..],
            [Event::Relayed { bytes: 5, .. }, Event::Finished { .. }]
        ));
    }

    #[test]
    fn a_bounded_relay_takes_its_bytes_and_no_more() {
        let (mut tally, mut events) = (Tally::new(Some(10)), Vec::new());
        let from = Sock::from_parts(1, 0);
        assert_eq!((tally.room(), tally.take(7), tally.room()), (10, 7, 3));
        tally.on_queued(7);
        assert_eq!((tally.take(5), tally.take(1)), (3, 0));
        assert!(tally.has_all() && !tally.is_complete(3));
        tally.on_left(7);
        assert!(!tally.is_complete(3));
        tally.on_left(3);
        assert!(tally.is_complete(0));
        tally.tell_complete(from, &mut events);
        assert!(matches!(events[..], [Event::Relayed { bytes: 10, .. }]));
    }

    #[test]
    fn a_bounded_relay_whose_source_ends_early_is_complete_when_all_has_left() {
        let (mut tally, mut events) = (Tally::new(Some(10)), Vec::new());
        let from = Sock::from_parts(1, 0);
        tally.on_queued(4);
        assert_eq!(tally.take(4), 4);
        tally.on_source_end();
        assert!(!tally.is_complete(0));
        tally.on_left(4);
        assert!(tally.is_complete(0) && !tally.on_half_closed());
        tally.tell_complete(from, &mut events);
        assert!(matches!(
            events[..],
            [Event::Relayed { bytes: 4, .. }, Event::Finished { .. }]
        ));
    }

    #[test]
    fn a_flow_is_bulk_when_it_is_to_be() {
        assert!(Tally::new(Some(BULK_BYTES)).is_bulk());
        assert!(!Tally::new(Some(BULK_BYTES - 1)).is_bulk() && !Tally::new(None).is_bulk());
    }
}
