//! A report for programs: one JSON object.
//!
//! It is the [`Report`] with `schema`, and in each row of each comparison `summary` beside `rounds`: by
//! figure `median`, `low` and `high` over the rounds, and `to_best_rival`, the median as a share of the best
//! rival's (null if that says nothing). Figures have their units in their names: `_us`, `_s`, `_ms`,
//! `_bytes`, `_percent`, `gb` for 10^9 bytes.

use super::{
    figure::Figure,
    limit::Base,
    report::{Comparison, Report, Row},
    scenario::Scenario,
    statistics::Spread,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Another number is another meaning of some field. Fields may be added without.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Whole<'a> {
    schema: u32,
    #[serde(flatten)]
    report: &'a Report,
    comparisons: Vec<Compared<'a>>,
}

#[derive(Serialize)]
struct Compared<'a> {
    scenario: &'a Scenario,
    base: Option<Base>,
    rows: Vec<Summed<'a>>,
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct Summed<'a> {
    #[serde(flatten)]
    row: &'a Row,
    summary: BTreeMap<Figure, Sum>,
}

#[derive(Serialize)]
struct Sum {
    #[serde(flatten)]
    spread: Spread,
    to_best_rival: Option<f64>,
}

/// The report as JSON; see the module.
///
/// # Errors
/// None that this data can cause.
pub fn json(report: &Report) -> Result<String, String> {
    let whole = Whole {
        schema: SCHEMA,
        report,
        comparisons: report.comparisons.iter().map(compared).collect(),
    };
    serde_json::to_string_pretty(&whole).map_err(|error| error.to_string())
}

fn compared(comparison: &Comparison) -> Compared<'_> {
    let summed = |row| Summed {
        row,
        summary: summary(comparison, row),
    };
    Compared {
        scenario: &comparison.scenario,
        base: comparison.base,
        rows: comparison.rows.iter().map(summed).collect(),
        remarks: comparison.remarks(),
    }
}

fn summary(comparison: &Comparison, row: &Row) -> BTreeMap<Figure, Sum> {
    let figures = comparison.scenario.figures().iter();
    let sums = figures.filter_map(|figure| {
        let sum = Sum {
            spread: row.spread(*figure)?,
            to_best_rival: comparison.ratio(row, *figure),
        };
        Some((*figure, sum))
    });
    sums.collect()
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{comparison, report};
    use serde_json::{Value, json};

    #[test]
    fn every_row_has_its_rounds_and_what_they_come_to() {
        let rows = [
            ("uring", false, Some(10.0)),
            ("haproxy", true, Some(20.0)),
            ("nginx", true, None),
        ];
        let text = super::json(&report(vec![comparison("h1-small", &rows)])).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&whole["schema"], &whole["proxy_cpu"]),
            (&json!(1), &json!(0))
        );
        let compared = &whole["comparisons"][0];
        let own = &compared["rows"][0];
        assert_eq!(
            own["rounds"][0]["figures"],
            json!({"cpu_us_per_request": 9.0})
        );
        let sum = json!({"median": 10.0, "low": 9.0, "high": 12.0, "to_best_rival": 0.5});
        assert_eq!(own["summary"], json!({"cpu_us_per_request": sum}));
        assert_eq!(compared["rows"][2]["summary"], json!({}));
        assert_eq!(compared["remarks"][0], "nginx: did not start.");
        assert_eq!(text.matches("\"comparisons\"").count(), 1);
    }
}
