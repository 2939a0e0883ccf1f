//! Latency over time as shades.

use super::pieces::Piece;
use crate::{
    outcome::cell_floor,
    report::{
        page,
        svg::{Axis, Cell, Key, Plot, SHADES, Scale, Size},
        unit, words,
    },
};
use std::time::Duration;

/// Least number of rows, so that a narrow range is not drawn as if it were wide.
const ROWS: usize = 12;

/// How many answers took how long when; nothing if none came.
pub(super) fn section(pieces: &[Piece], measured: Duration) -> String {
    let most = pieces
        .iter()
        .flat_map(|piece| piece.cells.iter().copied())
        .max()
        .unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let about = "Each column is a moment of the run, each row a latency (corrected); the stronger the \
                 shade, the more answers.";
    page::figure("Latency over time", about, |width| {
        draw(pieces, most, measured, width)
    })
}

fn draw(pieces: &[Piece], most: u64, measured: Duration, width: f64) -> String {
    let rows = rows(pieces);
    let end_s = pieces.last().map_or(1.0, |piece| piece.span_s.1);
    let y = Axis {
        scale: Scale::log(floor(rows.0), floor(rows.1)),
        title: "latency".to_owned(),
        label: unit::time_short,
    };
    let x = time_axis(end_s);
    let shades = Key::Shades {
        low: "1".to_owned(),
        high: words::count(most, "answer"),
    };
    let size = Size {
        width,
        height: 340.0,
    };
    let mut plot = Plot::new(size, "Latency over time", &x, &y, &[shades]);
    plot.cells(pieces.iter().flat_map(|piece| shaded(piece, most)));
    let measured_s = measured.as_secs_f64();
    if measured_s < end_s * 0.98 && measured_s > end_s * 0.2 {
        plot.mark(measured_s, "last start");
    }
    plot.hints(pieces.iter().map(|piece| (piece.span_s, hint(piece))));
    plot.finish()
}

/// The axis of all that is drawn over a run's time.
pub(super) fn time_axis(end_s: f64) -> Axis {
    Axis {
        scale: Scale::linear(0.0, end_s),
        title: "time since the warm-up".to_owned(),
        label: if end_s >= 1.0 {
            seconds
        } else {
            parts_of_a_second
        },
    }
}

fn seconds(second: f64) -> String {
    unit::number_short(second) + " s"
}

fn parts_of_a_second(second: f64) -> String {
    unit::time_short(second * 1e9)
}

/// First row and the one after the last.
fn rows(pieces: &[Piece]) -> (usize, usize) {
    let first = |piece: &Piece| piece.cells.iter().position(|count| *count > 0);
    let first = pieces.iter().filter_map(first).min().unwrap_or(0);
    let end = pieces
        .iter()
        .map(|piece| piece.cells.len())
        .max()
        .unwrap_or(0);
    let missing = ROWS.saturating_sub(end - first);
    let first = first.saturating_sub(missing / 2);
    (first, end.max(first + ROWS))
}

/// The lower edge of a row in ns; the first one reaches to 0, which has no place on the axis.
fn floor(row: usize) -> f64 {
    if row == 0 {
        1000.0 / (cell_floor(2) / cell_floor(1))
    } else {
        cell_floor(row)
    }
}

/// Neighbours of one shade in a column are one cell.
fn shaded(piece: &Piece, most: u64) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for (row, count) in piece
        .cells
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
    {
        let (from, to, shade) = (floor(row), floor(row + 1), shade(*count, most));
        match cells.last_mut() {
            Some(last) if last.shade == shade && last.y.1 == from => last.y.1 = to,
            _ => cells.push(Cell {
                x: piece.span_s,
                y: (from, to),
                shade,
            }),
        }
    }
    cells
}

/// By ratio: a single slow answer among thousands of quick ones is what the picture is for.
fn shade(count: u64, most: u64) -> u8 {
    if most <= 1 {
        return SHADES - 1;
    }
    let share = (count.max(1) as f64).ln() / (most as f64).ln();
    (share * f64::from(SHADES - 1)).round() as u8
}

fn hint(piece: &Piece) -> String {
    let (from, to) = piece.span_s;
    let time = |second: f64| unit::time_short(second * 1e9);
    let mut out = format!(
        "{} – {}: {} completed, {} failed",
        time(from),
        time(to),
        unit::count(piece.completed),
        unit::count(piece.failed)
    );
    if let Some(slowest) = piece.cells.len().checked_sub(1) {
        let (from, to) = (cell_floor(slowest), floor(slowest + 1));
        out += &format!(
            ", slowest {} – {}",
            unit::time_short(from),
            unit::time_short(to)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(cells: &[u64]) -> Piece {
        Piece {
            span_s: (0.0, 1.0),
            active_s: 1.0,
            completed: 1,
            failed: 0,
            cells: cells.to_vec(),
        }
    }

    #[test]
    fn shades_reach_from_one_to_the_most() {
        for (count, most, expected) in [
            (1, 1, 8),
            (1, 2, 0),
            (2, 2, 8),
            (1, 10_000, 0),
            (100, 10_000, 4),
            (10_000, 10_000, 8),
            (u64::MAX, u64::MAX, 8),
        ] {
            assert_eq!(shade(count, most), expected, "{count} of {most}");
        }
    }

    #[test]
    fn rows_hold_all_and_are_not_too_few() {
        let far = [vec![0; 40], vec![1]].concat();
        for (cells, expected) in [
            (vec![1], (0, 12)),
            (far.clone(), (35, 47)),
            ([far, vec![1; 30]].concat(), (40, 71)),
        ] {
            assert_eq!(rows(&[piece(&cells)]), expected);
        }
    }

    #[test]
    fn ticks_of_time_have_one_unit() {
        let labels = |end_s| {
            let axis = time_axis(end_s);
            let ticks = axis.scale.ticks(2).into_iter().map(axis.label);
            ticks.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(labels(1.0), "0 s, 0.5 s, 1 s");
        assert_eq!(labels(3600.0), "0 s, 2,000 s");
        assert_eq!(labels(0.05), "0, 50 ms");
    }

    #[test]
    fn neighbours_of_one_shade_are_one_cell() {
        let cells = shaded(&piece(&[0, 1, 1, 1, 0, 1, 9]), 9);
        let found: Vec<_> = cells.iter().map(|cell| (cell.y, cell.shade)).collect();
        let expected = [
            ((cell_floor(1), cell_floor(4)), 0),
            ((cell_floor(5), cell_floor(6)), 0),
            ((cell_floor(6), cell_floor(7)), 8),
        ];
        assert_eq!(found, expected);
    }
}
