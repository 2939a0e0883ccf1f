//! Figures of several rounds as one.

use serde::Serialize;

/// The middle of some figures, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

/// The spread of figures; none without any. What is no number is left out.
pub(super) fn spread(figures: &[f64]) -> Option<Spread> {
    let mut sorted: Vec<f64> = figures.iter().copied().filter(|f| f.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    };
    Some(Spread { median, low, high })
}

/// How much of `whole` a `part` is; none unless both are above 0.
pub(super) fn ratio(part: f64, whole: f64) -> Option<f64> {
    let ratio = part / whole;
    (ratio.is_finite() && part > 0.0 && whole > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_found_whatever_the_order() {
        for (figures, want) in [
            (&[][..], None),
            (&[f64::NAN], None),
            (&[2.0], Some((2.0, 2.0, 2.0))),
            (&[3.0, 1.0], Some((2.0, 1.0, 3.0))),
            (&[9.0, 1.0, 4.0], Some((4.0, 1.0, 9.0))),
            (&[4.0, f64::INFINITY, 1.0, 2.0, 3.0], Some((2.5, 1.0, 4.0))),
        ] {
            let found = spread(figures).map(|s| (s.median, s.low, s.high));
            assert_eq!(found, want, "{figures:?}");
        }
    }

    #[test]
    fn a_ratio_needs_something_to_be_compared_with() {
        for (part, whole, want) in [
            (1.0, 2.0, Some(0.5)),
            (0.0, 2.0, None),
            (-1.0, 2.0, None),
            (1.0, 0.0, None),
            (f64::NAN, 1.0, None),
            (1.0, -1.0, None),
        ] {
            assert_eq!(ratio(part, whole), want, "{part} of {whole}");
        }
    }
}
