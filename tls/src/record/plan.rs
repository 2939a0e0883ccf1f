//! Which records a piece of data goes in; told before they are made, and again when they are.

use crate::Now;
use crate::limits::{FIRST_RECORD_BYTES, FIRST_RECORDS_BYTES, RECORD_BYTES_MAX, RECORD_IDLE};

/// How many bytes go in a record now.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Bytes that go in small records yet.
    first: usize,
    /// When data was sent last.
    last: Now,
}

impl Pace {
    pub(super) fn new(now: Now) -> Self {
        Self {
            first: FIRST_RECORDS_BYTES,
            last: now,
        }
    }

    /// The same at another time.
    pub(super) fn at(self, now: Now) -> Self {
        if now.saturating_sub(self.last) >= RECORD_IDLE {
            return Self::new(now);
        }
        Self {
            last: now.max(self.last),
            ..self
        }
    }

    fn take(&mut self, data: usize) -> usize {
        if self.first == 0 {
            return data.min(RECORD_BYTES_MAX);
        }
        let len = data.min(FIRST_RECORD_BYTES);
        self.first = self.first.saturating_sub(len);
        len
    }
}

/// The records that some data goes in, one after another.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) pace: Pace,
    /// Bytes that are in no record yet.
    pub(super) data: usize,
    /// Number of the next record.
    pub(super) seq: u64,
    /// Records that the keys may be used for.
    pub(super) records_max: u64,
    /// Keys can be changed.
    pub(super) has_update: bool,
    /// The peer has asked for a KeyUpdate.
    pub(super) is_due: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planned {
    /// A KeyUpdate: what follows has new keys.
    Update,
    /// So many bytes of data.
    Data(usize),
    /// Nothing more can be sent.
    UsedUp,
}

impl Iterator for Plan {
    type Item = Planned;

    /// A KeyUpdate is the last record of the keys before it (RFC 8446 §4.6.3), so it goes where one more fits.
    fn next(&mut self) -> Option<Planned> {
        if self.data == 0 {
            return None;
        }
        let is_last = self.seq > 0 && self.seq + 1 >= self.records_max;
        if self.has_update && (self.is_due || is_last) {
            (self.seq, self.is_due) = (0, false);
            return Some(Planned::Update);
        }
        if self.seq >= self.records_max {
            self.data = 0;
            return Some(Planned::UsedUp);
        }
        let len = self.pace.take(self.data);
        (self.data, self.seq) = (self.data - len, self.seq + 1);
        Some(Planned::Data(len))
    }
}

#[cfg(test)]
mod tests {
    use super::{Planned::*, *};

    fn plan(data: usize, records_max: u64, has_update: bool) -> Plan {
        let pace = Pace::new(Now::ZERO);
        Plan {
            pace,
            data,
            seq: 0,
            records_max,
            has_update,
            is_due: false,
        }
    }

    #[test]
    fn records_are_small_first_and_after_a_pause() {
        let mut first = plan(40_000, 100, true);
        let lens: Vec<_> = first.by_ref().collect();
        let small = Data(FIRST_RECORD_BYTES);
        assert_eq!(
            lens,
            [
                small,
                small,
                small,
                small,
                Data(16_384),
                Data(40_000 - 32_768)
            ]
        );
        for (after, want) in [(999, 16_384), (1000, FIRST_RECORD_BYTES)] {
            let pace = first.pace.at(Now::from_millis(after));
            let next = Plan {
                pace,
                data: 20_000,
                ..first
            }
            .next();
            assert_eq!(next, Some(Data(want)), "after {after} ms");
        }
    }

    #[test]
    fn keys_are_changed_before_they_are_used_up() {
        let lens: Vec<_> = plan(5 * 4096, 3, true).collect();
        let data = Data(4096);
        assert_eq!(lens, [data, data, Update, data, data, Update, data]);
        let lens: Vec<_> = plan(5 * 4096, 3, false).collect();
        assert_eq!(lens, [data, data, data, UsedUp]);
    }

    #[test]
    fn a_peer_that_asked_is_answered_before_data_and_once() {
        let lens: Vec<_> = Plan {
            is_due: true,
            ..plan(5000, 9, true)
        }
        .collect();
        assert_eq!(lens, [Update, Data(4096), Data(904)]);
        let none = Plan {
            is_due: true,
            ..plan(0, 9, true)
        }
        .next();
        assert_eq!(none, None);
    }
}
