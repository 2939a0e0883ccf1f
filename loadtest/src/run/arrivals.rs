//! When requests are to start: intended starts, in order, as offsets from the start of their period.
//!
//! Of several threads each takes every so-many-th start of the one schedule, so that together they make
//! exactly that; independent arrivals are drawn by each thread at its part of the rate.

use crate::workload;
use engines::Rng;
use std::time::Duration;

/// Which part of the whole a thread makes.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The thread's number, from 0.
    pub index: u32,
    /// Threads in all, at least 1.
    pub of: u32,
}

impl Share {
    /// The whole.
    pub const ALL: Self = Self { index: 0, of: 1 };

    /// The thread's part of `count` things that are dealt out in turn.
    pub fn part_of(self, count: u64) -> u64 {
        let (index, of) = (u64::from(self.index), u64::from(self.of));
        count / of + u64::from(index < count % of)
    }
}

/// The intended starts of one thread within one period, in ns from its begin.
#[derive(Debug)]
pub(super) struct Arrivals {
    curve: Curve,
    /// The number, in the whole schedule, of the next start.
    next: u64,
    stride: u64,
    end_ns: u64,
}

#[derive(Debug)]
enum Curve {
    Never,
    Constant {
        rate: f64,
    },
    Poisson {
        rate: f64,
        at_s: f64,
        rng: Rng,
    },
    /// The rate changes by `slope` each second.
    Ramp {
        from: f64,
        slope: f64,
    },
    Steps {
        steps: Vec<Step>,
        current: usize,
    },
}

#[derive(Clone, Copy, Debug)]
struct Step {
    start_s: f64,
    end_s: f64,
    rate: f64,
    /// Starts before it.
    before: f64,
}

impl Arrivals {
    /// The starts of `wanted` over `period`; none of a closed loop.
    pub(super) fn new(
        wanted: &workload::Arrivals,
        period: Duration,
        share: Share,
        rng: &mut Rng,
    ) -> Self {
        let curve = match wanted {
            workload::Arrivals::Closed => Curve::Never,
            workload::Arrivals::Constant(rate) => Curve::Constant { rate: *rate },
            workload::Arrivals::Poisson(rate) => Curve::Poisson {
                rate: rate / f64::from(share.of),
                at_s: 0.0,
                rng: rng.fork(),
            },
            workload::Arrivals::Ramp { from, to } => Curve::Ramp {
                from: *from,
                slope: (to - from) / period.as_secs_f64(),
            },
            workload::Arrivals::Steps(rates) => Curve::Steps {
                steps: steps(rates, period),
                current: 0,
            },
        };
        Self {
            curve,
            next: share.index.into(),
            stride: share.of.into(),
            end_ns: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// What comes before the load is recorded: its first rate.
    pub(super) fn warm_up(
        wanted: &workload::Arrivals,
        period: Duration,
        share: Share,
        rng: &mut Rng,
    ) -> Self {
        let steady = match (wanted, wanted.first_rate()) {
            (workload::Arrivals::Poisson(rate), _) => workload::Arrivals::Poisson(*rate),
            (_, Some(rate)) if rate > 0.0 => workload::Arrivals::Constant(rate),
            (_, Some(_) | None) => workload::Arrivals::Closed,
        };
        Self::new(&steady, period, share, rng)
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let at_s = self.curve.start_of(self.next)?;
        self.next += self.stride;
        let ns = (at_s * 1e9).round() as u64;
        (ns < self.end_ns).then_some(ns)
    }
}

impl Curve {
    /// When the start with that number is, in seconds; never asked backwards.
    fn start_of(&mut self, number: u64) -> Option<f64> {
        let count = number as f64;
        match self {
            Self::Never => None,
            Self::Constant { rate } => Some(count / *rate),
            Self::Poisson { rate, at_s, rng } => {
                // Gaps of independent arrivals are exponential; 53 random bits, never 0.
                let uniform = ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
                *at_s -= uniform.ln() / *rate;
                Some(*at_s)
            }
            Self::Ramp { from, slope } => ramp(*from, *slope, count),
            Self::Steps { steps, current } => loop {
                let step = steps.get(*current)?;
                let at_s = step.start_s + (count - step.before) / step.rate;
                if at_s < step.end_s {
                    return Some(at_s);
                }
                *current += 1;
            },
        }
    }
}

/// The moment at which a rate that began with `from` has brought `count` starts: the solution of
/// `from · t + slope · t² / 2 = count`, in the form that loses no digits when the slope is small.
fn ramp(from: f64, slope: f64, count: f64) -> Option<f64> {
    if count == 0.0 {
        return Some(0.0);
    }
    let root = (from * from + 2.0 * slope * count).sqrt();
    // Not a number: a falling rate reaches 0 before.
    root.is_finite().then(|| 2.0 * count / (from + root))
}

fn steps(rates: &[f64], period: Duration) -> Vec<Step> {
    let each_s = period.as_secs_f64() / rates.len().max(1) as f64;
    let mut before = 0.0;
    let numbered = rates.iter().enumerate();
    numbered
        .map(|(index, rate)| {
            let step = Step {
                start_s: each_s * index as f64,
                end_s: each_s * (index + 1) as f64,
                rate: *rate,
                before,
            };
            before += rate * each_s;
            step
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use workload::Arrivals as Wanted;

    fn all(wanted: &Wanted, secs: u64, threads: u32) -> Vec<u64> {
        let period = Duration::from_secs(secs);
        let mut starts: Vec<u64> = (0..threads)
            .flat_map(|index| {
                let share = Share { index, of: threads };
                Arrivals::new(wanted, period, share, &mut Rng::seeded(index.into()))
            })
            .collect();
        starts.sort_unstable();
        starts
    }

    #[test]
    fn the_threads_make_one_schedule_together() {
        let ramp = Wanted::Ramp {
            from: 0.0,
            to: 500.0,
        };
        for wanted in [
            Wanted::Constant(1000.0),
            ramp,
            Wanted::Steps(vec![100.0, 350.0, 50.0]),
        ] {
            let alone = all(&wanted, 3, 1);
            assert_eq!(all(&wanted, 3, 4), alone);
            assert!(alone.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn counts_and_places_follow_from_the_rates() {
        let constant = all(&Wanted::Constant(250.0), 2, 1);
        assert_eq!(
            (constant.len(), constant[0], constant[1]),
            (500, 0, 4_000_000)
        );
        let ramp = |from, to| all(&Wanted::Ramp { from, to }, 4, 1);
        assert_eq!(ramp(0.0, 100.0).len(), 200);
        assert_eq!(ramp(100.0, 0.0).len(), 200);
        // A quarter of the starts of a rising ramp come in its first half.
        let early = |starts: &[u64]| starts.iter().filter(|ns| **ns < 2_000_000_000).count();
        assert_eq!(early(&ramp(0.0, 100.0)), 50);
        assert_eq!(early(&ramp(100.0, 0.0)), 150);
        assert_eq!(ramp(50.0, 50.0), all(&Wanted::Constant(50.0), 4, 1));
        let steps = all(&Wanted::Steps(vec![10.0, 20.0, 30.0]), 3, 1);
        let second = |n| steps.iter().filter(|ns| **ns / 1_000_000_000 == n).count();
        assert_eq!([second(0), second(1), second(2)], [10, 20, 30]);
        assert!(all(&Wanted::Closed, 3, 1).is_empty());
    }

    #[test]
    fn independent_arrivals_have_exponential_gaps() {
        let starts = all(&Wanted::Poisson(1000.0), 100, 1);
        let count = starts.len() as f64;
        // Standard deviation of the count: 316.
        assert!((count - 100_000.0).abs() < 1300.0, "{count}");
        let gaps: Vec<f64> = starts
            .windows(2)
            .map(|w| (w[1] - w[0]) as f64 / 1e6)
            .collect();
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        assert!((mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.05);
        let long = gaps.iter().filter(|gap| **gap > 1.0).count() as f64 / count;
        assert!((long - (-1.0f64).exp()).abs() < 0.01, "{long}");
    }

    #[test]
    fn a_count_is_dealt_out_whole() {
        for of in 1..5 {
            let parts = (0..of).map(|index| Share { index, of }.part_of(10));
            assert_eq!(parts.sum::<u64>(), 10);
        }
    }
}
