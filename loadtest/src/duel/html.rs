//! A report as a page: the table over everything, then bars and a table for each load.

use super::{
    figure::Figure,
    markdown::facts,
    report::{Comparison, Report, Row},
    tables::{self, Table},
};
use crate::report::{
    markup::escape,
    page::{self, alerts, figure, page, section},
    svg::{Bar, Bars, Group, bars},
    unit,
};

/// The whole page, by itself.
pub fn html(report: &Report) -> String {
    let mut body = String::from("<h1>Proxies compared</h1>\n");
    let (notes, facts): (Vec<String>, Vec<String>) = facts(report)
        .into_iter()
        .partition(|fact| fact.starts_with("Note: "));
    for fact in facts {
        body += &format!("<p>{}</p>\n", escape(&fact));
    }
    body += &alerts(&notes);
    body += &section(
        "Everything",
        "Medians, ranges in brackets; the last column is ours as a share of the best rival's.",
        &scrolled(&tables::summary(report)),
    );
    for comparison in &report.comparisons {
        body += &details(comparison);
    }
    page("Proxies compared", &body)
}

/// Wide tables scroll by themselves, not the page.
fn scrolled(table: &Table) -> String {
    let head: Vec<&str> = table.head.iter().map(String::as_str).collect();
    let inner = page::table(&head, &table.rows);
    format!("<div style=\"overflow-x: auto\">\n{inner}</div>\n")
}

fn details(comparison: &Comparison) -> String {
    let scenario = &comparison.scenario;
    let mut about = comparison.about().unwrap_or_default();
    let mut out = String::new();
    for what in scenario.headlines() {
        let heading = format!("{}: {}", scenario.title, what.title());
        out += &figure(&heading, &about, |width| {
            bars(&chart(comparison, *what), width)
        });
        about.clear();
    }
    out + &scrolled(&tables::details(comparison)) + &alerts(&comparison.remarks())
}

fn chart(comparison: &Comparison, figure: Figure) -> Bars {
    let bar = |row: &Row| {
        let all = row.spread(figure);
        Bar {
            name: row.label.clone(),
            series: usize::from(row.is_rival),
            value: all.map(|all| all.median),
            range: all
                .filter(|_| row.rounds.len() > 1)
                .map(|all| (all.low, all.high)),
        }
    };
    Bars {
        name: format!("{}, {}", comparison.scenario.title, figure.title()),
        title: figure.title().to_owned(),
        label: unit::number_short,
        series: vec!["ringlb".to_owned(), "others".to_owned()],
        groups: vec![Group {
            name: String::new(),
            bars: comparison.rows.iter().map(bar).collect(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{comparison, report};
    use super::*;
    use crate::report::markup::check;

    #[test]
    fn a_page_has_a_chart_for_each_headline_and_closes_its_tags() {
        let rows = [
            ("<uring>", false, Some(10.0)),
            ("haproxy", true, Some(20.0)),
            ("nginx", true, None),
        ];
        let all = vec![comparison("h1-small", &rows), comparison("latency", &rows)];
        let page = html(&report(all));
        assert_eq!(check(&page), Ok(()));
        // One headline of the first, three of the second, each for wide and narrow screens.
        assert_eq!(page.matches("<svg").count(), 8);
        assert!(page.contains("&lt;uring&gt;") && !page.contains("<uring>"));
        assert!(page.contains("nginx: did not start."));
        assert!(page.contains("<td>10.0 (9.00–12.0)</td><td>0.50</td>"));
    }
}
