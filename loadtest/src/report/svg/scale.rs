//! Where a value lies on an axis, and which values are worth a tick.

/// Orders of magnitude within which values are placed; what lies outside is drawn at the edge.
const LOG: (f64, f64) = (1e-12, 1e18);
/// Nines of the highest quantile that is shown.
const NINES_MAX: f64 = 8.0;

/// Maps values to 0..=1 along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Evenly from `low` to `high`.
    Linear {
        /// The value at the axis's start.
        low: f64,
        /// The value at its end; above `low`.
        high: f64,
    },
    /// By ratio from `low` to `high`.
    Log {
        /// The value at the axis's start; above 0.
        low: f64,
        /// The value at its end; above `low`.
        high: f64,
    },
    /// Quantiles by their distance to 1: 0.9, 0.99 and 0.999 are as far apart as 0 and 0.9.
    Nines {
        /// How many nines there are; above 0.
        nines: f64,
    },
}

impl Scale {
    /// Evenly from `low` to `high`, exactly.
    pub fn linear(low: f64, high: f64) -> Self {
        let low = if low.is_nan() {
            0.0
        } else {
            low.clamp(-LOG.1, LOG.1)
        };
        let high = high.min(2.0 * LOG.1);
        let high = if high > low {
            high
        } else {
            low + low.abs().max(1.0)
        };
        Self::Linear { low, high }
    }

    /// Evenly from 0 to the first round number not below `high`, with at most `most` steps.
    pub fn from_zero(high: f64, most: usize) -> Self {
        let high = if high.is_finite() && high > 0.0 {
            high
        } else {
            1.0
        };
        let step = step(high, most);
        Self::linear(0.0, (high / step).ceil() * step)
    }

    /// By ratio from `low` to `high`, exactly.
    pub fn log(low: f64, high: f64) -> Self {
        let (low, high) = ratio(low, high);
        Self::Log { low, high }
    }

    /// By ratio, from the last of 1, 2, 5, 10 … not above `low` to the first one not below `high`; these
    /// are never the same.
    pub fn log_around(low: f64, high: f64) -> Self {
        let (low, high) = ratio(low, high.max(low * 1.001));
        let all = || rounds(LOG.0 / 10.0, LOG.1 * 10.0);
        let below = all().take_while(|round| *round <= low * 1.000_001).last();
        let above = all().find(|round| *round >= high * 0.999_999);
        Self::log(below.unwrap_or(low), above.unwrap_or(high))
    }

    /// Quantiles up to the last one that `count` samples tell apart from the highest.
    pub fn nines(count: u64) -> Self {
        let nines = (count.max(10) as f64).log10().min(NINES_MAX);
        Self::Nines { nines }
    }

    /// Where a value lies, from 0 to 1; what is no number lies at 0.
    pub fn place(&self, value: f64) -> f64 {
        let at = match *self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Log { low, high } => (value / low).ln() / (high / low).ln(),
            Self::Nines { .. } if value >= 1.0 => 1.0,
            Self::Nines { nines } => -(1.0 - value).log10() / nines,
        };
        if at.is_nan() { 0.0 } else { at.clamp(0.0, 1.0) }
    }

    /// Round values in ascending order, about `most` at most.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        let most = most.clamp(2, 100);
        match *self {
            Self::Linear { low, high } => even(low, high, most),
            Self::Log { low, high } => {
                let all: Vec<f64> = rounds(low, high).collect();
                if all.len() < 2 {
                    return even(low, high, most);
                }
                if all.len() <= most {
                    return all;
                }
                let tens: Vec<f64> = all.into_iter().filter(|tick| is_ten(*tick)).collect();
                let every = tens.len().div_ceil(most);
                tens.into_iter().step_by(every).collect()
            }
            Self::Nines { nines } => {
                let nines = 1..=(nines + 1e-9) as i32;
                let quantiles = nines.map(|nines| 1.0 - 10f64.powi(-nines));
                [0.0, 0.5].into_iter().chain(quantiles).collect()
            }
        }
    }
}

/// Both ends above 0, within [`LOG`], and the second above the first.
fn ratio(low: f64, high: f64) -> (f64, f64) {
    let low = if low.is_nan() {
        1.0
    } else {
        low.clamp(LOG.0, LOG.1 / 10.0)
    };
    let high = if high > low {
        high.min(LOG.1)
    } else {
        low * 10.0
    };
    (low, high)
}

/// The least of 1, 2, 5, 10 … that covers `span` in at most `most` steps.
fn step(span: f64, most: usize) -> f64 {
    let least = (span / most.max(1) as f64).clamp(LOG.0, LOG.1);
    rounds(least * 0.999_999, LOG.1 * 10.0)
        .next()
        .unwrap_or(least)
}

/// Multiples of a round step within `low..=high`.
fn even(low: f64, high: f64, most: usize) -> Vec<f64> {
    let step = step(high - low, most);
    let first = (low / step - 1e-9).ceil();
    (0..=most)
        .map(|tick| (first + tick as f64) * step)
        .take_while(|tick| *tick <= high + step * 1e-9)
        .collect()
}

/// Of 1, 2, 5, 10 … those within `low..=high`, both above 0.
fn rounds(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let tens = low.log10().floor() as i32..=high.log10().ceil() as i32;
    tens.flat_map(|ten| [1.0, 2.0, 5.0].map(|round| scaled(round, ten)))
        .filter(move |round| *round >= low * 0.999_999 && *round <= high * 1.000_001)
}

/// `round * 10^ten`, without the error that a negative power brings.
fn scaled(round: f64, ten: i32) -> f64 {
    if ten < 0 {
        round / 10f64.powi(-ten)
    } else {
        round * 10f64.powi(ten)
    }
}

fn is_ten(value: f64) -> bool {
    let ten = value.log10();
    (ten - ten.round()).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (scale, most, ticks) in [
            (
                Scale::linear(0.0, 10.0),
                5,
                vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0],
            ),
            (Scale::linear(0.0, 1.0), 2, vec![0.0, 0.5, 1.0]),
            (Scale::linear(3.0, 14.0), 4, vec![5.0, 10.0]),
            (
                Scale::from_zero(97.0, 5),
                5,
                vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0],
            ),
            (Scale::from_zero(0.0, 4), 4, vec![0.0, 0.5, 1.0]),
            (Scale::log(1e3, 1e4), 6, vec![1e3, 2e3, 5e3, 1e4]),
            (Scale::log(900.0, 1.1e6), 6, vec![1e3, 1e4, 1e5, 1e6]),
            (Scale::log(1.0, 1e12), 5, vec![1.0, 1e3, 1e6, 1e9, 1e12]),
            (Scale::log(2.1, 4.0), 4, vec![2.5, 3.0, 3.5, 4.0]),
            (Scale::log_around(1.3e5, 1.4e5), 6, vec![1e5, 2e5]),
            (Scale::log_around(2e5, 2e5), 6, vec![2e5, 5e5]),
            (Scale::nines(1), 9, vec![0.0, 0.5, 0.9]),
            (Scale::nines(2500), 9, vec![0.0, 0.5, 0.9, 0.99, 0.999]),
        ] {
            let found = scale.ticks(most);
            let same = found.len() == ticks.len()
                && found
                    .iter()
                    .zip(&ticks)
                    .all(|(a, b)| (a - b).abs() <= b.abs() * 1e-9);
            assert!(same, "{scale:?}: {found:?}, not {ticks:?}");
        }
    }

    #[test]
    fn values_are_placed_and_never_outside() {
        for (scale, value, at) in [
            (Scale::linear(10.0, 20.0), 15.0, 0.5),
            (Scale::linear(10.0, 20.0), 25.0, 1.0),
            (Scale::linear(10.0, 20.0), f64::NAN, 0.0),
            (Scale::log(1e3, 1e5), 1e4, 0.5),
            (Scale::log(1e3, 1e5), 0.0, 0.0),
            (Scale::log(1e3, 1e5), -1.0, 0.0),
            (Scale::nines(10_000), 0.0, 0.0),
            (Scale::nines(10_000), 0.9, 0.25),
            (Scale::nines(10_000), 0.99, 0.5),
            (Scale::nines(10_000), 0.9999, 1.0),
            (Scale::nines(10_000), 1.0, 1.0),
            (Scale::nines(u64::MAX), 0.9999, 0.5),
        ] {
            assert!((scale.place(value) - at).abs() < 1e-9, "{scale:?} {value}");
        }
    }

    #[test]
    fn odd_ends_make_a_scale_all_the_same() {
        let odd = [
            0.0,
            -1.0,
            1.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::NAN,
            f64::INFINITY,
        ];
        for low in odd {
            for high in odd {
                for scale in [
                    Scale::linear(low, high),
                    Scale::log(low, high),
                    Scale::log_around(low, high),
                    Scale::from_zero(high, 5),
                ] {
                    let ticks = scale.ticks(6);
                    assert!(ticks.len() <= 20, "{scale:?}: {ticks:?}");
                    assert!(ticks.iter().all(|tick| tick.is_finite()));
                    let places: Vec<f64> = ticks.iter().map(|tick| scale.place(*tick)).collect();
                    assert!(places.is_sorted(), "{scale:?}: {ticks:?} {places:?}");
                    assert!((0.0..=1.0).contains(&scale.place(high)));
                }
            }
        }
    }
}
