//! A report as Markdown: one table over everything, then one for each load.

use super::{
    figure::Figure,
    report::{Comparison, Report, Row},
};
use crate::report::unit;
use std::fmt::Write;

/// The whole report.
pub fn markdown(report: &Report) -> String {
    let mut out = String::from("# Proxies compared\n\n");
    for fact in facts(report) {
        let _ = writeln!(out, "{fact}\n");
    }
    out += &summary(report);
    for comparison in &report.comparisons {
        out += &details(comparison);
    }
    out
}

/// What has to be known of all figures, in sentences.
pub(super) fn facts(report: &Report) -> Vec<String> {
    let peers = report
        .peers
        .iter()
        .map(|peer| format!("{} {}", peer.label, peer.version));
    let load: Vec<String> = report.load_cpus.iter().map(usize::to_string).collect();
    let machine = &report.machine;
    let average = report.load_average.map_or_else(String::new, |(low, high)| {
        format!(", load average {low:.1} to {high:.1}")
    });
    let mut facts = vec![
        format!("{}.", peers.collect::<Vec<_>>().join(", ")),
        format!(
            "Linux {}, {} ({} CPUs){average}; loopback. Each proxy with one worker on CPU {}, \
             generator ({}) and endpoint on CPU {}. The proxies in turn within each round; medians, and \
             the range in brackets. CPU is the run time of all of a proxy's threads and children. \
             loadtest {}.",
            machine.kernel,
            machine.cpu_model,
            machine.cpus,
            report.proxy_cpu,
            report.engine,
            load.join(", "),
            report.version,
        ),
    ];
    facts.extend(report.notes.iter().map(|note| format!("Note: {note}.")));
    if report.is_cut {
        facts.push(
            "Note: it was ended before its time; what is missing was not measured.".to_owned(),
        );
    }
    facts
}

/// Loads by proxies: the medians of what each load is about, and how ours stand to the best of the others.
pub(super) fn summary(report: &Report) -> String {
    let labels: Vec<&str> = report.peers.iter().map(|peer| &*peer.label).collect();
    let mut out = format!("| | {} | to the best rival |\n| --- |", labels.join(" | "));
    out += &" ---: |".repeat(labels.len() + 1);
    out.push('\n');
    for comparison in &report.comparisons {
        for figure in comparison.scenario.headlines() {
            let cells = comparison.rows.iter().map(|row| cell(row, *figure));
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                name(comparison, *figure),
                cells.collect::<Vec<_>>().join(" | "),
                ratios(comparison, *figure),
            );
        }
    }
    out.push('\n');
    out
}

fn name(comparison: &Comparison, figure: Figure) -> String {
    format!("{}, {}", comparison.scenario.title, figure.title())
}

fn cell(row: &Row, figure: Figure) -> String {
    row.spread(figure).map_or_else(
        || unit::NONE.to_owned(),
        |all| match row.rounds.len() {
            1 => unit::number(all.median),
            _ => format!(
                "{} ({}–{})",
                unit::number(all.median),
                unit::number(all.low),
                unit::number(all.high)
            ),
        },
    )
}

/// Of those that are no rivals, in their order.
fn ratios(comparison: &Comparison, figure: Figure) -> String {
    let own = comparison.rows.iter().filter(|row| !row.is_rival);
    let ratios = own.map(|row| ratio(comparison, row, figure));
    ratios.collect::<Vec<_>>().join(", ")
}

fn ratio(comparison: &Comparison, row: &Row, figure: Figure) -> String {
    let ratio = comparison.ratio(row, figure);
    ratio.map_or_else(|| unit::NONE.to_owned(), |ratio| format!("{ratio:.2}"))
}

fn details(comparison: &Comparison) -> String {
    let scenario = &comparison.scenario;
    let mut out = format!("## {}: {}\n\n", scenario.name, scenario.title);
    if let Some(rate) = comparison.rate {
        let share = 100.0 * scenario.share;
        let _ = writeln!(
            out,
            "{} requests/s were asked for, {share:.0} % of what the best rival reached.\n",
            unit::number(rate)
        );
    }
    let figures = scenario.figures();
    let titles: Vec<&str> = figures.iter().map(|figure| figure.title()).collect();
    let _ = writeln!(out, "| | {} | to the best rival |", titles.join(" | "));
    let _ = writeln!(out, "| --- |{}", " ---: |".repeat(titles.len() + 1));
    for row in comparison.rows.iter().filter(|row| !row.rounds.is_empty()) {
        let cells = figures.iter().map(|figure| cell(row, *figure));
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            row.label,
            cells.collect::<Vec<_>>().join(" | "),
            ratio(comparison, row, figures[0]),
        );
    }
    out.push('\n');
    for row in &comparison.rows {
        for remark in row.remarks() {
            let _ = writeln!(out, "* {}: {remark}.", row.label);
        }
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{comparison, report};
    use super::*;

    #[test]
    fn every_load_has_a_row_and_a_table() {
        let rows = [
            ("ringlb-uring", false, Some(10.0)),
            ("haproxy", true, Some(20.0)),
            ("nginx", true, None),
        ];
        let mut latency = comparison("latency", &rows);
        latency.rate = Some(12_345.6);
        let text = markdown(&report(vec![comparison("h1-small", &rows), latency]));
        let want = "| 100-byte answers, 64 connections, CPU µs a request | 10.0 (9.00–12.0) | 20.0 (18.0–24.0) | – | 0.50 |\n";
        assert!(text.contains(want), "{text}");
        for part in [
            "| | ringlb-uring | haproxy | nginx | to the best rival |\n| --- | ---: | ---: | ---: | ---: |\n",
            "ringlb-uring 1.2, haproxy 1.2, nginx 1.2.",
            "Linux 6.1, Some CPU (1 CPUs), load average 0.5 to 1.2; loopback.",
            "Note: envoy is not installed.",
            "12,346 requests/s were asked for, 70 % of what the best rival reached.",
            "* nginx: did not start.",
            "| haproxy | 20.0 (18.0–24.0) | – |",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let columns = |line: &&str| line.starts_with("| 100") && line.matches('|').count() == 6;
        assert_eq!(text.lines().filter(columns).count(), 4);
    }
}
