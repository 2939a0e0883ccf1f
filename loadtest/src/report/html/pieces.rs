//! A run's slices as pictures need them: not more than there are pixels for.

use crate::outcome::Outcome;
use std::time::Duration;

/// Most columns of a picture.
const COLUMNS: usize = 240;
/// Most rows of latency: what is beyond counts as the last one. 128 rows reach beyond an hour.
const ROWS: usize = 136;
/// Least part of a piece for which a rate is told.
const PART: f64 = 0.25;

/// Some slices taken together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    /// When it began and ended, in seconds since the warm-up.
    pub(super) span_s: (f64, f64),
    /// For how long answers came in it, in seconds; above 0.
    pub(super) active_s: f64,
    /// Right answers.
    pub(super) completed: u64,
    /// Failures.
    pub(super) failed: u64,
    /// Answers by corrected latency, as in a slice; without zeros at the end.
    pub(super) cells: Vec<u64>,
}

/// The slices of a run, neighbours put together until there are at most [`COLUMNS`]. None if no slice has
/// anything in it, or a length.
pub(super) fn pieces(outcome: &Outcome) -> Vec<Piece> {
    let is_empty = outcome.slices.iter().all(|slice| {
        slice.completed == 0 && slice.failed == 0 && slice.cells.iter().all(|count| *count == 0)
    });
    if is_empty {
        return Vec::new();
    }
    // A length is missing only where the whole run took no time; it has to be some for a picture.
    let slice_s = outcome.slice.max(Duration::from_nanos(1)).as_secs_f64();
    let each = outcome.slices.len().div_ceil(COLUMNS);
    let mut pieces = Vec::new();
    for (index, slices) in outcome.slices.chunks(each).enumerate() {
        let start_s = (index * each) as f64 * slice_s;
        let end_s = start_s + slices.len() as f64 * slice_s;
        let mut piece = Piece {
            span_s: (start_s, end_s),
            active_s: end_s - start_s,
            completed: 0,
            failed: 0,
            cells: Vec::new(),
        };
        for slice in slices {
            piece.completed = piece.completed.saturating_add(slice.completed);
            piece.failed = piece.failed.saturating_add(slice.failed);
            add(&mut piece.cells, &slice.cells);
        }
        pieces.push(piece);
    }
    clip(&mut pieces, outcome.measured.as_secs_f64());
    pieces
}

fn add(cells: &mut Vec<u64>, counts: &[u32]) {
    for (cell, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let cell = cell.min(ROWS - 1);
        if cells.len() <= cell {
            cells.resize(cell + 1, 0);
        }
        cells[cell] = cells[cell].saturating_add(u64::from(*count));
    }
}

/// A run that ends within its last piece gave it less time than the others; its rate would seem to fall.
fn clip(pieces: &mut [Piece], end_s: f64) {
    if let Some(last) = pieces.last_mut() {
        let (start, stop) = last.span_s;
        if end_s > start && end_s < stop {
            last.active_s = (end_s - start).max((stop - start) * PART);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn many_slices_become_few_and_lose_nothing() {
        for count in [1, 2, 239, 240, 241, 1000, 3000] {
            let (_, mut outcome) = sample::small();
            outcome.slice = Duration::from_millis(10);
            outcome.slices = vec![sample::slice(3, 2, &[(50_000, 1), (1_000_000, 2)]); count];
            let pieces = pieces(&outcome);
            assert!(pieces.len() <= COLUMNS && pieces.len() * 2 >= count.min(COLUMNS));
            let sum = |part: fn(&Piece) -> u64| pieces.iter().map(part).sum::<u64>();
            let count = count as u64;
            assert_eq!(sum(|piece| piece.completed), 3 * count);
            assert_eq!(sum(|piece| piece.failed), 2 * count);
            assert_eq!(sum(|piece| piece.cells.iter().sum()), 3 * count);
            assert!(
                pieces
                    .windows(2)
                    .all(|two| (two[0].span_s.1 - two[1].span_s.0).abs() < 1e-9)
            );
        }
    }

    #[test]
    fn the_last_piece_counts_for_the_time_it_had() {
        for (measured_ms, active_s) in [
            (1000, 0.5),
            (900, 0.4),
            (510, 0.125),
            (100, 0.5),
            (2000, 0.5),
        ] {
            let (_, mut outcome) = sample::small();
            outcome.measured = Duration::from_millis(measured_ms);
            let last = pieces(&outcome)[1].active_s;
            assert!((last - active_s).abs() < 1e-9, "{measured_ms}: {last}");
        }
    }

    #[test]
    fn no_slice_with_anything_is_no_piece() {
        for (name, _, outcome) in sample::odd() {
            let is_empty = pieces(&outcome).is_empty();
            assert_eq!(
                is_empty,
                ["empty", "slices without anything"].contains(&name),
                "{name}"
            );
        }
    }
}
