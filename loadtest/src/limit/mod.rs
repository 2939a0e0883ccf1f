//! The highest rate at which latency stays under a bound: rates are doubled until one is too high, then
//! the gap is halved. Whether a rate holds is decided by two runs that agree, of three at most.
//!
//! The search knows no load and no time: it names a rate and is told what came of it.

mod result;
mod step;

pub use result::Found;
pub use step::{Bound, Step, Verdict};

/// The search ends when the lowest rate that is too high is at most so much above the highest that
/// holds.
pub const PRECISION: f64 = 0.03;
/// Below this rate nothing is tried.
pub const RATE_MIN: f64 = 1.0;

/// A search for the highest rate that holds.
#[derive(Clone, Debug)]
pub struct Search {
    rate_max: f64,
    next: f64,
    /// Runs at `next` that held, and that did not.
    votes: [u32; 2],
    /// The highest rate that held.
    low: Option<f64>,
    /// The lowest that did not.
    high: Option<f64>,
}

impl Search {
    /// A search that begins with `from` and tries no rate above `to`; both above 0.
    pub fn new(from: f64, to: f64) -> Self {
        Self {
            rate_max: to,
            next: from.min(to),
            votes: [0; 2],
            low: None,
            high: None,
        }
    }

    /// The rate to try next; none: the search is over.
    pub fn next(&self) -> Option<f64> {
        let is_near = match (self.low, self.high) {
            (Some(low), Some(high)) => high <= low * (1.0 + PRECISION),
            (Some(low), None) => low >= self.rate_max,
            (None, Some(high)) => high <= RATE_MIN,
            (None, None) => false,
        };
        (!is_near).then_some(self.next)
    }

    /// Tells whether the rate that was to be tried held.
    pub fn on_run(&mut self, holds: bool) {
        self.votes[usize::from(holds)] += 1;
        if self.votes[usize::from(holds)] < 2 {
            return;
        }
        self.votes = [0; 2];
        match holds {
            true => self.low = Some(self.next),
            false => self.high = Some(self.next),
        }
        self.next = match (self.low, self.high) {
            (Some(low), Some(high)) => f64::midpoint(low, high),
            (Some(low), None) => (low * 2.0).min(self.rate_max),
            (None, Some(high)) => (high / 2.0).max(RATE_MIN),
            (None, None) => self.next,
        };
    }

    /// The highest rate that held so far.
    pub fn limit(&self) -> Option<f64> {
        self.low
    }

    /// The lowest rate that was too high so far.
    pub fn too_high(&self) -> Option<f64> {
        self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a target that holds up to `limit`; the search, and how many runs it took.
    fn search(from: f64, to: f64, mut holds: impl FnMut(f64) -> bool) -> (Search, u32) {
        let (mut search, mut runs) = (Search::new(from, to), 0);
        while let Some(rate) = search.next() {
            assert!((RATE_MIN.min(from)..=to).contains(&rate) && runs < 200);
            search.on_run(holds(rate));
            runs += 1;
        }
        (search, runs)
    }

    #[test]
    fn the_limit_is_found_from_wherever_it_begins() {
        for limit in [1.5, 99.0, 100.0, 12_345.0, 3e6] {
            for from in [1.0, 100.0, 1e6] {
                let (search, runs) = search(from, 1e7, |rate| rate <= limit);
                let (low, high) = (search.limit().unwrap(), search.too_high().unwrap());
                assert!(low <= limit && limit < high && high <= low * 1.031);
                assert!(runs <= 70, "{runs}");
            }
        }
    }

    #[test]
    fn what_holds_always_or_never_ends_the_search() {
        let (always, _) = search(100.0, 5000.0, |_| true);
        assert_eq!((always.limit(), always.too_high()), (Some(5000.0), None));
        let (never, _) = search(100.0, 5000.0, |_| false);
        assert_eq!((never.limit(), never.too_high()), (None, Some(RATE_MIN)));
    }

    #[test]
    fn one_bad_run_of_three_decides_nothing() {
        let mut runs = 0;
        let (search, _) = search(100.0, 1e6, |rate| {
            runs += 1;
            rate <= 1000.0 && runs % 3 != 0
        });
        let low = search.limit().unwrap();
        assert!((970.0..=1000.0).contains(&low), "{low}");
    }
}
