//! A worker's way to the writer: entries are gathered for a turn, then handed over under a lock that is
//! only ever tried.

use super::{Facts, logs};
use crate::epoch::Place;
use std::{
    sync::{Arc, Mutex, TryLockError},
    thread::Thread,
};

/// Bytes that wait for the writer, per worker; what exceeds them is dropped and counted.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Entries of one worker, on their way to the writer.
#[derive(Debug, Default)]
pub struct LogRing {
    /// Entries of this turn.
    batch: Vec<u8>,
    entries: u64,
    /// Entries that were dropped so far.
    dropped: u64,
    shared: Option<Arc<Shared>>,
}

/// What worker and writer share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Entries one behind the other: length, log, values.
    pub(super) waiting: Mutex<Vec<u8>>,
    /// The writer's thread, to be woken.
    pub(super) writer: Thread,
    /// How many logs the filter chains before each one have, by listener and chain: a log's number is its
    /// place behind that.
    pub(super) first_log: Vec<Vec<u32>>,
}

impl LogRing {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared: Some(shared),
            ..Self::default()
        }
    }

    /// Entries dropped so far because the writer was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds an entry to each log of the listener.
    pub(crate) fn add(&mut self, facts: &Facts<'_>) {
        let Some(shared) = &self.shared else { return };
        let Place { listener, chain } = facts.place;
        let first = shared.first_log[listener as usize][chain as usize];
        for (log, number) in logs(facts.epoch, facts.place).iter().zip(0u32..) {
            if self.batch.len() > WAITING_BYTES_MAX {
                self.dropped += 1;
                continue;
            }
            let start = self.batch.len();
            self.batch.extend_from_slice(&[0; 4]);
            let number = first + number;
            self.batch.extend_from_slice(&number.to_le_bytes());
            log.format.take(facts, &mut self.batch);
            let len = u32::try_from(self.batch.len() - start - 4).unwrap_or(u32::MAX);
            self.batch[start..start + 4].copy_from_slice(&len.to_le_bytes());
            self.entries += 1;
        }
    }

    /// The values of this turn's first entry.
    pub(super) fn first(&self) -> &[u8] {
        self.batch.get(8..).unwrap_or_default()
    }

    /// Forgets this turn's entries once they have so many bytes.
    pub(super) fn forget(&mut self, bytes: usize) {
        if self.batch.len() > bytes {
            self.batch.clear();
        }
    }

    /// Hands this turn's entries to the writer, unless it holds the lock just now: then with the next
    /// turn's.
    pub(crate) fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let Some(shared) = &self.shared else { return };
        let mut waiting = match shared.waiting.try_lock() {
            Ok(waiting) => waiting,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let was_empty = waiting.is_empty();
        if waiting.len() + self.batch.len() > WAITING_BYTES_MAX {
            self.dropped += self.entries;
        } else {
            waiting.extend_from_slice(&self.batch);
        }
        drop(waiting);
        if was_empty {
            shared.writer.unpark();
        }
        self.batch.clear();
        self.entries = 0;
    }

    /// Entries that were not yet handed over.
    pub(crate) fn is_pending(&self) -> bool {
        !self.batch.is_empty()
    }
}
