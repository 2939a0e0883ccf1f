//! A run in pieces of equal length whose number is bounded: when they become too many, neighbours are
//! joined, so that a run may last as long as it likes.

use crate::outcome::{Slice, cell_of};
use std::time::Duration;

/// Slices kept.
pub(super) const SLICES_MAX: usize = 512;
/// The shortest slice.
const WIDTH_NS: u64 = 100_000_000;

/// What happened when, counted from the begin of the measured part.
#[derive(Debug)]
pub(super) struct Slices {
    width_ns: u64,
    slices: Vec<Slice>,
}

impl Default for Slices {
    fn default() -> Self {
        Self {
            width_ns: WIDTH_NS,
            slices: Vec::new(),
        }
    }
}

impl Slices {
    /// The slice of a moment.
    pub(super) fn at(&mut self, ns: u64) -> &mut Slice {
        while ns / self.width_ns >= SLICES_MAX as u64 {
            self.widen();
        }
        let index = (ns / self.width_ns) as usize;
        if self.slices.len() <= index {
            self.slices.resize(index + 1, Slice::default());
        }
        &mut self.slices[index]
    }

    /// Adds what another thread saw.
    pub(super) fn add(&mut self, mut other: Self) {
        while self.width_ns < other.width_ns {
            self.widen();
        }
        while other.width_ns < self.width_ns {
            other.widen();
        }
        if self.slices.len() < other.slices.len() {
            self.slices.resize(other.slices.len(), Slice::default());
        }
        for (own, other) in self.slices.iter_mut().zip(&other.slices) {
            join(own, other);
        }
    }

    /// The slices, and how long each is.
    pub(super) fn into_parts(self) -> (Vec<Slice>, Duration) {
        (self.slices, Duration::from_nanos(self.width_ns))
    }

    fn widen(&mut self) {
        self.width_ns *= 2;
        let pairs = self.slices.len().div_ceil(2);
        for pair in 0..pairs {
            let mut joined = std::mem::take(&mut self.slices[pair * 2]);
            if let Some(second) = self.slices.get(pair * 2 + 1) {
                join(&mut joined, second);
            }
            self.slices[pair] = joined;
        }
        self.slices.truncate(pairs);
    }
}

/// Counts an answer with that latency.
pub(super) fn count(slice: &mut Slice, latency_ns: u64) {
    let cell = cell_of(latency_ns);
    if slice.cells.len() <= cell {
        slice.cells.resize(cell + 1, 0);
    }
    slice.cells[cell] = slice.cells[cell].saturating_add(1);
}

fn join(into: &mut Slice, other: &Slice) {
    into.completed += other.completed;
    into.failed += other.failed;
    into.received_bytes += other.received_bytes;
    if into.cells.len() < other.cells.len() {
        into.cells.resize(other.cells.len(), 0);
    }
    for (own, other) in into.cells.iter_mut().zip(&other.cells) {
        *own = own.saturating_add(*other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_slices_are_joined_and_their_number_is_bounded() {
        let mut slices = Slices::default();
        for second in 0..10_000u64 {
            let slice = slices.at(second * 1_000_000_000);
            slice.completed += 1;
            slice.received_bytes += second;
            count(slice, 1000 * (1 << (second % 20)));
        }
        let mut other = Slices::default();
        other.at(50_000_000).completed = 5;
        other.add(slices);
        let (slices, width) = other.into_parts();
        assert!(slices.len() <= SLICES_MAX && width.as_secs_f64() * 512.0 > 10_000.0);
        let completed: u64 = slices.iter().map(|slice| slice.completed).sum();
        let bytes: u64 = slices.iter().map(|slice| slice.received_bytes).sum();
        let cells = slices.iter().flat_map(|slice| &slice.cells);
        assert_eq!((completed, bytes), (10_005, 49_995_000));
        assert_eq!(cells.map(|cell| u64::from(*cell)).sum::<u64>(), 10_000);
    }
}
