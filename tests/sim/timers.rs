//! Timers of the simulated peers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// What is to happen when; first in, first out among equals.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    entries: BTreeMap<(Instant, u64), T>,
    next: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Timers<T> {
    pub(crate) fn add(&mut self, now: Instant, after: Duration, what: T) {
        self.entries.insert((now + after, self.next), what);
        self.next += 1;
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.keys().next().map(|(at, _)| *at)
    }

    /// What is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        let due = self.next().is_some_and(|at| at <= now);
        due.then(|| self.entries.pop_first())
            .flatten()
            .map(|(_, what)| what)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
