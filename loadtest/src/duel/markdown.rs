//! A report as Markdown: one table over everything, then one for each load.

use super::{
    report::{Comparison, Report},
    tables::{self, Table},
};
use std::fmt::Write;

/// The whole report.
pub fn markdown(report: &Report) -> String {
    let mut out = String::from("# Proxies compared\n\n");
    for fact in facts(report) {
        let _ = writeln!(out, "{fact}\n");
    }
    out += &written(&tables::summary(report));
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

fn written(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = " ---: |".repeat(table.head.len().saturating_sub(1));
    let rows: String = table.rows.iter().map(|row| line(row)).collect();
    format!("{}| --- |{rule}\n{rows}\n", line(&table.head))
}

fn details(comparison: &Comparison) -> String {
    let scenario = &comparison.scenario;
    let mut out = format!("## {}: {}\n\n", scenario.name, scenario.title);
    if let Some(about) = comparison.about() {
        let _ = writeln!(out, "{about}\n");
    }
    out += &written(&tables::details(comparison));
    for remark in comparison.remarks() {
        let _ = writeln!(out, "* {remark}");
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::limit::Base;
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
        latency.base = Some(Base {
            requests_per_second: 17_636.6,
            is_at_limit: true,
        });
        let text = markdown(&report(vec![comparison("h1-small", &rows), latency]));
        let want = "| 100-byte answers, 64 connections, CPU µs a request | 10.0 (9.00–12.0) | 20.0 (18.0–24.0) | – | 0.50 |\n";
        assert!(text.contains(want), "{text}");
        for part in [
            "|  | ringlb-uring | haproxy | nginx | uring to the best rival |\n| --- | ---: | ---: | ---: | ---: |\n",
            "ringlb-uring 1.2, haproxy 1.2, nginx 1.2.",
            "Linux 6.1, Some CPU (1 CPUs), load average 0.5 to 1.2; loopback.",
            "Note: envoy is not installed.",
            "12,346 requests/s were asked for, 70 % of what the best rival reached.",
            "* nginx: did not start.",
            "| haproxy | 20.0 (18.0–24.0) | 1.00 | – |",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let columns = |line: &&str| line.starts_with("| 100") && line.matches('|').count() == 6;
        assert_eq!(text.lines().filter(columns).count(), 4);
    }
}
