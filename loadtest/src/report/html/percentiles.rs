//! Latency by percentile.

use crate::{
    outcome::Outcome,
    report::{
        page,
        svg::{Axis, Key, Plot, Scale, Size},
        unit,
    },
};
use hdrhistogram::Histogram;

/// Points between a percentile and the one half as far from 100 %.
const TICKS: u32 = 10;

/// Corrected and uncorrected latency over percentiles, both axes by ratio.
pub(super) fn section(outcome: &Outcome) -> String {
    let heading = "Latency by percentile";
    let curves = [
        ("s0", "corrected", &outcome.latency),
        ("s1 dashed", "uncorrected", &outcome.service),
    ];
    let curves = curves
        .into_iter()
        .filter(|(_, _, histogram)| !histogram.is_empty());
    let curves: Vec<_> = curves.collect();
    if curves.is_empty() {
        return page::section(
            heading,
            "",
            "<p class=\"about\">Nothing was recorded.</p>\n",
        );
    }
    let about = "How long all but so many of the requests took; each step to the right leaves out a \
                 tenth of those that the one before left out.";
    page::figure(heading, about, |width| draw(&curves, width))
}

fn draw(curves: &[(&str, &str, &Histogram<u64>)], width: f64) -> String {
    let all = || curves.iter().map(|(_, _, histogram)| *histogram);
    let most = all().map(Histogram::len).max().unwrap_or(1);
    let low = all()
        .map(|histogram| histogram.min().max(500))
        .min()
        .unwrap_or(500);
    let high = all().map(Histogram::max).max().unwrap_or(500);
    let x = Axis {
        scale: Scale::nines(most),
        title: "percentile".to_owned(),
        label: unit::percentile,
    };
    let y = Axis {
        scale: Scale::log_around(low as f64, high as f64),
        title: "latency".to_owned(),
        label: unit::time_short,
    };
    let key = |(class, label, _): &(&str, &str, _)| Key::Line {
        class: (*class).to_owned(),
        label: (*label).to_owned(),
    };
    let keys: Vec<Key> = curves.iter().map(key).collect();
    let size = Size {
        width,
        height: 340.0,
    };
    let mut plot = Plot::new(size, "Latency by percentile", &x, &y, &keys);
    for (class, _, histogram) in curves {
        plot.line(class, points(histogram));
    }
    plot.finish()
}

/// Quantiles and their values; the highest value is drawn where the last sample but one ends.
fn points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let last = 1.0 - 1.0 / histogram.len() as f64;
    let steps = histogram.iter_quantiles(TICKS);
    steps
        .map(|step| {
            let quantile = step.quantile_iterated_to();
            let is_end = quantile >= 1.0 && histogram.len() > 1;
            (
                if is_end { last } else { quantile },
                step.value_iterated_to() as f64,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::histogram;

    #[test]
    fn a_curve_reaches_from_the_lowest_to_the_highest() {
        let mut latency = histogram();
        for ms in 1..=1000 {
            latency.record(ms * 1_000_000).unwrap();
        }
        let points = points(&latency);
        assert!(points.len() < 150);
        let first = (
            points[0].0,
            latency.equivalent(points[0].1 as u64, 1_000_000),
        );
        assert_eq!(first, (0.0, true));
        let (quantile, ns) = points[points.len() - 1];
        assert_eq!((quantile, ns as u64), (0.999, latency.max()));
        let half = points
            .iter()
            .find(|(quantile, _)| (quantile - 0.5).abs() < 1e-9)
            .unwrap();
        assert!(latency.equivalent(half.1 as u64, 500_000_000));
    }

    #[test]
    fn a_single_sample_is_a_line() {
        let mut latency = histogram();
        latency.record(1_000_000).unwrap();
        let points = points(&latency);
        assert!(points.len() >= 2, "{points:?}");
        assert_eq!((points[0].0, points[points.len() - 1].0), (0.0, 1.0));
    }
}
