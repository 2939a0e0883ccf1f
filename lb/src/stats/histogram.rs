//! Latencies.

use super::Counter;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const SUB_BITS: u32 = 3;
/// Buckets: 8 a power of two, up to 2^36 µs (19 hours).
const BUCKETS: usize = (36 << SUB_BITS) as usize;

/// Durations in log-linear buckets, 8 to a power of two of microseconds (error at most 12.5 %).
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_us: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_us: Counter::default(),
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = &self.buckets[Self::index(micros)];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        self.sum_us.add(micros);
    }

    fn index(micros: u64) -> usize {
        let top = 63 - (micros | 1).leading_zeros();
        if top < SUB_BITS {
            return micros as usize;
        }
        let sub = (micros >> (top - SUB_BITS)) as usize & ((1 << SUB_BITS) - 1);
        ((((top - SUB_BITS + 1) << SUB_BITS) as usize) + sub).min(BUCKETS - 1)
    }

    /// The lowest value (µs) that no longer falls into bucket `index`.
    fn end_of(index: usize) -> u64 {
        let (group, sub) = (index >> SUB_BITS, (index & ((1 << SUB_BITS) - 1)) as u64);
        if group == 0 {
            sub + 1
        } else {
            ((1 << SUB_BITS) + sub + 1) << (group - 1)
        }
    }

    /// Adds all counts to a copy that readers own.
    pub fn add_to(&self, totals: &mut HistogramTotals) {
        totals.counts.resize(BUCKETS, 0);
        for (total, bucket) in totals.counts.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        totals.sum_us += self.sum_us.get();
    }
}

/// Counts of several workers' histograms, summed.
#[derive(Clone, Debug, Default)]
pub struct HistogramTotals {
    counts: Vec<u64>,
    /// Sum of all durations, µs.
    pub sum_us: u64,
}

impl HistogramTotals {
    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many were below `limit_us`; exact where the limit is a bucket's end, else rounded down.
    pub fn below(&self, limit_us: u64) -> u64 {
        let whole = |(index, _): &(usize, &u64)| Histogram::end_of(*index) <= limit_us;
        self.counts
            .iter()
            .enumerate()
            .take_while(whole)
            .map(|(_, count)| count)
            .sum()
    }

    /// The value (µs) that a share `q` (0 to 1) of the durations does not exceed.
    pub fn quantile(&self, q: f64) -> u64 {
        let wanted = ((self.count() as f64) * q).ceil() as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted.max(1)
        });
        found.map_or(0, |index| Histogram::end_of(index) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_falls_below_its_buckets_end_and_not_far() {
        for micros in (0..5000).chain([65_535, 65_536, 1 << 30, (1 << 35) + 12345]) {
            let end = Histogram::end_of(Histogram::index(micros));
            assert!(
                micros < end && end <= micros + micros / 8 + 1,
                "{micros} {end}"
            );
        }
    }

    #[test]
    fn totals_give_counts_and_quantiles() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|n| histogram.record(Duration::from_micros(n)));
        let mut totals = HistogramTotals::default();
        histogram.add_to(&mut totals);
        assert_eq!(
            (totals.count(), totals.sum_us, totals.below(512)),
            (1000, 500_500, 511)
        );
        assert!((500..=575).contains(&totals.quantile(0.5)));
    }
}
