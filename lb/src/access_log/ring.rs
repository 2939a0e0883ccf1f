//! A worker's way to the writer: entries are gathered for a turn, then handed over under a lock that is
//! only ever tried.

use super::{Facts, connection_id::ConnectionIds, logs};
use crate::{config::AccessLogConfig, epoch::Place};
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
    connection_ids: ConnectionIds,
}

/// What worker and writer share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Entries one behind the other: length, log, values.
    pub(super) waiting: Mutex<Vec<u8>>,
    /// The writer's thread, to be woken.
    pub(super) writer: Thread,
    /// By listener.
    pub(super) first_log: Vec<FirstLogs>,
}

/// The numbers of a listener's first logs: the others of one place follow.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstLogs {
    /// Of those of its connections.
    pub(super) connections: u32,
    /// Of those of each filter chain.
    pub(super) chains: Vec<u32>,
}

impl LogRing {
    /// A ring that numbers connections from a source that all workers have.
    pub(super) fn new(shared: Arc<Shared>, connection_ids: ConnectionIds) -> Self {
        Self {
            shared: Some(shared),
            connection_ids,
            ..Self::default()
        }
    }

    /// Entries dropped so far because the writer was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A number for a client's connection.
    pub(crate) fn next_connection_id(&mut self) -> u32 {
        self.connection_ids.take()
    }

    /// Adds an entry to each log of the filter chain.
    pub(crate) fn add(&mut self, facts: &Facts<'_>) {
        let Some(shared) = &self.shared else { return };
        let Place { listener, chain } = facts.place;
        let first = shared.first_log[listener as usize].chains[chain as usize];
        self.add_to(logs(facts.epoch, facts.place), first, facts);
    }

    /// Adds an entry to each log that the listener has of its connections.
    pub(crate) fn add_connection(&mut self, facts: &Facts<'_>) {
        let Some(shared) = &self.shared else { return };
        let listener = facts.place.listener;
        let first = shared.first_log[listener as usize].connections;
        let logs = &facts.epoch.listener(listener).access_logs;
        self.add_to(logs, first, facts);
    }

    fn add_to(&mut self, logs: &[Arc<AccessLogConfig>], first: u32, facts: &Facts<'_>) {
        for (log, number) in logs.iter().zip(0u32..) {
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
