//! The percentile distribution of the HdrHistogram libraries.

use super::Summary;
use crate::outcome::Outcome;
use hdrhistogram::Histogram;

/// Steps between a percentile and the one half as far from 100 %; the libraries' own default.
const TICKS: u32 = 5;
/// Nanoseconds of a unit of the table.
const MS: f64 = 1e6;

/// Corrected latency in ms as what HdrHistogram's `outputPercentileDistribution` writes: a head, a line a
/// step (value, percentile as a fraction, samples up to the value, 1/(1 - percentile); the last line has
/// no fourth column), and mean, deviation, maximum and shape. Values are the upper edges of their buckets.
/// The first line is a comment that says what was run, as their logs have one too; plotters leave out what
/// begins with `#`.
pub fn hgrm(summary: &Summary, outcome: &Outcome) -> String {
    let target: String = summary.target.chars().filter(|c| !c.is_control()).collect();
    let mut out = format!("#[Target: {target}, corrected latency in ms]\n");
    out.push_str(&distribution(&outcome.latency));
    out
}

fn distribution(histogram: &Histogram<u64>) -> String {
    let digits = usize::from(histogram.sigfig());
    let mut out = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0u64;
    for step in histogram.iter_quantiles(TICKS) {
        total = total.saturating_add(step.count_since_last_iteration());
        let value = step.value_iterated_to() as f64 / MS;
        let quantile = step.quantile_iterated_to();
        out.push_str(&format!("{value:12.digits$} {quantile:2.12} {total:>10}"));
        if quantile < 1.0 {
            out.push_str(&format!(" {:14.2}", 1.0 / (1.0 - quantile)));
        }
        out.push('\n');
    }
    let mean = histogram.mean() / MS;
    let deviation = histogram.stdev() / MS;
    let max = if histogram.is_empty() {
        0
    } else {
        histogram.max()
    } as f64
        / MS;
    // The least power of two that tells apart all values of so many digits and those of twice as much.
    let sub_buckets = (2 * 10u64.pow(histogram.sigfig().into())).next_power_of_two();
    let (count, buckets) = (histogram.len(), histogram.buckets());
    out.push_str(&format!(
        "#[Mean    = {mean:12.digits$}, StdDeviation   = {deviation:12.digits$}]\n\
         #[Max     = {max:12.digits$}, Total count    = {count:12}]\n\
         #[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]\n"
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// Three samples, in buckets of 512, 1024 and 2048 ns: upper edges 1,000,447, 2,000,895 and 4,001,791,
    /// middles 1,000,192, 2,000,384 and 4,000,768, from which mean and deviation follow. The steps are those of the definition: five to 50 %, five to 75 %, and the end as
    /// soon as the highest sample is reached.
    #[test]
    fn lines_are_as_computed_by_hand() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for ns in [1_000_000, 2_000_000, 4_000_000] {
            histogram.record(ns).unwrap();
        }
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

       1.000 0.000000000000          1           1.00
       1.000 0.100000000000          1           1.11
       1.000 0.200000000000          1           1.25
       1.000 0.300000000000          1           1.43
       2.001 0.400000000000          2           1.67
       2.001 0.500000000000          2           2.00
       2.001 0.550000000000          2           2.22
       2.001 0.600000000000          2           2.50
       2.001 0.650000000000          2           2.86
       4.002 0.700000000000          3           3.33
       4.002 1.000000000000          3
#[Mean    =        2.334, StdDeviation   =        1.247]
#[Max     =        4.002, Total count    =            3]
#[Buckets =           32, SubBuckets     =         2048]
";
        assert_eq!(distribution(&histogram), expected);
    }

    #[test]
    fn an_empty_distribution_has_a_head_and_a_foot() {
        let (summary, outcome) = sample::empty();
        let lines = hgrm(&summary, &outcome);
        assert!(
            lines.starts_with("#[Target: 127.0.0.1:8080 as example.org, "),
            "{lines}"
        );
        assert_eq!(lines.lines().count(), 6, "{lines}");
        assert!(lines.contains("#[Mean    =        0.000, StdDeviation   =        0.000]\n"));
        assert!(lines.contains("#[Max     =        0.000, Total count    =            0]\n"));
    }

    #[test]
    fn what_a_plotter_reads_rises_in_all_columns() {
        for (name, summary, outcome) in sample::odd() {
            let table = hgrm(&summary, &outcome);
            assert!(table.lines().count() < 400, "{name}");
            let rows: Vec<Vec<f64>> = table
                .lines()
                .filter(|line| !line.starts_with('#'))
                .map(|line| {
                    line.split_whitespace()
                        .filter_map(|cell| cell.parse().ok())
                        .collect()
                })
                .filter(|row: &Vec<f64>| row.len() >= 3)
                .collect();
            assert_eq!(rows.is_empty(), outcome.latency.is_empty(), "{name}");
            for column in 0..3 {
                assert!(
                    rows.iter().map(|row| row[column]).is_sorted(),
                    "{name}: {table}"
                );
            }
            let last = rows.last().map(|row| (row.len(), row[1], row[2]));
            let expected = Some((3, 1.0, outcome.latency.len() as f64));
            assert!(last.is_none() || last == expected, "{name}: {last:?}");
        }
    }
}
