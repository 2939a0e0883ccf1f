//! The tables of a report, whatever they are written as.

use super::{
    figure::Figure,
    report::{Comparison, Report, Row},
};
use crate::report::unit;

/// Cells as text; those of all columns but the first are figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Loads by proxies: what each load is about, and how ours stand to the best of the others.
pub(super) fn summary(report: &Report) -> Table {
    let labels = report.peers.iter().map(|peer| peer.label.clone());
    let own = report.peers.iter().filter(|peer| !peer.is_rival);
    let own: Vec<&str> = own.map(|peer| short(&peer.label)).collect();
    let ratio = format!("{} to the best rival", own.join(", "));
    let rows = report.comparisons.iter().flat_map(|comparison| {
        let figures = comparison.scenario.headlines().iter();
        figures.map(|figure| summary_row(comparison, *figure))
    });
    Table {
        head: [String::new()]
            .into_iter()
            .chain(labels)
            .chain([ratio])
            .collect(),
        rows: rows.collect(),
    }
}

/// An engine of ours by its own name.
fn short(label: &str) -> &str {
    label.strip_prefix("ringlb-").unwrap_or(label)
}

fn summary_row(comparison: &Comparison, figure: Figure) -> Vec<String> {
    let mut row = vec![format!("{}, {}", comparison.scenario.title, figure.title())];
    row.extend(comparison.rows.iter().map(|row| cell(row, figure)));
    let own = comparison.rows.iter().filter(|row| !row.is_rival);
    let ratios: Vec<String> = own.map(|row| ratio(comparison, row, figure)).collect();
    row.push(ratios.join(", "));
    row
}

/// Proxies by figures under one load; each headline is followed by how it stands to the best rival's.
pub(super) fn details(comparison: &Comparison) -> Table {
    let figures = comparison.scenario.figures();
    let is_headline = |figure| comparison.scenario.headlines().contains(figure);
    let mut head = vec![String::new()];
    for figure in figures {
        head.push(figure.title().to_owned());
        if is_headline(figure) {
            head.push("to the best rival".to_owned());
        }
    }
    let measured = comparison.rows.iter().filter(|row| !row.rounds.is_empty());
    let rows = measured.map(|row| {
        let mut cells = vec![row.label.clone()];
        for figure in figures {
            cells.push(cell(row, *figure));
            if is_headline(figure) {
                cells.push(ratio(comparison, row, *figure));
            }
        }
        cells
    });
    Table {
        head,
        rows: rows.collect(),
    }
}

/// The median, and of several rounds the range.
fn cell(row: &Row, figure: Figure) -> String {
    let Some(all) = row.spread(figure) else {
        return unit::NONE.to_owned();
    };
    let [median, low, high] = [all.median, all.low, all.high].map(unit::number);
    match row.rounds.len() {
        1 => median,
        _ => format!("{median} ({low}–{high})"),
    }
}

fn ratio(comparison: &Comparison, row: &Row, figure: Figure) -> String {
    let ratio = comparison.ratio(row, figure);
    ratio.map_or_else(|| unit::NONE.to_owned(), |ratio| format!("{ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{comparison, report};
    use super::*;

    const ROWS: [(&str, bool, Option<f64>); 4] = [
        ("ringlb-uring", false, Some(10.0)),
        ("before", false, Some(30.0)),
        ("haproxy", true, Some(20.0)),
        ("nginx", true, None),
    ];

    #[test]
    fn the_summary_says_whose_ratios_it_has() {
        let table = summary(&report(vec![
            comparison("h1-small", &ROWS),
            comparison("latency", &ROWS),
        ]));
        let head = [
            "",
            "ringlb-uring",
            "before",
            "haproxy",
            "nginx",
            "uring, before to the best rival",
        ];
        assert_eq!(table.head, head);
        let small = [
            "100-byte answers, 64 connections, CPU µs a request",
            "10.0 (9.00–12.0)",
            "30.0 (27.0–36.0)",
            "20.0 (18.0–24.0)",
            "–",
            "0.50, 1.50",
        ];
        assert_eq!(table.rows[0], small);
        // Latency has three headlines.
        assert_eq!(table.rows.len(), 4);
    }

    #[test]
    fn details_have_range_and_ratio_of_everybody_measured() {
        let table = details(&comparison("h1-small", &ROWS));
        assert_eq!(
            table.head[..3],
            ["", "CPU µs a request", "to the best rival"]
        );
        let labels: Vec<&str> = table.rows.iter().map(|row| &*row[0]).collect();
        assert_eq!(labels, ["ringlb-uring", "before", "haproxy"]);
        assert_eq!(table.rows[1][1..4], ["30.0 (27.0–36.0)", "1.50", "–"]);
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
        let latency = details(&comparison("latency", &ROWS));
        let ratios = latency
            .head
            .iter()
            .filter(|title| *title == "to the best rival");
        assert_eq!(ratios.count(), 3);
    }
}
