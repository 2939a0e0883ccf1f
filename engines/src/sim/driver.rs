//! Who runs next on a simulated network of several engines, and when the clock moves.

use super::{EngineId, SimNet};
use crate::Rng;
use std::time::Instant;

/// Who runs on one engine.
#[derive(Clone, Copy, Debug)]
pub struct Party {
    /// Its engine.
    pub engine: EngineId,
    /// When it has something to do by itself, whatever its engine says.
    pub deadline: Option<Instant>,
}

/// Picks by seed; the same seed and the same parties give the same run.
#[derive(Debug)]
pub struct Driver {
    net: SimNet,
    rng: Rng,
    runnable: Vec<usize>,
}

impl Driver {
    /// A driver of all parties on `net`.
    pub fn new(net: &SimNet, rng: Rng) -> Self {
        Self {
            net: net.clone(),
            rng,
            runnable: Vec::new(),
        }
    }

    /// The index of the party that is to `wait` next. The clock is moved when none can run, to the
    /// earliest moment at which one may. `None`: nothing will ever happen again.
    pub fn next(&mut self, parties: &[Party]) -> Option<usize> {
        loop {
            let now = self.net.now();
            self.runnable.clear();
            for (index, party) in parties.iter().enumerate() {
                let late = party.deadline.is_some_and(|at| at <= now);
                if late || self.net.is_due(party.engine) {
                    self.runnable.push(index);
                }
            }
            if !self.runnable.is_empty() {
                return Some(self.runnable[self.rng.index(self.runnable.len())]);
            }
            let deadlines = parties.iter().filter_map(|party| party.deadline);
            let next = deadlines.chain(self.net.next_due()).min()?;
            self.net.advance_to(next);
        }
    }
}
