//! Rates over time.

use super::{heat::time_axis, pieces::Piece};
use crate::report::{
    page,
    svg::{Axis, Plot, Scale, Size},
    unit,
};

const HEIGHT: f64 = 200.0;

/// Right answers a second over time; nothing if there was none.
pub(super) fn completed(pieces: &[Piece]) -> String {
    if pieces.iter().all(|piece| piece.completed == 0) {
        return String::new();
    }
    let draw = |width| draw(pieces, "s0", "completed/s", |piece| piece.completed, width);
    page::figure("Completed over time", "", draw)
}

/// Failures a second over time; nothing if there was none.
pub(super) fn failed(pieces: &[Piece]) -> String {
    if pieces.iter().all(|piece| piece.failed == 0) {
        return String::new();
    }
    let draw = |width| draw(pieces, "bad", "failed/s", |piece| piece.failed, width);
    page::figure("Failures over time", "", draw)
}

fn draw(
    pieces: &[Piece],
    class: &str,
    title: &str,
    count: fn(&Piece) -> u64,
    width: f64,
) -> String {
    let rate = |piece: &Piece| count(piece) as f64 / piece.active_s;
    let most = pieces.iter().map(rate).fold(0.0, f64::max);
    let x = time_axis(pieces.last().map_or(1.0, |piece| piece.span_s.1));
    let y = Axis {
        scale: Scale::from_zero(most, 5),
        title: title.to_owned(),
        label: unit::number_short,
    };
    let size = Size {
        width,
        height: HEIGHT,
    };
    let mut plot = Plot::new(size, title, &x, &y, &[]);
    plot.columns(
        class,
        pieces.iter().map(|piece| (piece.span_s, rate(piece))),
    );
    plot.hints(
        pieces
            .iter()
            .map(|piece| (piece.span_s, hint(piece, title, rate(piece)))),
    );
    plot.finish()
}

fn hint(piece: &Piece, title: &str, rate: f64) -> String {
    let (from, to) = piece.span_s;
    let time = |second: f64| unit::time_short(second * 1e9);
    format!(
        "{} – {}: {} {title}",
        time(from),
        time(to),
        unit::number(rate)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_drawn_only_of_what_happened() {
        let piece = |completed, failed| Piece {
            span_s: (0.0, 1.0),
            active_s: 1.0,
            completed,
            failed,
            cells: Vec::new(),
        };
        for (pieces, sections) in [
            (vec![], (false, false)),
            (vec![piece(5, 0)], (true, false)),
            (vec![piece(0, 1), piece(0, 0)], (false, true)),
            (vec![piece(0, 1), piece(2, 0)], (true, true)),
        ] {
            let found = (!completed(&pieces).is_empty(), !failed(&pieces).is_empty());
            assert_eq!(found, sections);
        }
        assert!(failed(&[piece(0, 7)]).contains("0 – 1 s: 7.00 failed/s"));
    }
}
