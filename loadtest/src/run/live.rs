//! What a running thread shows to others: counts that it alone writes and that anybody may read, each
//! by itself.

use crate::outcome::Tally;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A thread's counts; on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Live([AtomicU64; 7]);

impl Live {
    /// Shows `tally`.
    pub(super) fn publish(&self, tally: &Tally) {
        let values = [
            tally.started,
            tally.completed,
            tally.failed,
            tally.unfinished,
            tally.received_bytes,
            tally.sent_bytes,
            tally.connected,
        ];
        for (cell, value) in self.0.iter().zip(values) {
            cell.store(value, Relaxed);
        }
    }

    /// Adds what is shown to `sum`.
    pub(super) fn add_to(&self, sum: &mut Tally) {
        let [
            started,
            completed,
            failed,
            unfinished,
            received,
            sent,
            connected,
        ] = std::array::from_fn(|index| self.0[index].load(Relaxed));
        sum.started += started;
        sum.completed += completed;
        sum.failed += failed;
        sum.unfinished += unfinished;
        sum.received_bytes += received;
        sum.sent_bytes += sent;
        sum.connected += connected;
    }
}
