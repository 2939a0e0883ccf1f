//! How far a relay is: what it moved, how much of that was told, and its end.

use crate::{Event, Sock};
use std::time::Duration;

/// Progress is told at least so often (the contract allows a second).
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(500);
/// A flow that moved so much is bulk.
const BULK_BYTES: u64 = 256 << 10;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Bytes that wait in the target's queue.
    queued: usize,
    /// Bytes that left in all.
    moved: u64,
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
    /// The flow is worth a pipe.
    pub(crate) fn is_bulk(&self) -> bool {
        self.moved >= BULK_BYTES
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
        self.moved += bytes as u64;
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
        let ends = self.progress == Progress::Ending;
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
}
